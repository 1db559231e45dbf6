#!/usr/bin/env python3
"""Turn the addresses of a serial log into functions, files and lines.

    symbolize.py [--elf build/kernel.elf] [LOG]      LOG: a file, or standard input
    symbolize.py --self-test

Reads backtrace lines ("  #N 0x…") and `panic` records. The kernel is linked at 0xffffffff80000000 and slid by KASLR;
the slide comes from the `boot` record's kernel_base, which may stand anywhere in the log. A panic before that record
leaves the slide unknown: then --base gives it, or the link base is assumed. When the log's build id is not the ELF's,
the names would be wrong, so nothing is printed and the exit status is 1.
Return addresses point behind the call, so every address but a faulting instruction's is looked up one byte lower.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it is checked out
from boottest.elf_notes import build_id
from boottest.serial_log import SerialLog

ROOT = Path(__file__).resolve().parent.parent
LINK_BASE = 0xFFFFFFFF80000000
WINDOW = 2 << 30
FRAME = re.compile(r"^ +#(\d+) (0x[0-9a-f]+)\s*$")


class SymbolizeError(Exception):
    pass


def lookup(elf, addresses):
    """Return {address: "function at file:line"}; inlined callers are joined by "in". One addr2line run for all."""
    if not addresses:
        return {}
    for tool in (["addr2line"], ["llvm-symbolizer-14", "--output-style=GNU"]):
        try:
            result = subprocess.run([*tool, "-f", "-i", "-a", "-e", str(elf)], capture_output=True, text=True,
                                    input="".join(f"{address:#x}\n" for address in addresses), check=False)
        except FileNotFoundError:
            continue
        if result.returncode:
            raise SymbolizeError(result.stderr.strip())
        break
    else:
        raise SymbolizeError("neither addr2line (package binutils) nor llvm-symbolizer is installed")
    names, current, lines = {}, None, iter(result.stdout.splitlines())
    for line in lines:
        if re.fullmatch(r"0x[0-9a-f]+", line):
            current = names.setdefault(int(line, 16), [])
        else:
            where = next(lines, "??:0").replace(f"{ROOT}/", "")
            where = re.sub(r" \(discriminator \d+\)$", "", where).removeprefix("./")
            current.append(f"{line} at {where}")
    return {address: " in ".join(parts) for address, parts in names.items()}


class Symbolizer:
    def __init__(self, elf, log, base=None):
        boots = log.of_kind("boot")
        identity = build_id(elf)
        logged = boots[-1].get("build_id") if boots else None
        if logged and identity and logged != identity:
            raise SymbolizeError(f"the log is of build {logged}, {elf} is {identity}")
        self.elf = elf
        self.log = log
        self.base_known = base is not None or bool(boots)
        if base is None:
            base = int(boots[-1]["kernel_base"], 16) if boots else LINK_BASE
        self.slide = base - LINK_BASE

    def _wanted(self):
        """Yield (address in the log, address to look up): frame lines, and what panic records add."""
        exact = {record["rip"] for record in self.log.of_kind("panic")
                 if isinstance(record.get("rip"), str) and record.get("vector") is not None}
        for line in self.log.lines:
            frame = FRAME.match(line)
            if frame:
                yield frame[2], frame[2] in exact
        for record in self.log.of_kind("panic"):
            for address in [record.get("rip"), *(record.get("backtrace") or [])]:
                if isinstance(address, str):
                    yield address, address in exact

    def render(self):
        """The log's text lines, without other records, with a name behind every kernel address."""
        addresses = {}
        for text, is_exact in self._wanted():
            value = int(text, 16) - self.slide
            if 0 <= value - LINK_BASE < WINDOW:
                addresses[text] = value - (0 if is_exact else 1)
        names = lookup(self.elf, sorted(set(addresses.values())))

        def name(text):
            return names.get(addresses.get(text), "not in the kernel")

        for line in self.log.lines:
            frame = FRAME.match(line)
            if frame:
                yield f"  #{frame[1]} {frame[2]}  {name(frame[2])}"
        for record in self.log.of_kind("panic"):
            yield f"panic: {record.get('text')}"
            for number, address in enumerate(record.get("backtrace") or []):
                yield f"  #{number} {address}  {name(address)}"


def self_test():
    """Compile a small program at the kernel's link base, make a log with its addresses, and look at the names."""
    source = "void outer(void);\n__attribute__((noinline)) static int inner(int x)\n{\n    return x * 3;\n}\n" \
             "volatile int sink;\nvoid outer(void)\n{\n    sink = inner(sink) + 1;\n}\n"
    with tempfile.TemporaryDirectory() as folder:
        code, elf = Path(folder, "code.c"), Path(folder, "code.elf")
        code.write_text(source, encoding="utf-8")
        subprocess.run(["gcc", "-g", "-O1", "-nostdlib", "-static", "-mcmodel=kernel", "-fno-pic", "-no-pie",
                        "-Wl,--build-id=sha1", f"-Wl,-Ttext={LINK_BASE:#x}", "-Wl,-e,outer", str(code), "-o", str(elf)],
                       check=True)
        symbols = dict(reversed(line.split()[::2]) for line in
                       subprocess.run(["nm", str(elf)], capture_output=True, text=True, check=True).stdout.splitlines())
        slide = 0x12345000
        inner, outer = (int(symbols[n], 16) + slide for n in ("inner", "outer"))
        text = (f'{{"neomem":"boot","build_id":"{build_id(elf)}","kernel_base":"{LINK_BASE + slide:#x}"}}\r\n'
                f"backtrace:\r\n  #0 {inner:#x}\r\n  #1 {outer + 5:#x}\r\n  #2 0x1000\r\n"
                f'{{"neomem":"panic","text":"t","vector":14,"rip":"{inner:#x}","backtrace":["{inner:#x}"]}}\r\n')
        output = list(Symbolizer(elf, SerialLog(text.encode())).render())
        for line, wanted in zip(output, [r"#0 .* inner at .*code\.c:[34]", r"#1 .* outer at .*code\.c:[78910]",
                                         r"#2 0x1000  not in the kernel", r"panic: t",
                                         r"#0 .* inner at .*code\.c:[34]"]):
            if not re.search(wanted, line):
                raise SymbolizeError(f"self-test: {line!r} does not match {wanted!r}")
        if len(output) != 5:
            raise SymbolizeError(f"self-test: {len(output)} lines instead of 5")
        try:
            Symbolizer(elf, SerialLog(text.replace(build_id(elf), "00").encode()))
        except SymbolizeError:
            return
        raise SymbolizeError("self-test: another build's log was accepted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--elf", type=Path, default=ROOT / "build" / "kernel.elf")
    parser.add_argument("--base", type=lambda text: int(text, 0), help="kernel base, when the log has no boot record")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("log", nargs="?", help="serial log (default: standard input)")
    arguments = parser.parse_args()
    try:
        if arguments.self_test:
            self_test()
            print("symbolize: self-test passed")
            return 0
        raw = Path(arguments.log).read_bytes() if arguments.log else sys.stdin.buffer.read()
        symbolizer = Symbolizer(arguments.elf, SerialLog(raw), arguments.base)
        if not symbolizer.base_known:
            print("symbolize: no boot record: assuming that the kernel was not slid (see --base)", file=sys.stderr)
        for line in symbolizer.render():
            print(line)
    except (SymbolizeError, OSError) as error:
        print(f"symbolize: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
