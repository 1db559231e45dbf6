#!/usr/bin/env python3
"""Render the figures of the page frame benchmark as Markdown.

    report.py FIGURES.tsv [--write docs/benchmarks.md]

Cells are `median (lowest)` in nanoseconds for each call. `ahead` is the best of the other columns (LLFree's carried-over
figure included, neomem-exact not) divided by neomem: medians with one thread, lowest ones with two, because a preempted lock
holder is no kernel reality. Below the aim it says `behind`.
"""
import argparse
import json
import pathlib

ANCHORS = json.loads((pathlib.Path(__file__).resolve().parent / "anchors.json").read_text(encoding="utf-8"))
PEERS = ["bitmap-naive", "bitmap-nextfit", "buddy-lock", "buddy+pcp"]
OURS = "neomem"
EXACT = "neomem-exact"
TRUST = "neomem-trust"
BEGIN, END = "<!-- bench-frames: begin -->\n", "<!-- bench-frames: end -->\n"
MEDIAN, LOWEST = 0, 1


def arena_name(mib):
    return f"{mib >> 20} TiB" if mib >= 1 << 20 else f"{mib >> 10} GiB" if mib >= 1024 else f"{mib} MiB"


class Figures:
    """What the program printed, by kind."""

    def __init__(self, text):
        self.facts, self.time, self.rows, self.init, self.frag, self.dfree, self.verify = {}, {}, {}, {}, {}, {}, []
        for line in text.splitlines():
            if line.startswith("# "):
                key, value = line[2:].split(": ", 1)
                self.facts[key] = value
            elif line:
                kind, *fields = line.split("\t")
                getattr(self, "add_" + kind)(fields)

    def add_time(self, fields):
        row, metric, allocator, mib, threads, median, lowest, _, quality = fields
        arena = (int(mib), int(threads))
        self.rows.setdefault(arena, {})[f"{row} {metric}"] = None  # a dict keeps the order
        if quality != "void":
            self.time[arena, f"{row} {metric}", allocator] = (float(median), float(lowest), quality == "capped")

    def add_init(self, fields):
        allocator, mib, _, median, lowest, nbytes, bits = fields
        self.init[allocator, int(mib)] = (float(median), float(lowest), int(nbytes), float(bits))

    def add_frag(self, fields):
        self.frag[fields[0], int(fields[1])] = [float(share) for share in fields[3:]]

    def add_dfree(self, fields):
        self.dfree[fields[0]] = fields[3:]

    def add_verify(self, fields):
        self.verify.append(fields)


def table(header, body):
    """A Markdown table with padded columns, first one to the left."""
    widths = [max(len(row[i]) for row in [header, *body]) for i in range(len(header))]

    def line(row):
        return "| " + " | ".join(cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)) + " |\n"

    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|\n"
    return line(header) + rule + "".join(line(row) for row in body)


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def cell(figure):
    if figure is None:
        return "-"
    return f"{'~' if figure[2] else ''}{number(figure[MEDIAN])} ({number(figure[LOWEST])})"


def carried_over(figures, arena, row):
    """LLFree's figure: its anchor, scaled by how buddy+pcp does here and did there."""
    anchor = ANCHORS["time"].get(f"{arena[0]} {arena[1]} {row}")
    measured = figures.time.get((arena, row, "buddy+pcp"))
    if anchor is None or measured is None:
        return None
    scale = anchor["llfree"] / anchor["pcp"]
    return measured[MEDIAN] * scale, measured[LOWEST] * scale, False


def aim_of(row):
    return ANCHORS["aims"].get(row, ANCHORS["aims"]["default"])


def verdict(best, ours, aim):
    ratio = best / ours if ours > 0 else float("inf")
    return f"{ratio:.2f}{'' if ratio >= aim else ' behind'}"


def arena_table(figures, arena):
    which = MEDIAN if arena[1] == 1 else LOWEST
    body = []
    for row in figures.rows[arena]:
        others = {name: figures.time.get((arena, row, name)) for name in PEERS}
        others["llfree"] = carried_over(figures, arena, row)
        ours = figures.time.get((arena, row, OURS))
        known = [figure[which] for figure in others.values() if figure is not None]
        trust = figures.time.get((arena, row, TRUST))
        ahead = verdict(min(known), ours[which], aim_of(row)) if ours and known else "-"
        trust_ahead = verdict(min(known), trust[which], aim_of(row)) if trust and known else "-"
        llfree = others.pop("llfree")
        body.append([row, *(cell(figure) for figure in others.values()), number(llfree[which]) if llfree else "-",
                     cell(figures.time.get((arena, row, EXACT))), cell(ours), ahead, cell(trust), trust_ahead, f"{aim_of(row):.2f}"])
    kept = [i for i in range(len(PEERS) + 8) if i != 1 or any(line[1] != "-" for line in body)]  # naive: only where it ran
    header = ["ns for each call", "naive scan", "next fit", "buddy", "buddy+pcp", "LLFree*", "neomem, exact", "neomem", "ahead",
              "neomem, unchecked", "ahead", "aim"]
    return table([header[i] for i in kept], [[line[i] for i in kept] for line in body])


