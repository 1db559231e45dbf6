"""Types commands, on the serial console or the PS/2 keyboard, and waits for answers on serial or on the screen."""
import re
import time

from . import screen
from .serial_log import clean

QCODES = {" ": "spc", "\n": "ret", "\b": "backspace", "\t": "tab", "-": "minus", "=": "equal", ",": "comma",
          ".": "dot", "/": "slash", ";": "semicolon", "'": "apostrophe", "[": "bracket_left", "]": "bracket_right",
          "\\": "backslash", "`": "grave_accent"}
SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;'" + ",./"))
NAMED = re.compile(r"<([a-z0-9_+-]+)>|(.)", re.S)


class DialogueError(Exception):
    pass


def chords(text):
    """Key chords (lists of QEMU key codes) for a text; <up>, <home>, <ctrl+c> … name special keys."""
    result = []
    for name, character in NAMED.findall(text):
        if name:
            result.append(name.split("+"))
            continue
        shift = character in SHIFTED or character.isupper()
        plain = SHIFTED.get(character, character.lower())
        code = QCODES.get(plain, plain)
        result.append(["shift", code] if shift else [code])
    return result


def press(machine, text):
    for chord in chords(text):
        machine.execute("send-key", keys=[{"type": "qcode", "data": code} for code in chord], **{"hold-time": 30})
        time.sleep(0.06)  # the guest polls the controller, whose queue holds 16 bytes


def read_screen(machine, work, fonts):
    return screen.Screen(machine.screen_dump(work / "screen.ppm")).text(fonts)


def wait_for_screen(machine, work, pattern, deadline):
    fonts = screen.load_fonts()
    while True:
        lines = read_screen(machine, work, fonts)
        if any(re.search(pattern, line) for line in lines):
            return lines
        if time.monotonic() > deadline or not machine.is_running():
            shown = "\n    ".join(line for line in lines if line)
            raise DialogueError(f"/{pattern}/ is not on the screen, which shows:\n    {shown}")
        time.sleep(0.3)


def run(machine, steps, work):
    """Go through the steps. Raises DialogueError at the first that is not answered."""
    seen = 0
    for number, step in enumerate(steps, 1):
        deadline = time.monotonic() + step.within
        if step.send is not None:
            machine.type(step.send)
        if step.keys is not None:
            press(machine, step.keys)
        if step.monitor is not None:
            machine.execute("human-monitor-command", **{"command-line": step.monitor})
        if step.expect is not None:
            pattern = re.compile(step.expect, re.M)
            start = seen
            if not machine.wait(lambda raw, s=start, p=pattern: p.search(clean(raw), s), deadline):
                got = clean(machine.serial())[start:][-600:]
                raise DialogueError(f"step {number}: no answer matching /{step.expect}/ after "
                                    f"{step.send or step.keys or step.monitor or 'start'!r}; got: {got!r}")
            text = clean(machine.serial())
            seen = pattern.search(text, start).end()
        if step.screen is not None:
            wait_for_screen(machine, work, step.screen, deadline)
