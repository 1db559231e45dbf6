#!/usr/bin/env python3
"""Wrap a FAT file system into a disk image: protective MBR, primary and backup GPT, one EFI system partition.

    gpt_image.py ESP.fat DISK.img

The partition starts at 1 MiB (every flash and disk block size divides it) and the backup table ends the
image. GUIDs are constants, so the same ESP always gives the same bytes; a tool that clones the image to
many sticks may give each a new GUID. Written here because a few structures do not justify a dependency.

Source: UEFI Specification 2.10, chapter 5 (GUID Partition Table).
"""
import struct
import sys
import uuid
import zlib

SECTOR = 512
FIRST_SECTOR = 2048
ENTRY_COUNT = 128
ENTRY_BYTES = 128
TABLE_SECTORS = ENTRY_COUNT * ENTRY_BYTES // SECTOR

ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
DISK_GUID = uuid.UUID("6e656f6d-656d-4d49-8d67-000000000001")
PARTITION_GUID = uuid.UUID("6e656f6d-656d-4553-8d50-000000000001")


def protective_mbr(total_sectors):
    """One entry of type 0xEE that covers the disk, as 5.2.3 asks; its CHS fields are the fixed ones."""
    size = min(total_sectors - 1, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, size)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def partition_table(esp_sectors):
    name = "EFI system partition".encode("utf-16-le").ljust(72, b"\0")
    entry = struct.pack("<16s16sQQQ72s", ESP_TYPE.bytes_le, PARTITION_GUID.bytes_le, FIRST_SECTOR,
                        FIRST_SECTOR + esp_sectors - 1, 0, name)
    return entry.ljust(ENTRY_COUNT * ENTRY_BYTES, b"\0")


def header(total_sectors, table, here, other, table_sector):
    """A GPT header (5.3.2). Its CRC is taken with the CRC field zero."""
    first_usable = 2 + TABLE_SECTORS
    last_usable = total_sectors - TABLE_SECTORS - 2

    def pack(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x00010000, 92, crc, 0, here, other, first_usable,
                           last_usable, DISK_GUID.bytes_le, table_sector, ENTRY_COUNT, ENTRY_BYTES, zlib.crc32(table))

    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def wrap(esp):
    """Return the pieces (offset in bytes, data) of the disk and its size in bytes."""
    if not esp or len(esp) % SECTOR:
        raise ValueError("the file system is empty or not a whole number of 512-byte sectors")
    esp_sectors = len(esp) // SECTOR
    # The backup structures get a whole MiB, so that the image stays a multiple of every common block size.
    total = FIRST_SECTOR + esp_sectors + 2048
    total += -total % 2048
    table = partition_table(esp_sectors)
    last = total - 1
    pieces = [
        (0, protective_mbr(total)),
        (1, header(total, table, 1, last, 2)),
        (2, table),
        (FIRST_SECTOR, esp),
        (last - TABLE_SECTORS, table),
        (last, header(total, table, last, 1, last - TABLE_SECTORS)),
    ]
    return [(sector * SECTOR, data) for sector, data in pieces], total * SECTOR


def main(arguments):
    if len(arguments) != 3:
        print(__doc__.split("\n\n", 2)[1].strip(), file=sys.stderr)
        return 2
    with open(arguments[1], "rb") as source:
        pieces, size = wrap(source.read())
    with open(arguments[2], "wb") as target:
        target.truncate(size)
        for offset, data in pieces:
            target.seek(offset)
            target.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
