#!/usr/bin/env python3
"""Run the page frame benchmark over its arenas and print the table.

    run.py PROGRAM OUTPUT_STEM [--quick] [--write docs/benchmarks.md]

OUTPUT_STEM.tsv gets the figures as the program printed them, after lines `# key: value` that describe the machine;
OUTPUT_STEM.md gets the table, which is printed, too. --quick (or BENCH_QUICK=1): only 1 GiB, few repetitions, no naive scan.
--write: replace the marked section of a document by the table. Exit status 1 when an allocator handed out a frame twice,
lost one, or broke its invariants: figures of such an allocator mean nothing.
"""
import argparse
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import report  # noqa: E402

FAST = "bitmap-nextfit,buddy-lock,buddy+pcp,neomem-exact,neomem-trust,neomem"
TIMED = ["bulk", "repeat", "rand", "churn", "huge", "hugerep", "full", "run"]
# Arena in MiB, repetitions.
ARENAS = [(1024, 11), (16384, 5), (1 << 20, 3)]
QUICK_ARENAS = [(1024, 3)]
SECONDS = "5"


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def processor():
    found = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M)
    family = re.search(r"^cpu family\s*:\s*(\d+)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M)
    model = re.search(r"^model\s*:\s*(\d+)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M)
    name = found.group(1) if found else platform.processor()
    return f"{name} (family {family.group(1)}, model {model.group(1)})" if family and model else name


def machine():
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cpus": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": first_line(os.environ.get("CC", "gcc"), "--version"),
        "flags": os.environ.get("BENCH_FLAGS", "unknown"),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def plan(quick):
    """Arguments of each call of the program."""
    yield ["-a", FAST, "-m", "64,63", "-t", "1,2", "verify"]
    yield ["-a", FAST, "-m", "64", "-t", "2", "dfree"]
    for mib, repetitions in QUICK_ARENAS if quick else ARENAS:
        for threads in ("1", "2"):
            base = ["-m", str(mib), "-t", threads, "-s", SECONDS]
            yield ["-a", FAST, *base, "-r", str(repetitions), *TIMED]
            if mib == 1024 and threads == "1" and not quick:
                yield ["-a", "bitmap-naive", "-m", "1024", "-t", "1", "-s", "2", "-r", "1", *TIMED]
        yield ["-a", FAST, "-m", str(mib), "-t", "1", "-r", "11", "init"]
    yield ["-a", FAST, "-m", "1024" if quick else "1024,4096", "-t", "1", "frag"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("stem", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", default=os.environ.get("BENCH_QUICK", "") not in ("", "0"))
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    facts = machine()
    lines = []

    def text():
        return "".join(f"# {key}: {value}\n" for key, value in facts.items()) + "".join(line + "\n" for line in lines)

    for call in plan(arguments.quick):
        print("bench-frames:", *call, file=sys.stderr, flush=True)
        run = subprocess.run([arguments.program, *call], stdout=subprocess.PIPE, text=True, check=False)
        lines += run.stdout.splitlines()
        facts["load after"] = f"{os.getloadavg()[0]:.2f}"
        arguments.stem.with_suffix(".tsv").write_text(text(), encoding="utf-8")  # what there is, should the next one fail
        if run.returncode != 0:
            sys.exit(f"bench-frames: the program ended with {run.returncode}\n{run.stdout}")
    table = report.render(text())
    arguments.stem.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)
    if arguments.write:
        report.replace_section(arguments.write, table)


if __name__ == "__main__":
    main()
