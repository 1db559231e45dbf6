#!/usr/bin/env python3
"""Count the instructions of the page frame allocator's paths and compare them with bench/frames/instructions.json.

    count.py PROGRAM [--write]

Runs PROGRAM (count.c) under callgrind, which counts every instruction; what the measure_ functions call, divided by
the number of calls, is the cost of a path, without the loop around it. The counts do not depend on the machine, only on the compiler.
Exit status 1 when a path needs more than 5 % more than is written down, 2 when it cannot be counted.
--write: write down what was counted.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

RECORD = pathlib.Path(__file__).resolve().parent / "instructions.json"
GROWTH = 1.05
TITLES = {
    "measure_alloc_one": "one frame, allocated",
    "measure_free_one": "one frame, freed",
    "measure_alloc_bulk": "frame of many, allocated",
    "measure_free_bulk": "frame of many, freed in order",
    "measure_alloc_scattered": "frame of many, allocated again from scattered ones",
    "measure_free_scattered": "frame of many, freed at random",
    "measure_alloc_2m": "2 MiB frame, allocated",
    "measure_free_2m": "2 MiB frame, freed",
    "measure_alloc_run": "run of 17 frames, allocated",
    "measure_free_run": "run of 17 frames, freed",
}
NAME = re.compile(r"\((\d+)\)(?: (.*))?")


def costs_of_callees(profile):
    """function -> instructions of all that it called, from callgrind's output format."""
    names, costs = {}, {}
    current, is_call = None, False
    for line in profile.splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("fn", "cfn"):
            number, name = NAME.match(value).groups()
            names.setdefault(number, name)
            if key == "fn":
                current = names[number]
        elif line.startswith("calls="):
            is_call = True
        elif is_call:
            costs[current] = costs.get(current, 0) + int(line.split()[1])
            is_call = False
    return costs


def count(program):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "profile"
        run = subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", program],
                             capture_output=True, text=True, check=False)
        if run.returncode != 0:
            print(run.stdout + run.stderr, file=sys.stderr)
            sys.exit(2)
        costs = costs_of_callees(out.read_text(encoding="utf-8"))
    calls = dict(line.split() for line in run.stdout.splitlines())
    missing = [function for function in TITLES if function not in costs or function not in calls]
    if missing:
        print("count: nothing counted in", ", ".join(missing), file=sys.stderr)
        sys.exit(2)
    return {TITLES[function]: round(costs[function] / int(calls[function]), 2) for function in TITLES}


def compiler():
    version = subprocess.run([os.environ.get("CC", "gcc"), "-dumpfullversion"], capture_output=True, text=True, check=False)
    return f"{os.environ.get('CC', 'gcc')} {version.stdout.strip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    counted = count(arguments.program)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"compiler": "", "instructions": {}}
    grown = []
    for title, instructions in counted.items():
        before = record["instructions"].get(title)
        print(f"  {title:52} {instructions:10.2f}" + (f"  was {before:10.2f}" if before is not None else "  new"))
        if before is None or instructions > before * GROWTH:
            grown.append(title)
    if arguments.write:
        text = json.dumps({"compiler": compiler(), "instructions": counted}, indent=2)
        RECORD.write_text(text + "\n", encoding="utf-8")
    elif not record["compiler"]:
        sys.exit(f"count: nothing is written down in {RECORD.name} yet; --write does")
    elif record["compiler"] != compiler():
        print(f"count: written down for {record['compiler']}, this is {compiler()}: not compared")
    elif grown:
        sys.exit(f"count: more than {GROWTH:.2f} times the instructions of {RECORD.name}: " + ", ".join(grown))


if __name__ == "__main__":
    main()
