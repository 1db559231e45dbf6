"""Variants of neomem.efi for scenarios: the list `efi` of a scenario names changes, made in order.

    signed              signed with Debian's snakeoil key, which OVMF's snakeoil variables trust
    image-base=NUMBER   the PE header asks for this load address
    elf NAME            damages the kernel ELF inside (see ELF_DAMAGE); its digest does not fit any more
    elf-redigest NAME   the same, but with the digest of the damaged ELF, so that the checks behind it are reached
"""
import hashlib
import os
import struct
import subprocess
import tempfile
from pathlib import Path

SNAKEOIL_KEY = "/usr/share/ovmf/PkKek-1-snakeoil.key"
SNAKEOIL_CERTIFICATE = "/usr/share/ovmf/PkKek-1-snakeoil.pem"

PE_OPTIONAL_HEADER = 24      # after the PE signature and the COFF header
PE_IMAGE_BASE = PE_OPTIONAL_HEADER + 24


class ProgramError(Exception):
    pass


def set_image_base(data, base):
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    if data[pe:pe + 4] != b"PE\0\0":
        raise ProgramError("neomem.efi is not a PE file")
    struct.pack_into("<Q", data, pe + PE_IMAGE_BASE, base)


def find_elf(data):
    """Offset of the one 64-bit x86-64 ELF in the file."""
    start = data.find(b"\x7fELF\x02\x01\x01")
    while start >= 0 and struct.unpack_from("<H", data, start + 18)[0] != 62:
        start = data.find(b"\x7fELF\x02\x01\x01", start + 1)
    if start < 0:
        raise ProgramError("no kernel ELF inside neomem.efi")
    return start


def redigest(data, elf):
    """Write the digest of the ELF as it is now. Before it lie its size, the digest and padding (kernel_blob.S)."""
    size, = struct.unpack_from("<Q", data, elf - 48)
    if not 4096 < size <= len(data) - elf:
        raise ProgramError("the size of the kernel ELF is not where it was expected")
    data[elf - 40:elf - 8] = hashlib.blake2s(data[elf:elf + size]).digest()


def _program_header(data, elf, wanted_type, index=0):
    """Offset of the index-th program header of a type."""
    table, = struct.unpack_from("<Q", data, elf + 32)
    size, count = struct.unpack_from("<HH", data, elf + 54)
    found = [elf + table + i * size for i in range(count)
             if struct.unpack_from("<I", data, elf + table + i * size)[0] == wanted_type]
    if index >= len(found):
        raise ProgramError(f"the kernel ELF has no program header of type {wanted_type}")
    return found[index]


def _damage_magic(data, elf):
    data[elf] ^= 0xFF


def _damage_machine(data, elf):
    struct.pack_into("<H", data, elf + 18, 183)  # AArch64


def _damage_header_count(data, elf):
    struct.pack_into("<H", data, elf + 56, 0xFFFF)


def _damage_segment_offset(data, elf):
    struct.pack_into("<Q", data, _program_header(data, elf, 1) + 8, 1 << 40)


def _damage_segment_size(data, elf):
    struct.pack_into("<Q", data, _program_header(data, elf, 1) + 40, (1 << 64) - 4096)


def _damage_segment_overlap(data, elf):
    first, second = _program_header(data, elf, 1), _program_header(data, elf, 1, 1)
    data[second + 16:second + 24] = data[first + 16:first + 24]


def _damage_entry(data, elf):
    struct.pack_into("<Q", data, elf + 24, 0x1000)


def _damage_relocation(data, elf):
    """Give the first relocation a type that no loader of ours applies, or an address outside the image."""
    dynamic = _program_header(data, elf, 2)
    offset, = struct.unpack_from("<Q", data, dynamic + 8)
    position = elf + offset
    rela = None
    while struct.unpack_from("<q", data, position)[0] != 0:
        tag, value = struct.unpack_from("<qQ", data, position)
        if tag == 7:
            rela = value
        position += 16
    if rela is None:
        raise ProgramError("the kernel ELF has no relocations")
    load = next(h for h in (_program_header(data, elf, 1, i) for i in range(16))
                if 0 <= rela - struct.unpack_from("<Q", data, h + 16)[0] < struct.unpack_from("<Q", data, h + 32)[0])
    file_offset, address = struct.unpack_from("<QQ", data, load + 8)
    struct.pack_into("<Q", data, elf + file_offset + rela - address, 0x4000000000000000)


def _damage_text(data, elf):
    """One bit in the middle of the executable segment."""
    for index in range(16):
        header = _program_header(data, elf, 1, index)
        flags, offset, _, _, size = struct.unpack_from("<IQQQQ", data, header + 4)
        if flags & 1:
            data[elf + offset + size // 2] ^= 0x10
            return


ELF_DAMAGE = {
    "text": _damage_text,
    "magic": _damage_magic,
    "machine": _damage_machine,
    "header-count": _damage_header_count,
    "segment-offset": _damage_segment_offset,
    "segment-size": _damage_segment_size,
    "segment-overlap": _damage_segment_overlap,
    "entry": _damage_entry,
    "relocation": _damage_relocation,
}


def sign(data):
    """Return the signed image. The key ships with Debian's ovmf package; its pass phrase is public."""
    with tempfile.TemporaryDirectory() as folder:
        key, plain, signed = (str(Path(folder, name)) for name in ("key", "plain.efi", "signed.efi"))
        Path(plain).write_bytes(data)
        for command in (["openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", "pass:snakeoil", "-out", key],
                        ["sbsign", "--key", key, "--cert", SNAKEOIL_CERTIFICATE, "--output", signed, plain]):
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    env={**os.environ, "SOURCE_DATE_EPOCH": "1735689600"}, check=False)
            if result.returncode:
                raise ProgramError(f"{command[0]}: {result.stdout.strip()}")
        return Path(signed).read_bytes()


def change(data, changes):
    """Apply the changes of a scenario to the bytes of neomem.efi."""
    data = bytearray(data)
    for name in changes:
        word, _, value = name.partition("=")
        if name == "signed":
            data = bytearray(sign(bytes(data)))
        elif word == "image-base":
            set_image_base(data, int(value, 0))
        elif name.startswith(("elf ", "elf-redigest ")) and name.split(" ", 1)[1] in ELF_DAMAGE:
            kind, damage = name.split(" ", 1)
            elf = find_elf(data)
            ELF_DAMAGE[damage](data, elf)
            if kind == "elf-redigest":
                redigest(data, elf)
        else:
            raise ProgramError(f"unknown change {name}")
    return bytes(data)
