"""A scenario: what is on the disk, the machine, and what must come out. Read from test-images/<name>/scenario.toml.

The keys, their defaults and meaning are the tables below (test-images/README.md explains them with examples).
An unknown key, a wrong type or an impossible combination is an error in the scenario, not a failed boot.
"""
import re
import tomllib
from dataclasses import dataclass, field

LAYOUTS = ("fat", "gpt-virtio", "gpt-usb", "gpt-nvme", "iso-cd", "iso-usb", "kernel")
FIRMWARE = ("ovmf", "ovmf-2m", "ovmf-secure", "u-boot")
ENDS = re.compile(r"exit \d+|shutdown|reset|halted|text")

# name: (type, default). A default of None means "absent".
TOP_KEYS = {
    "title": (str, ""),
    "seconds": (int, 8),            # how long it takes alone on one core; longer ones are started first
    "timeout": (int, 150),          # a hang detector, not a target
    "boots": (int, 1),
    "layout": (str, "fat"),
    "firmware": (str, "ovmf-2m"),
    "machine": (str, "q35"),
    "memory": (str, "256M"),
    "cpus": (int, 1),
    "cpu": (str, "max"),
    "phys_bits": (int, 52),         # of that CPU, where a map goes beyond them (plain "max": 40)
    "display": (str, "std"),        # none, std, ramfb, virtio-gpu, or WIDTHxHEIGHT
    "serial": (str, "com1"),        # com1, com2 or none: the machine's only serial port
    "qemu": (list, ()),             # further arguments; {folder} is the scenario's folder
    "cfg": (str, None),             # text of neomem.cfg
    "cfg_file": (str, None),        # or a file of the scenario's folder
    "cfg_repeat": (int, 1),         # neomem.cfg is the text this many times
    "append": (str, None),          # LoadOptions, layout kernel only
    "efi": (list, ()),              # changes to neomem.efi, see programs.py
    "first": (str, None),           # a program of test-images/ that is started instead and then starts neomem
    "first_cfg": (str, None),       # its options: text of <first>.cfg
    "startup_nsh": (str, None),     # no BOOTX64.EFI; the firmware's shell runs this script
    "expect": (dict, None),
    "step": (list, ()),
}
EXPECT_KEYS = {
    "end": (str, "exit 33"),        # exit N, shutdown, reset, halted (all CPUs, for good), text (`until` was seen)
    "until": (str, None),           # regular expression; what the runner waits for when `end` is halted or text
    "boot": (bool, True),           # the kernel came up: boot, efi_memory and memmap records
    "finish": (bool, True),         # it said `end`
    "status": (str, "pass"),        # of the end record
    "warnings": (int, 0),           # how many warning records; -1: any number
    "panics": (int, 0),
    "text": (list, ()),             # regular expressions that some line matches
    "no_text": (list, ()),          # … that no line matches
    "record": (list, ()),
    "not_all_equal": (list, ()),    # kind.member, over the boots
    "usable_percent": (float, 0.0), # of the machine's memory, free for allocation at the end (stats record)
    "canaries": (int, 0),           # at least so many planted blocks, all intact; needs end = "halted"
    "screen": (list, ()),           # regular expressions that some line on the screen matches
    "symbols": (list, ()),          # functions that symbolize.py must name for this log
}
RECORD_KEYS = {"kind": (str, None), "where": (dict, {}), "count": (object, ">= 1"), "all": (dict, {})}
STEP_KEYS = {
    "send": (str, None),            # typed on the serial console
    "keys": (str, None),            # typed on the PS/2 keyboard
    "monitor": (str, None),         # command of QEMU's human monitor
    "expect": (str, None),          # regular expression in the serial text that came since the last step
    "screen": (str, None),          # regular expression on the screen
    "within": (int, 30),            # seconds
}


class ScenarioError(Exception):
    pass


def _take(table, keys, where):
    values = {}
    for name, (kind, default) in keys.items():
        value = table.get(name, default)
        if name in table and kind is not object:
            if kind is float and isinstance(value, int):
                value = float(value)
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise ScenarioError(f"{where}: {name} must be {kind.__name__}")
        values[name] = value
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise ScenarioError(f"{where}: unknown key {', '.join(unknown)}")
    return values


class Table:
    """A validated table with its keys as attributes."""

    def __init__(self, table, keys, where):
        self.__dict__.update(_take(table, keys, where))


@dataclass
class Scenario:
    name: str
    folder: object
    options: Table
    expect: Table
    records: list = field(default_factory=list)
    steps: list = field(default_factory=list)

    def __getattr__(self, name):  # layout, memory, … read as the scenario's own
        return getattr(self.__dict__["options"], name)


def _check(s):
    def need(condition, text):
        if not condition:
            raise ScenarioError(f"{s.name}: {text}")

    need(s.title, "title is missing")
    need(s.layout in LAYOUTS, f"layout is one of {', '.join(LAYOUTS)}")
    need(s.firmware in FIRMWARE, f"firmware is one of {', '.join(FIRMWARE)}")
    need(re.fullmatch(r"none|std|ramfb|virtio-gpu|\d+x\d+", s.display), f"display {s.display} is unknown")
    need(re.fullmatch(r"\d+[MGT]", s.memory), "memory is a number with M, G or T")
    need(ENDS.fullmatch(s.expect.end), f"end {s.expect.end} is unknown")
    need(s.expect.end not in ("halted", "text") or s.expect.until, "end = halted or text needs until")
    need(s.append is None or s.layout == "kernel", "append needs layout = kernel")
    need(s.layout != "kernel" or not (s.cfg or s.first), "layout kernel has no disk for cfg or first")
    need(not s.first or s.layout == "fat", "first needs layout = fat")
    need(not s.startup_nsh or s.layout == "fat", "startup_nsh needs layout = fat")
    need(s.cfg is None or s.cfg_file is None, "cfg and cfg_file exclude each other")
    need(not s.expect.canaries or s.expect.end == "halted", "canaries can only be read from a halted machine")
    need(s.boots == 1 or not s.steps, "a dialogue is for one boot")
    need(s.serial in ("com1", "com2", "none"), f"serial {s.serial} is unknown")
    need(s.serial != "none" or not (s.expect.text or s.expect.record or s.steps), "nothing is seen without serial")


def parse(name, folder, text):
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: {error}") from None
    options = Table(table, TOP_KEYS, name)
    expect = Table(options.expect or {}, EXPECT_KEYS, f"{name}: expect")
    records = [Table(r, RECORD_KEYS, f"{name}: expect.record") for r in expect.record]
    steps = [Table(s, STEP_KEYS, f"{name}: step") for s in options.step]
    scenario = Scenario(name, folder, options, expect, records, steps)
    _check(scenario)
    return scenario


def load_all(folder):
    """Every scenario below folder, by name."""
    paths = sorted(folder.glob("*/scenario.toml"))
    if not paths:
        raise ScenarioError(f"no scenarios in {folder}")
    return [parse(p.parent.name, p.parent, p.read_text(encoding="utf-8")) for p in paths]


UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def memory_bytes(text):
    return int(text[:-1]) * UNITS[text[-1]]
