#!/usr/bin/python3
"""Finish and check the PE file that objcopy made: pe_finish.py [--check] FILE

Without --check: sets NX_COMPAT, zeroes the time stamp, recomputes the checksum, then checks.
With --check: changes nothing. Exit status 0 when every rule holds, 1 with one line for each that does not.

Rules (docs/takeover.md H; shim's post-process-pe refuses an NX_COMPAT image that breaks the first two):
  - no section is both writable and executable;
  - SectionAlignment is 4096 and every section starts on a multiple of it, in order, inside SizeOfImage;
  - PE32+ for x86-64, subsystem 10 (EFI application), entry point in an executable section, relocations not stripped;
  - .reloc comes before .data, .sbat exists, starts with "sbat," and names neomem;
  - NX_COMPAT is set, the time stamp is 0, the checksum is right, there is no COFF symbol table.
Format: Microsoft PE/COFF specification, revision 11."""

import struct
import sys

SECTION_EXECUTE = 0x20000000
SECTION_WRITE = 0x80000000
DLL_NX_COMPAT = 0x0100
FILE_RELOCS_STRIPPED = 0x0001
MACHINE_X86_64 = 0x8664
MAGIC_PE32_PLUS = 0x20B
SUBSYSTEM_EFI_APPLICATION = 10
PAGE = 4096


class BrokenFile(Exception):
    """Not a PE file at all, or cut off."""


class Image:
    """Offsets into a PE32+ file, and the fields the rules are about."""

    def __init__(self, content: bytearray):
        self.content = content
        if len(content) < 0x40 or content[:2] != b"MZ":
            raise BrokenFile("no DOS header")
        self.pe = self.u32(0x3C)
        if content[self.pe:self.pe + 4] != b"PE\0\0":
            raise BrokenFile("no PE header")
        self.coff = self.pe + 4
        self.optional = self.coff + 20
        if self.u16(self.optional) != MAGIC_PE32_PLUS:
            raise BrokenFile("not PE32+")
        table = self.optional + self.u16(self.coff + 16)
        self.sections = []
        for index in range(self.u16(self.coff + 2)):
            self.sections.append(self.read_section(table + 40 * index))

    def unpack(self, layout: str, at: int) -> int:
        try:
            return struct.unpack_from(layout, self.content, at)[0]
        except struct.error as error:
            raise BrokenFile("cut off") from error

    def u16(self, at: int) -> int:
        return self.unpack("<H", at)

    def u32(self, at: int) -> int:
        return self.unpack("<I", at)

    def read_section(self, at: int) -> dict:
        self.u32(at + 36)
        name = bytes(self.content[at:at + 8]).rstrip(b"\0").decode("ascii", "replace")
        return {"name": name, "size": self.u32(at + 8), "address": self.u32(at + 12), "raw_size": self.u32(at + 16),
                "raw": self.u32(at + 20), "flags": self.u32(at + 36)}

    def checksum(self) -> int:
        """The sum of all 16-bit words with end-around carry, the checksum field taken as 0, plus the length."""
        at = self.optional + 64
        content = self.content[:at] + b"\0\0\0\0" + self.content[at + 4:] + b"\0" * (len(self.content) % 2)
        total = sum(struct.unpack(f"<{len(content) // 2}H", content))
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        return total + len(self.content)

    def finish(self) -> None:
        struct.pack_into("<I", self.content, self.coff + 4, 0)
        flags = self.u16(self.optional + 70) | DLL_NX_COMPAT
        struct.pack_into("<H", self.content, self.optional + 70, flags)
        struct.pack_into("<I", self.content, self.optional + 64, self.checksum())


def check_header(image: Image) -> list:
    optional = image.optional
    faults = []
    if image.u16(image.coff) != MACHINE_X86_64:
        faults.append("not for x86-64")
    if image.u32(image.coff + 4) != 0:
        faults.append("the time stamp is not 0")
    if image.u32(image.coff + 8) != 0:
        faults.append("has a COFF symbol table")
    if image.u16(image.coff + 18) & FILE_RELOCS_STRIPPED:
        faults.append("relocations are stripped")
    if image.u32(optional + 32) != PAGE:
        faults.append(f"section alignment is {image.u32(optional + 32)}, not {PAGE}")
    if image.u16(optional + 68) != SUBSYSTEM_EFI_APPLICATION:
        faults.append(f"subsystem is {image.u16(optional + 68)}, not {SUBSYSTEM_EFI_APPLICATION}")
    if not image.u16(optional + 70) & DLL_NX_COMPAT:
        faults.append("NX_COMPAT is not set")
    if image.u32(optional + 64) != image.checksum():
        faults.append("the checksum is wrong")
    return faults


def check_sections(image: Image) -> list:
    faults = []
    end = 0
    entry = image.u32(image.optional + 16)
    has_entry = False
    for section in image.sections:
        name, flags, address = section["name"], section["flags"], section["address"]
        if flags & SECTION_EXECUTE and flags & SECTION_WRITE:
            faults.append(f"section {name} is writable and executable")
        if address % PAGE != 0 or address < end:
            faults.append(f"section {name} is not aligned or not in order")
        if section["raw"] + section["raw_size"] > len(image.content):
            faults.append(f"section {name} reaches beyond the file")
        end = address + max(section["size"], section["raw_size"])
        has_entry = has_entry or (flags & SECTION_EXECUTE and address <= entry < address + section["size"])
    if end > image.u32(image.optional + 56):
        faults.append("the last section reaches beyond SizeOfImage")
    if not has_entry:
        faults.append("the entry point is not in an executable section")
    return faults


def check_names(image: Image) -> list:
    faults = []
    names = [section["name"] for section in image.sections]
    if ".reloc" not in names or ".data" not in names or names.index(".reloc") > names.index(".data"):
        faults.append(".reloc does not come before .data")
    if ".sbat" not in names:
        return faults + ["there is no .sbat section"]
    sbat = image.sections[names.index(".sbat")]
    text = bytes(image.content[sbat["raw"]:sbat["raw"] + min(sbat["size"], sbat["raw_size"])])
    if not text.startswith(b"sbat,1,") or b"\nneomem,1,neomem,neomem," not in text:
        faults.append(".sbat does not name neomem")
    return faults


def main() -> int:
    arguments = sys.argv[1:]
    only_check = arguments[:1] == ["--check"]
    if only_check:
        arguments = arguments[1:]
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    path = arguments[0]
    with open(path, "rb") as source:
        content = bytearray(source.read())
    try:
        image = Image(content)
        if not only_check:
            image.finish()
            with open(path, "wb") as output:
                output.write(content)
        faults = check_header(image) + check_sections(image) + check_names(image)
    except BrokenFile as error:
        faults = [f"not a usable PE file: {error}"]
    for fault in faults:
        print(f"{path}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
