"""The memory map as neomem reports it, checked by an implementation that shares nothing with the kernel's.

check_limine     the protocol's guarantees about a list of entries
check_conserved  the Limine entries against the UEFI descriptors they were made from: nothing became weaker,
                 nothing vanished, nothing usable was invented

Source: Limine protocol, "Memory Map Feature"; UEFI Specification 2.10, 7.2.3 (memory types and attributes).
"""
from bisect import bisect_right
from collections import namedtuple

PAGE = 4096
ARCHITECTURE_LIMIT = 1 << 52  # physical addresses have at most 52 bits (Intel SDM vol. 3A, 4.1.4)
USABLE, RESERVED, ACPI_RECLAIMABLE, ACPI_NVS, BAD, RECLAIMABLE, KERNEL, FRAMEBUFFER = range(8)
TYPE_NAMES = ("usable", "reserved", "ACPI reclaimable", "ACPI NVS", "bad memory", "bootloader reclaimable",
              "kernel and modules", "framebuffer")

ATTRIBUTE_WB = 0x8
ATTRIBUTE_NV = 0x8000
ATTRIBUTE_SP = 0x40000
EFI_LOADER_CODE, EFI_LOADER_DATA, EFI_CONVENTIONAL = 1, 2, 7
OF_EFI_TYPE = {1: RECLAIMABLE, 2: RECLAIMABLE, 3: RECLAIMABLE, 4: RECLAIMABLE, 7: USABLE, 9: ACPI_RECLAIMABLE,
               10: ACPI_NVS}
# How freely memory of a type may be used: a map may move bytes to the right in this list, never to the left.
STRICTNESS = {USABLE: 0, RECLAIMABLE: 1, ACPI_RECLAIMABLE: 2, ACPI_NVS: 3, RESERVED: 4, BAD: 4, KERNEL: 5,
              FRAMEBUFFER: 5}

Entry = namedtuple("Entry", "base length type")
Descriptor = namedtuple("Descriptor", "type phys pages attribute")
Range = namedtuple("Range", "base end efi_type type")


def number(value):
    return int(value, 16) if isinstance(value, str) else value


def entries_of(records):
    return [Entry(number(r["base"]), number(r["length"]), number(r["type"])) for r in records]


def descriptors_of(records):
    return [Descriptor(number(r["type"]), number(r["phys"]), number(r["pages"]), number(r["attribute"]))
            for r in records]


def check_limine(entries):
    """Return the list of broken guarantees (empty: none)."""
    wrong = []
    previous = None
    for index, entry in enumerate(entries):
        what = f"memmap entry {index} ({entry.base:#x}+{entry.length:#x}, type {entry.type})"
        if entry.type not in range(8):
            wrong.append(f"{what}: unknown type")
        if entry.length == 0:
            wrong.append(f"{what}: empty")
        if entry.base + entry.length > 1 << 64:
            wrong.append(f"{what}: ends beyond 2^64")
        if entry.type in (USABLE, RECLAIMABLE) and (entry.base % PAGE or entry.length % PAGE):
            wrong.append(f"{what}: not whole frames")
        if previous and entry.base < previous.base:
            wrong.append(f"{what}: below its predecessor at {previous.base:#x}")
        previous = entry
    # Usable and reclaimable entries overlap nothing: sweep by base, remembering the furthest end of each kind.
    furthest_exclusive = furthest_other = 0
    for entry in sorted(entries, key=lambda e: (e.base, e.length)):
        exclusive = entry.type in (USABLE, RECLAIMABLE)
        if entry.base < (max(furthest_exclusive, furthest_other) if exclusive else furthest_exclusive):
            wrong.append(f"memmap entry {entry.base:#x}+{entry.length:#x} type {entry.type}: overlaps a neighbour"
                         " although one of them is usable or reclaimable")
        if exclusive:
            furthest_exclusive = max(furthest_exclusive, entry.base + entry.length)
        else:
            furthest_other = max(furthest_other, entry.base + entry.length)
    return wrong


def limine_type(descriptor):
    """The type a descriptor's bytes have by the protocol, and by the rule that only plain RAM is usable."""
    kind = OF_EFI_TYPE.get(descriptor.type, RESERVED)
    if kind in (USABLE, RECLAIMABLE) and descriptor.attribute & (ATTRIBUTE_NV | ATTRIBUTE_SP):
        return RESERVED
    if kind in (USABLE, RECLAIMABLE) and not descriptor.attribute & ATTRIBUTE_WB:
        return RESERVED
    return kind


def is_sane(descriptor):
    """False for what says nothing: no pages, or an end that is no physical address."""
    return descriptor.pages > 0 and descriptor.phys + descriptor.pages * PAGE <= ARCHITECTURE_LIMIT


