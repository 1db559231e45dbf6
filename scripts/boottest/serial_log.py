"""Text and records of a serial log.

Firmware shares the line with neomem: OVMF writes ANSI sequences (colours, cursor moves, clear screen) and may
leave a line open when it starts us. A sequence that moves the cursor ends a line here, all others vanish.
A record is a line that starts with '{'; it must be one JSON object whose first member is "neomem".
"""
import json
import re

MOVES = re.compile(r"\x1b\[[0-9;?=]*[HfJ]")
OTHER_SEQUENCES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[78=>cDEHM])")


def clean(raw):
    """Bytes of a serial line to text with '\n' line ends."""
    text = raw.decode("utf-8", "replace")
    text = MOVES.sub("\n", text)
    text = OTHER_SEQUENCES.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


class Record(dict):
    """One record: its members, with its kind and line number beside them."""

    def __init__(self, members, line_number):
        super().__init__(members)
        self.kind = members["neomem"]
        self.line_number = line_number


def parse_record(line):
    """Return (members, None) or (None, what is wrong)."""
    def unique(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError("a member appears twice")
        return dict(pairs)

    try:
        members = json.loads(line, object_pairs_hook=unique)
    except ValueError as error:
        return None, f"not JSON ({error})"
    if not isinstance(members, dict) or next(iter(members), None) != "neomem":
        return None, "its first member is not \"neomem\""
    if not isinstance(members["neomem"], str) or not members["neomem"]:
        return None, "its kind is not a name"
    return members, None


class SerialLog:
    """lines: cleaned text lines; records: the records among them; problems: lines that break the rules."""

    def __init__(self, raw):
        self.text = clean(raw)
        self.lines = self.text.split("\n")
        self.records = []
        self.problems = []
        for number, line in enumerate(self.lines, 1):
            if not line.startswith("{"):
                if '{"neomem":' in line:
                    self.problems.append(f"line {number}: a record inside another line: {line[:160]}")
                continue
            members, wrong = parse_record(line)
            if wrong:
                self.problems.append(f"line {number}: starts with '{{' but is {wrong}: {line[:160]}")
            else:
                self.records.append(Record(members, number))

    def of_kind(self, kind):
        return [record for record in self.records if record.kind == kind]
