"""Read the text on a screen dump back, by comparing its character cells with the console font.

The dump is QEMU's PPM (binary P6). The font is the PSF that the kernel's own is built from, so this proves glyphs,
pitch, pixel format and position at once: one wrong pixel and the cell reads as unknown.

Source: PSF2 as in the console-setup and kbd packages (magic 72 b5 4a 86; a Unicode table of UTF-8 follows the glyphs).
"""
import gzip
import struct
from collections import Counter
from pathlib import Path

FONT_FOLDER = Path("/usr/share/consolefonts")
FONTS = ("Uni2-Terminus16.psf.gz", "Uni2-Terminus32x16.psf.gz")
UNKNOWN = "\ufffd"


class Font:
    """width, height and a table from a glyph's rows (a tuple of integers) to its first character."""

    def __init__(self, data):
        if data[:4] == b"\x72\xb5\x4a\x86":
            header, flags, count, glyph_bytes, self.height, self.width = struct.unpack_from("<8xIIIIII", data)
            has_table = flags & 1
        elif data[:2] == b"\x36\x04":
            mode, glyph_bytes = data[2], data[3]
            header, count, self.height, self.width = 4, 512 if mode & 1 else 256, glyph_bytes, 8
            has_table = mode & 2
        else:
            raise ValueError("not a PSF font")
        row_bytes = (self.width + 7) // 8
        characters = self._characters(data, header + count * glyph_bytes) if has_table else list(map(chr, range(count)))
        self.glyphs = {}
        for index in range(count):
            start = header + index * glyph_bytes
            rows = tuple(int.from_bytes(data[start + y * row_bytes:start + (y + 1) * row_bytes], "big")
                         >> (row_bytes * 8 - self.width) for y in range(self.height))
            self.glyphs.setdefault(rows, characters[index] if index < len(characters) else UNKNOWN)
        self.glyphs[(0,) * self.height] = " "
        self._add_squares()

    def _add_squares(self):
        """The squares of pictures in the text (fbtext.h): two halves read as "\u259a", a large one as "\u2590\u258c"."""
        gap = self.width // 8
        whole = (1 << self.width) - 1
        square = whole - ((1 << gap) - 1)
        half = (square,) * (self.height // 2 - gap) + (0,) * gap
        self.glyphs.setdefault(half + half, "\u259a")
        self.glyphs.setdefault(half + (0,) * len(half), "\u259a")  # nothing in the lower one
        self.glyphs.setdefault((whole,) * (self.height - gap) + (0,) * gap, "\u2590")
        self.glyphs.setdefault((square,) * (self.height - gap) + (0,) * gap, "\u258c")

    @staticmethod
    def _characters(data, start):
        if data[:2] == b"\x36\x04":
            names, current = [], []
            for (code,) in struct.iter_unpack("<H", data[start:]):
                if code == 0xFFFF:
                    names.append(chr(current[0]) if current else UNKNOWN)
                    current = []
                elif code != 0xFFFE:
                    current.append(code)
            return names
        return [entry.split(b"\xfe")[0].decode("utf-8", "replace")[:1] or UNKNOWN
                for entry in data[start:].split(b"\xff")]


def load_fonts():
    fonts = []
    for name in FONTS:
        with gzip.open(FONT_FOLDER / name) as source:
            fonts.append(Font(source.read()))
    return fonts


class Screen:
    """A PPM dump: width, height, and rows of bits where a pixel differs from the commonest colour."""

    def __init__(self, data):
        fields, position = [], 0
        while len(fields) < 4:
            end = position
            while data[end] not in b" \t\r\n":
                end += 1
            if end > position:
                fields.append(data[position:end])
            position = end + 1
        if fields[0] != b"P6" or fields[3] != b"255":
            raise ValueError("not a binary PPM")
        self.width, self.height = int(fields[1]), int(fields[2])
        # QEMU 7.2 pads each line to four bytes, which PPM does not have: take the stride from the size.
        line_bytes, stride = 3 * self.width, (len(data) - position) // self.height
        if stride < line_bytes:
            raise ValueError("the screen dump is truncated")
        lines = [data[start:start + line_bytes] for start in range(position, position + stride * self.height, stride)]
        sample = Counter(line[i:i + 3] for line in lines[::7] for i in range(0, line_bytes, 3))
        background = sample.most_common(1)[0][0]
        self.rows = []
        for line in lines:
            bits = 0
            if line != background * self.width:
                for x in range(self.width):
                    bits = bits << 1 | (line[3 * x:3 * x + 3] != background)
            self.rows.append(bits)

    def is_blank(self):
        return not any(self.rows)

    def text(self, fonts):
        """The lines of text, by the font and origin that explain the most cells."""
        best, best_score = [], -1
        for font in fonts:
            for top in range(font.height):
                if not any(self.rows[y] for y in range(min(top + font.height * 2, self.height))) and top:
                    break
                lines, score = self._read(font, top)
                if score > best_score:
                    best, best_score = lines, score
                if top == 0 and score > 0 and not any(UNKNOWN in line for line in lines):
                    return lines
        return best

    def _read(self, font, top):
        columns = self.width // font.width
        mask = (1 << font.width) - 1
        lines, score = [], 0
        for y in range(top, self.height - font.height + 1, font.height):
            band = self.rows[y:y + font.height]
            if not any(band):
                lines.append("")
                continue
            cells = []
            for column in range(columns):
                shift = self.width - (column + 1) * font.width
                rows = tuple(row >> shift & mask for row in band)
                if rows not in font.glyphs:
                    rows = tuple(~row & mask for row in rows)  # a cursor inverts its cell
                cells.append(font.glyphs.get(rows, UNKNOWN))
            line = "".join(cells).rstrip()
            score += sum(1 if c not in (" ", UNKNOWN) else -2 for c in line if c != " ")
            lines.append(line)
        return lines, score