def expected_ranges(descriptors, cpu_limit):
    """Resolve the descriptors into disjoint ascending ranges; where they overlap, the strictest type wins.
    cpu_limit: the end of what this CPU can address; RAM beyond it cannot be used."""
    pieces = []
    for descriptor in descriptors:
        if not is_sane(descriptor):
            continue
        kind = limine_type(descriptor)
        base, end = descriptor.phys, descriptor.phys + descriptor.pages * PAGE
        if kind in (USABLE, RECLAIMABLE):
            base, end = -(-base // PAGE) * PAGE, min(end, cpu_limit) // PAGE * PAGE
        else:
            base, end = base // PAGE * PAGE, -(-end // PAGE) * PAGE
        if base < end:
            pieces.append(Range(base, end, descriptor.type, kind))
    # Sweep: at each boundary pieces start or stop; the strictest of those open gives the type.
    events = sorted([(p.base, 1, i) for i, p in enumerate(pieces)] + [(p.end, 0, i) for i, p in enumerate(pieces)])
    ranges, open_pieces, position = [], set(), 0
    for address, starts, index in events:
        if open_pieces and address > position:
            winner = max((pieces[i] for i in open_pieces), key=lambda p: (STRICTNESS[p.type], p.efi_type))
            loader = any(pieces[i].efi_type in (EFI_LOADER_CODE, EFI_LOADER_DATA) for i in open_pieces)
            efi_type = EFI_LOADER_DATA if loader and winner.type == RECLAIMABLE else winner.efi_type
            last = ranges[-1] if ranges else None
            if last and last.end == position and last[2:] == (efi_type, winner.type):
                ranges[-1] = last._replace(end=address)
            else:
                ranges.append(Range(position, address, efi_type, winner.type))
        position = address
        (open_pieces.add if starts else open_pieces.discard)(index)
    return ranges


class Coverage:
    """Which types cover an address range, for entries that may overlap."""

    def __init__(self, entries):
        self.points = sorted({e.base for e in entries} | {e.base + e.length for e in entries})
        self.types = [set() for _ in self.points]
        index = {point: i for i, point in enumerate(self.points)}
        for entry in entries:
            for i in range(index[entry.base], index[entry.base + entry.length]):
                self.types[i].add(entry.type)

    def over(self, base, end):
        """Yield (base, end, set of types) of the pieces of [base, end); the set is empty in holes."""
        i = bisect_right(self.points, base) - 1
        while base < end:
            stop = min(end, self.points[i + 1]) if i + 1 < len(self.points) else end
            yield base, stop, self.types[i] if i >= 0 else set()
            base, i = stop, i + 1


def check_conserved(entries, descriptors, cpu_limit=ARCHITECTURE_LIMIT):
    """Compare the map with what the descriptors allow. Return the list of contradictions (empty: none)."""
    wrong = []
    ranges = expected_ranges(descriptors, cpu_limit)
    coverage = Coverage(entries)
    # Rounding a strict range outwards claims bytes that no descriptor has; those need not be in an entry.
    exact = Coverage([Entry(d.phys, d.pages * PAGE, d.type) for d in descriptors if is_sane(d)])

    for expected in ranges:
        for base, end, types in coverage.over(expected.base, expected.end):
            what = f"{base:#x}-{end:#x} (UEFI type {expected.efi_type}, Limine {expected.type})"
            if not types:
                if any(limine_type(Descriptor(t, 0, 1, ATTRIBUTE_WB)) == expected.type
                       for _, _, efi_types in exact.over(base, end) for t in efi_types):
                    wrong.append(f"{what}: in no memmap entry")
                continue
            weakest = min(types, key=lambda t: STRICTNESS.get(t, 9))
            if STRICTNESS.get(weakest, 9) < STRICTNESS[expected.type]:
                wrong.append(f"{what}: became {TYPE_NAMES[weakest]}")
            if KERNEL in types and expected.efi_type not in (EFI_LOADER_CODE, EFI_LOADER_DATA):
                wrong.append(f"{what}: called kernel, but it is not the loader's memory")
            if expected.type in (USABLE, RECLAIMABLE) and types & {RESERVED, BAD, ACPI_NVS, ACPI_RECLAIMABLE}:
                wrong.append(f"{what}: lost to {TYPE_NAMES[weakest]} for no reason")
    known = Coverage([Entry(r.base, r.end - r.base, r.type) for r in ranges])
    for entry in entries:
        if entry.type not in (USABLE, RECLAIMABLE, KERNEL):
            continue
        for base, end, types in known.over(entry.base, entry.base + entry.length):
            if not types:
                wrong.append(f"{base:#x}-{end:#x}: {TYPE_NAMES[entry.type]} although no descriptor has it")
    return wrong


def bytes_of_type(entries, kind):
    return sum(entry.length for entry in entries if entry.type == kind)
