#!/usr/bin/python3
"""Write the size (8 bytes, little-endian) and the BLAKE2s-256 digest of a file: blob_digest.py FILE OUTPUT.

efi/kernel_blob.S puts the result beside the kernel, efi/kernel_image.c compares before it loads."""

import hashlib
import sys


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as source:
        content = source.read()
    with open(sys.argv[2], "wb") as output:
        output.write(len(content).to_bytes(8, "little") + hashlib.blake2s(content).digest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