def scaling_table(figures, mib):
    body = []
    for row in figures.rows.get((mib, 2), {}):
        one, two = (figures.time.get(((mib, threads), row, OURS)) for threads in (1, 2))
        if one and two:
            low, middle = (2 * one[i] / two[i] for i in (LOWEST, MEDIAN))
            aim = ANCHORS["aims"]["scaling"]
            body.append([row, f"{low:.2f}", f"{middle:.2f}", "" if low >= aim else "behind"])
    return table(["neomem", "lowest", "median", ""], body) if body else ""


def init_table(figures):
    sizes = sorted({mib for _, mib in figures.init})
    body = []
    for name in [*PEERS, EXACT, OURS]:
        found = [figures.init.get((name, mib)) for mib in sizes]
        if any(found):
            body.append([name, *(f"{f[MEDIAN]:,.1f} ({f[LOWEST]:,.1f})" if f else "-" for f in found),
                         *(f"{f[3]:.2f}" if f else "-" for f in found)])
    llfree = [ANCHORS["init_us"].get(str(mib)) for mib in sizes]
    measured = [figures.init.get(("buddy+pcp", mib)) for mib in sizes]
    body.append(["LLFree*", *(f"{m[MEDIAN] * a['llfree'] / a['pcp']:,.1f}" if a and m else "-" for a, m in zip(llfree, measured)),
                 *([f"{ANCHORS['bits_per_frame']:.2f}"] * len(sizes))])
    header = ["", *(f"start of {arena_name(mib)}, µs" for mib in sizes), *(f"{arena_name(mib)}, bits a frame" for mib in sizes)]
    return table(header, body)


def frag_table(figures):
    sizes = sorted({mib for _, mib in figures.frag})
    body = []
    for mib in sizes:
        for name in [*PEERS, EXACT, OURS]:
            shares = figures.frag.get((name, mib))
            if shares:
                body.append([f"{arena_name(mib)}, {name}", *(f"{share:.1f}" for share in shares)])
        anchor = ANCHORS["frag_after_100_rounds"].get(str(mib))
        if anchor is not None:
            body.append([f"{arena_name(mib)}, LLFree*", "-", "-", "-", "-", "-", f"{anchor:.1f}"])
    return table(["free 2 MiB frames, % of all, after rounds", "0", "20", "40", "60", "80", "100"], body)


def render(text):
    figures = Figures(text)
    facts = figures.facts
    out = [f"Measured {facts.get('date')}: {facts.get('processor')}, {facts.get('cpus')} CPUs, {facts.get('kernel')}, "
           f"{facts.get('compiler')}, `{facts.get('flags')}` for all allocators, load average {facts.get('load before')} before "
           f"and {facts.get('load after')} after.\n"
           "Cells: median (lowest) CPU time of a call in nanoseconds; ~: cut off, too slow. *ahead*: best of the peers "
           "divided by neomem, medians with one thread, lowest with two. The peers check nothing: *unchecked* (level 0) is the\n"
           "like-for-like column, *neomem* (level 1, the default) notices every double and wild free, *exact* is level 2.\n"
           "LLFree*: not linked, carried over from an earlier comparison with the same buddy+pcp (bench/frames/anchors.json).\n"]
    for arena in figures.rows:
        out.append(f"#### {arena_name(arena[0])}, {arena[1]} thread{'s' if arena[1] > 1 else ''}\n\n{arena_table(figures, arena)}")
    for mib in sorted({arena[0] for arena in figures.rows}):
        scaling = scaling_table(figures, mib)
        if scaling:
            out.append(f"#### Throughput of 2 threads over that of 1, {arena_name(mib)} (aim {ANCHORS['aims']['scaling']})\n\n{scaling}")
    if figures.init:
        out.append(f"#### Start and metadata\n\n{init_table(figures)}")
    if figures.frag:
        out.append(f"#### Half full at random, then a tenth replaced each round (50 % would be perfect)\n\n{frag_table(figures)}")
    if figures.dfree:
        body = [[name, *answers] for name, answers in figures.dfree.items()]
        out.append("#### Second free of a frame noticed\n\n"
                   + table(["", "same CPU", "same CPU, 76 frees later", "other CPU", "other CPU, written back"], body))
    return "\n".join(out)


def replace_section(path, section):
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + section + END + after, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    section = render(arguments.figures.read_text(encoding="utf-8"))
    print(section)
    if arguments.write:
        replace_section(arguments.write, section)


if __name__ == "__main__":
    main()
