#!/usr/bin/python3
"""Make tests/data/memmaps/*.txt (format: tests/support/memmaps.h).

    make_memmaps.py recorded LOG 'comment'   convert what the UEFI shell's `memmap` printed, to standard output;
                                             the expected totals are the shell's own sums
    make_memmaps.py synthetic FOLDER         write the maps that no virtual firmware makes
    make_memmaps.py corpus FOLDER MAP…       inputs of tests/fuzz/fuzz_memmap_limine.c from maps, at most 40 descriptors of each
"""

import os
import random
import re
import struct
import sys

SHELL_TYPES = {
    "Reserved": 0, "LoaderCode": 1, "LoaderData": 2, "BS_Code": 3, "BS_Data": 4, "RT_Code": 5, "RT_Data": 6,
    "Available": 7, "Unusable": 8, "ACPI_Recl": 9, "ACPI_NVS": 10, "MMIO": 11, "MMIO_Port": 12, "PalCode": 13,
    "Persistent": 14, "Unaccepted": 15,
}
LIMINE = {1: 5, 2: 5, 3: 5, 4: 5, 7: 0, 8: 4, 9: 2, 10: 3}  # anything else: 1
ZERO_LENGTH, OVERFLOW, UNALIGNED, OVERLAP, BEYOND_CPU, OVERLAY, POLICY = range(1, 8)
WB = 0xF
RUNTIME = 1 << 63
PAGE = 4096


def recorded(log, comment):
    text = re.sub(r"\x1b\[[0-9;=]*[A-Za-z]", "", open(log, encoding="latin-1").read())
    print(f"# Recorded: {comment}\nstride 48\nphys_bits 52")
    totals = {}
    for name, pages in re.findall(r"^  (\w+) *: +([0-9,]+) Pages", text, re.M):
        kind = LIMINE.get(SHELL_TYPES[name], 1)
        totals[kind] = totals.get(kind, 0) + int(pages.replace(",", "")) * PAGE
    for kind in sorted(totals):
        if totals[kind]:
            print(f"total {kind} {totals[kind]:#x}")
    for name, base, _, pages, attribute in re.findall(
            r"^(\w+) +([0-9A-F]{16})-([0-9A-F]{16}) ([0-9A-F]{16}) ([0-9A-F]{16})\s*$", text, re.M):
        print(f"{SHELL_TYPES[name]} {int(base, 16):#x} {int(pages, 16):#x} {int(attribute, 16):#x}")


