#!/usr/bin/python3
"""Turn a PSF console font into a C file with `struct font` of include/neomem/font.h.

    psf2c.py FONT.psf[.gz] OUTPUT.c

The struct is called font_<width>x<height>. Reads PSF version 1 and 2, plain or gzip. Only the glyphs of WANTED are kept, each bitmap once; code points
that the font lacks are simply absent. The output depends on the input font and this file alone.

Source of the format: the PSF description in the kbd package (psf.5).
"""

import gzip
import struct
import sys

PSF1_MAGIC = b"\x36\x04"
PSF2_MAGIC = b"\x72\xb5\x4a\x86"
REPLACEMENT = 0xFFFD

WANTED = (
    list(range(0x20, 0x7F))  # ASCII
    + list(range(0xA0, 0x100))  # Latin-1
    + [0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2026, 0x20AC]
    + [0x2190, 0x2191, 0x2192, 0x2193, 0x2248, 0x2260, 0x2264, 0x2265, 0x2717]
    + list(range(0x2500, 0x25A0))  # box drawing and blocks
    + [REPLACEMENT]
)


class FontError(Exception):
    """The input is not a font this program can use."""


def psf1(data):
    """Return (width, height, bytes a row, glyphs, offset of the bitmaps, bytes a glyph)."""
    if len(data) < 4:
        raise FontError("truncated header")
    mode, height = data[2], data[3]
    if not mode & 0x06:
        raise FontError("no Unicode table")
    count = 512 if mode & 0x01 else 256
    return 8, height, 1, count, 4, height


def psf2(data):
    """The same for version 2."""
    if len(data) < 32:
        raise FontError("truncated header")
    _, header, flags, count, nbytes, height, width = struct.unpack_from("<7I", data, 4)
    row_bytes = (width + 7) // 8
    if nbytes != row_bytes * height or header < 32:
        raise FontError("header contradicts itself")
    if not flags & 1:
        raise FontError("no Unicode table")
    return width, height, row_bytes, count, header, nbytes


def unicode_psf1(data, position, count):
    """Yield (glyph, code point): 16-bit units, 0xFFFE starts a sequence, 0xFFFF ends a glyph."""
    glyph, in_sequence = 0, False
    while glyph < count:
        if position + 2 > len(data):
            raise FontError("truncated Unicode table")
        (unit,) = struct.unpack_from("<H", data, position)
        position += 2
        if unit == 0xFFFF:
            glyph, in_sequence = glyph + 1, False
        elif unit == 0xFFFE:
            in_sequence = True
        elif not in_sequence:
            yield glyph, unit


def unicode_psf2(data, position, count):
    """The same in UTF-8: 0xFE starts a sequence, 0xFF ends a glyph."""
    for glyph in range(count):
        end = data.find(b"\xff", position)
        if end < 0:
            raise FontError("truncated Unicode table")
        for character in data[position:end].split(b"\xfe")[0].decode("utf-8"):
            yield glyph, ord(character)
        position = end + 1


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:2] == PSF1_MAGIC:
        header, table = psf1, unicode_psf1
    elif data[:4] == PSF2_MAGIC:
        header, table = psf2, unicode_psf2
    else:
        raise FontError("not a PSF font")
    width, height, row_bytes, count, start, nbytes = header(data)
    if not (1 <= width <= 32 and 1 <= height <= 64 and 1 <= count <= 65536):
        raise FontError("unusable glyph size")
    if start + count * nbytes > len(data):
        raise FontError("truncated bitmaps")
    bitmaps = [data[start + i * nbytes : start + (i + 1) * nbytes] for i in range(count)]
    glyph_of = {}
    for glyph, code_point in table(data, start + count * nbytes, count):
        glyph_of.setdefault(code_point, bitmaps[glyph])
    return width, height, row_bytes, glyph_of


def select(glyph_of):
    """Return (code points ascending, index of each one's bitmap, distinct bitmaps)."""
    if ord("?") not in glyph_of:
        raise FontError("no question mark to fall back to")
    glyph_of.setdefault(REPLACEMENT, glyph_of[ord("?")])
    code_points, indices, bitmaps, seen = [], [], [], {}
    for code_point in sorted(set(WANTED)):
        bitmap = glyph_of.get(code_point)
        if bitmap is None:
            continue
        if bitmap not in seen:
            seen[bitmap] = len(bitmaps)
            bitmaps.append(bitmap)
        code_points.append(code_point)
        indices.append(seen[bitmap])
    return code_points, indices, bitmaps


def array(kind, name, texts, per_line):
    lines = [f"static const {kind} {name}[] = {{"]
    for start in range(0, len(texts), per_line):
        lines.append("    " + ", ".join(texts[start : start + per_line]) + ",")
    return lines + ["};", ""]


def emit(width, height, row_bytes, code_points, indices, bitmaps):
    name = f"font_{width}x{height}"
    flat = [f"0x{byte:02x}" for bitmap in bitmaps for byte in bitmap]
    lines = [
        f"/* {name}: made by scripts/psf2c.py from a console-setup font; do not edit. */",
        "#include <neomem/font.h>",
        "",
    ]
    lines += array("uint16_t", "code_points", [f"0x{c:04x}" for c in code_points], 12)
    lines += array("uint16_t", "glyph_of", [str(i) for i in indices], 20)
    lines += array("uint8_t", "bitmaps", flat, 16)
    lines += [
        f"const struct font {name} = {{",
        f"    .width = {width},",
        f"    .height = {height},",
        f"    .row_bytes = {row_bytes},",
        f"    .code_point_count = {len(code_points)},",
        f"    .glyph_count = {len(bitmaps)},",
        "    .code_points = code_points,",
        "    .glyph_of = glyph_of,",
        "    .bitmaps = bitmaps,",
        "};",
        "",
    ]
    return "\n".join(lines)


def main(arguments):
    if len(arguments) != 3:
        print("usage: psf2c.py FONT.psf[.gz] OUTPUT.c", file=sys.stderr)
        return 2
    source, output = arguments[1:]
    try:
        width, height, row_bytes, glyph_of = load(source)
        text = emit(width, height, row_bytes, *select(glyph_of))
    except (OSError, EOFError, ValueError, FontError) as error:
        print(f"psf2c.py: {source}: {error}", file=sys.stderr)
        return 1
    with open(output, "w", encoding="ascii") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
