"""The GNU build id of an ELF file. Source: gABI, "Note Section"; NT_GNU_BUILD_ID is 3, owner GNU."""
import struct


def build_id(path):
    """Hex digits, or None when the file has no build id."""
    data = path.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return None
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, table + i * size)
        position, end = offset, offset + length
        while kind == 4 and position + 12 <= end:
            name_bytes, content_bytes, note = struct.unpack_from("<III", data, position)
            name = data[position + 12:position + 12 + name_bytes]
            content = position + 12 + (name_bytes + 3 & ~3)
            if note == 3 and name == b"GNU\0":
                return data[content:content + content_bytes].hex()
            position = content + (content_bytes + 3 & ~3)
    return None