class Map:
    """Descriptors in the order they are added; sums for those that do not overlap."""

    def __init__(self, comment, phys_bits=52):
        self.lines = []
        self.comment = comment
        self.phys_bits = phys_bits
        self.totals = {}
        self.trimmed = {}
        self.claims = []

    def raw(self, kind, base, pages, attribute=WB):
        self.lines.append(f"{kind} {base:#x} {pages:#x} {attribute:#x}")

    def add(self, kind, base, end, attribute=WB, limine=None):
        self.raw(kind, base, (end - base) // PAGE, attribute)
        self.count(LIMINE.get(kind, 1) if limine is None else limine, end - base)
        return end

    def count(self, limine, nbytes):
        self.totals[limine] = self.totals.get(limine, 0) + nbytes

    def trim(self, reason, nbytes):
        self.trimmed[reason] = self.trimmed.get(reason, 0) + nbytes

    def write(self, path):
        with open(path, "w", encoding="ascii") as out:
            out.write(f"# Synthetic, made by tests/support/make_memmaps.py: {self.comment}\n")
            out.write(f"stride 48\nphys_bits {self.phys_bits}\n")
            for claim in self.claims:
                out.write("claim {} {:#x} {:#x}\n".format(*claim))
            for kind in sorted(self.totals):
                out.write(f"total {kind} {self.totals[kind]:#x}\n")
            for reason in sorted(self.trimmed):
                out.write(f"trimmed {reason} {self.trimmed[reason]:#x}\n")
            out.write("\n".join(self.lines) + "\n")


def desktop_312():
    m = Map("a desktop board with 64 GiB and 312 descriptors, the number reported for a B550M board", 48)
    rng = random.Random(312)
    at = m.add(7, 0, 0x9F000)
    m.add(0, at, 0xA0000)
    at = m.add(7, 0x100000, 0x9E02000)
    at = m.add(0, at, 0xA000000)
    at = m.add(7, at, 0xA200000)
    at = m.add(10, at, 0xA20E000)
    while len(m.lines) < 292:
        kind = (4, 3, 7, 4, 2, 1, 4, 7)[len(m.lines) % 8]
        at = m.add(kind, at, at + rng.randint(1, 0x1000) * PAGE)
    assert at < 0xE0000000
    for kind, pages in ((0, 0x1A00), (9, 0x60), (10, 0x2000), (6, 0x440), (5, 0x210), (4, 0x20), (7, 1)):
        at = m.add(kind, at, at + pages * PAGE, WB | (RUNTIME if kind in (5, 6) else 0))
    at = m.add(0, at, at + 0x400 * PAGE, 0)
    for kind, base, end, attribute in (
            (11, 0xF0000000, 0xF8000000, 1 | RUNTIME), (11, 0xFD200000, 0xFD300000, 1 | RUNTIME),
            (11, 0xFEA00000, 0xFEA10000, 1 | RUNTIME), (11, 0xFEB80000, 0xFEC02000, 1 | RUNTIME),
            (11, 0xFEC10000, 0xFEC11000, 1 | RUNTIME), (11, 0xFED00000, 0xFED01000, 1 | RUNTIME),
            (11, 0xFED40000, 0xFED45000, 1 | RUNTIME), (11, 0xFED80000, 0xFED90000, 1 | RUNTIME),
            (11, 0xFEDC2000, 0xFEDD0000, 1 | RUNTIME), (11, 0xFF000000, 0x100000000, 1 | RUNTIME),
            (7, 0x100000000, 0x101F380000, WB), (0, 0x101F380000, 0x1020000000, 0)):
        m.add(kind, base, end, attribute)
    assert len(m.lines) == 312
    return m


def server_mixed():
    m = Map("a server: bad frames, persistent, special-purpose (CXL), unaccepted, OEM and OS types, "
            "more reliable and hot-pluggable memory, unsorted", 46)
    m.add(7, 0x4000000000, 0x6000000000, WB | 0x10000)
    m.add(7, 0x100000000, 0x4000000000, WB)
    m.add(8, 0x6000000000, 0x6000003000, WB)
    m.add(14, 0x8000000000, 0xA000000000, WB | 0x8000)
    for attribute, base, end in ((WB | 0x40000, 0x10000000000, 0x14000000000), (WB | 0x8000, 0xA000000000, 0xA100000000),
                                 (0x1, 0xB000000000, 0xB000100000)):
        m.add(7, base, end, attribute, limine=1)
        m.trim(POLICY, end - base)
    m.add(15, 0x14000000000, 0x15000000000, WB)
    m.add(0x70000001, 0x15000000000, 0x15000010000, WB)
    m.add(0x80000001, 0x15000010000, 0x15000020000, WB)
    m.add(0x6FFFFFFF, 0x15000020000, 0x15000030000, WB)
    m.add(7, 0x6000003000, 0x7000000000, WB | 0x100000)
    m.add(7, 0x100000, 0x70000000)
    m.add(4, 0x70000000, 0x7A000000)
    m.add(5, 0x7A000000, 0x7A100000, WB | RUNTIME)
    m.add(13, 0x7A100000, 0x7A101000, WB | RUNTIME)
    m.add(12, 0x7A200000, 0x7A300000, 1)
    m.add(4, 0x0, 0x1000)
    m.add(7, 0x1000, 0xA0000)
    m.raw(7, 0x3FFFFFFFF000, 2)
    m.count(0, PAGE)
    m.trim(BEYOND_CPU, PAGE)
    m.raw(11, 0xFFFFE00000000, 0x100, 1)
    m.trim(BEYOND_CPU, 0x100 * PAGE)
    return m


def laptop_nested():
    m = Map("a laptop with reserved ranges inside usable ones, empty, duplicate and wrapping descriptors", 39)
    m.add(7, 0x1000, 0x9D000)
    m.raw(7, 0x100000, 0x3FF00)  # 1 MiB to 1 GiB, with holes punched by the next four
    usable = 0x3FF00 * PAGE
    for kind, base, end in ((0, 0x20000000, 0x20200000), (10, 0x3D000000, 0x3D010000),
                            (6, 0x3D010000, 0x3D020000), (0, 0x3FFF0000, 0x40000000)):
        m.add(kind, base, end)
        usable -= end - base
        m.trim(OVERLAP, end - base)
    m.count(0, usable)
    m.raw(0, 0x20000000, 0x200)  # once more
    m.trim(OVERLAP, 0x200 * PAGE)
    m.raw(9, 0x20100000, 0x80)  # and another type inside it
    m.trim(OVERLAP, 0x80 * PAGE)
    m.raw(7, 0x30000000, 0)
    m.trim(ZERO_LENGTH, 0)
    m.raw(0, 0x0, 1 << 52)
    m.raw(11, 0xFFFFFFFFFFFFF000, 2)
    m.trim(OVERFLOW, 0x1000)
    m.raw(7, 0x40000800, 0x10)  # not on a frame boundary
    m.count(0, 0xF * PAGE)
    m.trim(UNALIGNED, PAGE)
    return m


def amd_hole():
    m = Map("firmware that reports the AMD HyperTransport hole as conventional memory; the loader claims it", 48)
    m.add(7, 0x100000, 0x80000000)
    m.raw(7, 0x100000000, 0xFFF00000)
    m.claims.append((1, 0xFD00000000, 0x300000000))
    m.count(0, 0xFFF00000 * PAGE - 0x300000000)
    m.count(1, 0x300000000)
    m.trim(OVERLAY, 0x300000000)
    return m


def low_boot_services():
    m = Map("a laptop whose first MiB is boot-services data altogether", 39)
    m.add(4, 0x0, 0x58000)
    m.add(0, 0x58000, 0x59000)
    m.add(4, 0x59000, 0x9F000)
    m.add(0, 0x9F000, 0xA0000)
    m.add(7, 0x100000, 0x30000000)
    m.add(4, 0x30000000, 0x3C000000)
    return m


def corpus(folder, paths):
    for path in paths:
        descriptors, claims, bits = [], [], 52
        for line in open(path, encoding="ascii"):
            words = line.split("#")[0].split()
            if words and words[0] == "claim":
                claims.append([int(word, 0) for word in words[1:]])
            elif words and words[0] == "phys_bits":
                bits = int(words[1])
            elif words and words[0][0].isdigit():
                descriptors.append([int(word, 0) for word in words])
        descriptors = descriptors[-40:]
        with open(f"{folder}/{os.path.basename(path)[:-4]}", "wb") as out:
            out.write(bytes([1 | 2 | 8, bits - 32, len(claims), 0]))
            for kind, base, length in claims:
                out.write(struct.pack("<B3xII", (1, 5, 6, 7).index(kind), min(base >> 4, 2**32 - 1),
                                      min(length, 2**32 - 1)))
            for kind, base, pages, attribute in descriptors:
                out.write(struct.pack("<IIQQQQ8x", kind, 0, base, 0, pages, attribute))
    rng = random.Random(4)
    for count in (3, 20, 60):
        body = b"".join(bytes([rng.choice((0, 2, 4, 7, 7, 9, 10, 14)), rng.randrange(200), rng.randrange(1, 20),
                               rng.choice((0, 0, 0, 1, 2, 4))]) for _ in range(count))
        with open(f"{folder}/compact_{count}", "wb") as out:
            out.write(bytes([1 | 4, 8, 2, 0]))
            out.write(struct.pack("<B3xII", 2, 0x8000 >> 4, 0x5000))
            out.write(struct.pack("<B3xII", 3, 0x1F800 >> 4, 0x2345))
            out.write(body)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "recorded":
        recorded(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "synthetic":
        for maker in (desktop_312, server_mixed, laptop_nested, amd_hole, low_boot_services):
            maker().write(f"{sys.argv[2]}/{maker.__name__}.txt")
    elif len(sys.argv) > 3 and sys.argv[1] == "corpus":
        corpus(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
