"""Memory that the hostile program filled and nobody may touch, compared after the run.

The program prints one line for each group of pages it planted:
    hostile: canary base=0x… bytes=… step=… count=… type=…
that is `count` blocks of `bytes` bytes, `step` bytes apart. Each aligned 8-byte word holds a number that
depends on its physical address only (word_at), so a block that was moved or swapped is noticed too.
"""
import re
from array import array

LINE = re.compile(r"^hostile: canary base=(0x[0-9a-f]+) bytes=(\d+) step=(\d+) count=(\d+) type=(\d+)$", re.M)
MULTIPLIER = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def pattern(base, nbytes):
    """The bytes that [base, base + nbytes) must hold; both are multiples of 8."""
    start = base * MULTIPLIER & MASK
    step = 8 * MULTIPLIER & MASK
    words = array("Q", bytes(nbytes))
    for i in range(nbytes // 8):
        words[i] = start
        start = start + step & MASK
    return words.tobytes()


def planted(text):
    """Yield (base, bytes, type) for every block that the log names."""
    for base, nbytes, step, count, kind in LINE.findall(text):
        for index in range(int(count)):
            yield int(base, 16) + index * int(step), int(nbytes), int(kind)


def check(text, read_memory):
    """Compare every block through read_memory(base, nbytes). Return (blocks, bytes, list of complaints)."""
    wrong, blocks, total = [], 0, 0
    for base, nbytes, step, count, kind in LINE.findall(text):
        base, nbytes, step, count = int(base, 16), int(nbytes), int(step), int(count)
        image = read_memory(base, (count - 1) * step + nbytes)
        for index in range(count):
            offset = index * step
            blocks, total = blocks + 1, total + nbytes
            actual, expected = image[offset:offset + nbytes], pattern(base + offset, nbytes)
            if actual != expected:
                first = next((i for i, (a, b) in enumerate(zip(actual, expected)) if a != b), len(actual))
                wrong.append(f"canary in memory of UEFI type {kind} was written at {base + offset + first:#x}: "
                             f"{actual[first:first + 16].hex()} instead of {expected[first:first + 16].hex()}")
    return blocks, total, wrong
