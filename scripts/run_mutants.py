#!/usr/bin/env python3
"""Put known bugs into private copies of the tree, one at a time, and see whether a test finds each.

    run_mutants.py --build FOLDER [--workers N] [--sample] [--only NAME] [--write docs/testing.md]

The bugs: tests/mutants/mutants.toml. The judges, cheapest first: unit tests of the page frame allocator, its model, the
stepper (every instruction interrupted), the interleaving checker. A mutant that does not compile proves nothing: that is
an error. First all judges see the tree without a bug: they must find nothing. --sample: three bugs, each with the one
judge named there.
Exit status: 0 all found, 1 some not."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = ("Makefile", "kernel", "include", "tests", "scripts", "efi")
UNITS = sorted(path.stem for path in (ROOT / "tests/unit").glob("test_frames*.c"))
MODEL_OPERATIONS = "20000"
SECONDS = 240  # a judge that takes longer hangs
BEGIN, END = "<!-- mutants: by scripts/run_mutants.py -->", "<!-- end of mutants -->"


def judges(names):
    """(name in the table, program to build, command)"""
    for unit in UNITS:
        if unit in names:
            yield f"unit:{unit}", f"tests/{unit}", []
    for name, program, arguments in (("model_frames", "tests/model_frames", [MODEL_OPERATIONS]),
                                     ("nmi_step", "ilv/nmi_step", []), ("ilv", "ilv/ilv", ["--quick"])):
        if name in names:
            yield name, program, arguments


class Tree:
    """A private copy with a build folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.orig", "*.rej"))
            else:
                shutil.copy(source, folder / name)

    def make(self, program):
        own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        made = subprocess.run(["make", "-s", "-j2", "BUILD=build", f"build/{program}"], cwd=self.folder, env=own,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if made.returncode != 0:
            raise RuntimeError(f"does not compile:\n{made.stdout[-2000:]}")

    def found_by(self, names):
        """The first judge that finds something; None: nobody does."""
        for name, program, arguments in judges(names):
            self.make(program)
            try:
                run = subprocess.run([f"build/{program}", *arguments], cwd=self.folder, timeout=SECONDS, check=False,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                return f"{name} (hangs)"
            if run.returncode != 0:
                return name
        return None

    def try_mutant(self, mutant, names):
        path = self.folder / "kernel/mm" / mutant["file"]
        original = path.read_text()
        if original.count(mutant["before"]) != 1:
            raise RuntimeError(f"text occurs {original.count(mutant['before'])} times in {mutant['file']}")
        path.write_text(original.replace(mutant["before"], mutant["after"]))
        try:
            return self.found_by(names)
        finally:
            path.write_text(original)


def table(mutants, found):
    lines = ["| bug | in | what goes wrong | found by |", "| --- | --- | --- | --- |"]
    for mutant in mutants:
        judge = (found[mutant["name"]] or "nobody").removeprefix("unit:")
        lines.append(f"| {mutant['name']} | {mutant['file']} | {mutant['why']} | {judge} |")
    return "\n".join(lines)


def work_through(tree, queue, found, is_sample):
    all_names = [*UNITS, "model_frames", "nmi_step", "ilv"]
    while queue:
        mutant = queue.pop(0)
        names = [mutant["sample"].removeprefix("unit:")] if is_sample else all_names
        start = time.monotonic()
        try:
            judge = tree.try_mutant(mutant, names)
        except RuntimeError as error:
            print(f"{mutant['name']}: {error}", flush=True)
            judge = None
        found[mutant["name"]] = judge
        verdict = f"found by {judge}" if judge else "NOT FOUND"
        print(f"  {mutant['name']:32} {mutant['file']:22} {verdict} ({time.monotonic() - start:.0f} s)", flush=True)


def check_without_bug(tree):
    judge = tree.found_by([*UNITS, "model_frames", "nmi_step", "ilv"])
    if judge is not None:
        sys.exit(f"run_mutants: {judge} finds something without any bug put in")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    mutants = tomllib.loads((ROOT / "tests/mutants/mutants.toml").read_text())["mutant"]
    chosen = [mutant for mutant in mutants if (not arguments.sample or "sample" in mutant) and
              (not arguments.only or mutant["name"] in arguments.only)]
    folder = arguments.build.resolve() / "mutants"
    workers = max(1, min(arguments.workers, len(chosen)))
    found = {}
    queue = list(chosen)
    trees = [Tree(folder / str(number)) for number in range(workers)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        if not arguments.sample and not arguments.only:
            list(pool.map(check_without_bug, trees[:1]))
        list(pool.map(lambda tree: work_through(tree, queue, found, arguments.sample), trees))
    lost = [mutant["name"] for mutant in chosen if found[mutant["name"]] is None]
    print(f"mutants: {len(chosen) - len(lost)} found, {len(lost)} not found{': ' if lost else ''}{', '.join(lost)}")
    if arguments.write is not None and not lost:
        text = arguments.write.read_text()
        filled = f"{BEGIN}\n{table(chosen, found)}\n{END}"
        arguments.write.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: filled, text, flags=re.DOTALL))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
