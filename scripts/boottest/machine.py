"""One QEMU machine: its command line, its serial console, its monitor (QMP), and how it ended."""
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from .scenario import memory_bytes

OVMF = Path("/usr/share/OVMF")
U_BOOT = Path("/usr/lib/u-boot/qemu-x86_64/u-boot.rom")
CODE_AND_VARS = {
    "ovmf": ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    "ovmf-2m": ("OVMF_CODE.fd", "OVMF_VARS.fd"),
    "ovmf-secure": ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.snakeoil.fd"),
}
DISPLAYS = {"none": [], "std": ["-device", "VGA"], "ramfb": ["-device", "ramfb"],
            "virtio-gpu": ["-device", "virtio-gpu-pci"]}
SERIAL = {"com1": ["-serial", "stdio"], "com2": ["-serial", "none", "-serial", "stdio"], "none": ["-serial", "none"]}


class MachineError(Exception):
    pass


def missing(scenario):
    """Why this scenario cannot run here, or None."""
    if not shutil.which("qemu-system-x86_64"):
        return "qemu-system-x86_64 is not installed"
    if scenario.firmware == "u-boot":
        files = [U_BOOT]
    else:
        files = [OVMF / name for name in CODE_AND_VARS[scenario.firmware]]
    absent = [str(f) for f in files if not f.is_file()]
    return f"{absent[0]} is not installed" if absent else None


def command_line(scenario, work, boot_arguments):
    """QEMU's arguments. fd=QMP stands for the monitor's socket, which Machine makes."""
    machine = scenario.machine
    firmware = []
    if scenario.firmware == "u-boot":
        firmware = ["-bios", str(U_BOOT)]
    else:
        code, variables = CODE_AND_VARS[scenario.firmware]
        shutil.copyfile(OVMF / variables, work / "vars.fd")  # firmware keeps its settings there
        firmware = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / code}",
                    "-drive", f"if=pflash,format=raw,unit=1,file={work / 'vars.fd'}"]
    if scenario.firmware == "ovmf-secure":
        machine += ",smm=on"
        firmware += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    display = DISPLAYS.get(scenario.display)
    if display is None:
        width, height = scenario.display.split("x")
        display = ["-device", f"bochs-display,xres={width},yres={height}"]
    extra = [str(argument).replace("{folder}", str(scenario.folder)) for argument in scenario.qemu]
    memory = []
    if "-numa" not in extra:
        # reserve=off: memory beyond the host's costs only what is touched.
        machine += ",memory-backend=ram0"
        memory = ["-object", f"memory-backend-ram,id=ram0,size={memory_bytes(scenario.memory)},reserve=off"]
    return [
        "qemu-system-x86_64", "-nodefaults", "-machine", machine, "-accel", "tcg", "-cpu", scenario.cpu,
        "-m", str(memory_bytes(scenario.memory) >> 20), *memory, "-smp", str(scenario.cpus),
        "-action", "reboot=shutdown", "-display", "none", *display,
        *SERIAL[scenario.serial],
        "-chardev", "socket,id=qmp,fd=QMP", "-mon", "chardev=qmp,mode=control",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        "-d", "cpu_reset", "-D", str(work / "qemu.log"),
        *firmware, *boot_arguments, *extra,
    ]


class Machine:
    """Starts with the constructor; always use it as a context manager."""

    def __init__(self, command):
        ours, theirs = socket.socketpair()
        self._command = [a.replace("fd=QMP", f"fd={theirs.fileno()}") for a in command]
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
        theirs.close()
        self._changed = threading.Condition()
        self._serial = bytearray()
        self._errors = bytearray()
        self._events = []
        self._replies = {}
        self._qmp = ours
        self._qmp_number = 0
        self._qmp_open = True
        self._threads = [threading.Thread(target=work, args=arguments, daemon=True) for work, arguments in (
            (self._collect, (self._process.stdout, self._serial)),
            (self._collect, (self._process.stderr, self._errors)),
            (self._listen, ()))]
        for thread in self._threads:
            thread.start()
        self._qmp.sendall(b'{"execute": "qmp_capabilities"}\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def _collect(self, stream, target):
        while chunk := stream.read1(65536):
            with self._changed:
                target += chunk
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _listen(self):
        buffer = b""
        while True:
            try:
                chunk = self._qmp.recv(65536)
            except OSError:
                chunk = b""
            if not chunk:
                break
            *lines, buffer = (buffer + chunk).split(b"\n")
            with self._changed:
                for line in filter(None, lines):
                    message = json.loads(line)
                    if "event" in message:
                        self._events.append(message)
                    elif "id" in message:
                        self._replies[message["id"]] = message
                self._changed.notify_all()
        with self._changed:
            self._qmp_open = False
            self._changed.notify_all()

    def serial(self):
        with self._changed:
            return bytes(self._serial)

    def errors(self):
        """What QEMU itself said."""
        with self._changed:
            return bytes(self._errors).decode("utf-8", "replace")

    def type(self, text):
        """Send characters to the serial port; QEMU holds them until the guest's UART takes them."""
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise MachineError(f"the machine does not take input any more ({error})") from None

    def execute(self, command, **arguments):
        """Run a monitor command. Return: its result."""
        with self._changed:
            self._qmp_number += 1
            number = self._qmp_number
        message = {"execute": command, "arguments": arguments, "id": number}
        try:
            self._qmp.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise MachineError(f"monitor: {command}: {error}") from None
        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or not self._qmp_open, 60)
            reply = self._replies.pop(number, None)
        if reply is None or "error" in reply:
            raise MachineError(f"monitor: {command}: {reply['error']['desc'] if reply else 'no answer'}")
        return reply["return"]

    def read_memory(self, work, base, nbytes):
        """Physical memory of the guest."""
        path = work / "memory.bin"
        self.execute("pmemsave", val=base, size=nbytes, filename=str(path))
        data = path.read_bytes()
        path.unlink()
        return data

    def screen_dump(self, path, image_format="ppm"):
        self.execute("screendump", filename=str(path), format=image_format)
        return path.read_bytes()

    def all_halted(self):
        """True when every CPU sits in HLT with interrupts off: nothing but an NMI wakes it."""
        text = self.execute("human-monitor-command", **{"command-line": "info registers -a"})
        flags = [int(value, 16) for value in re.findall(r"RFL=([0-9a-f]+)", text)]
        halted = re.findall(r"HLT=(\d)", text)
        # Application processors that were never started wait for SIPI: they are halted with interrupts "on".
        return bool(flags) and halted.count("1") == len(halted) and not flags[0] & 0x200

    def is_running(self):
        return self._process.poll() is None

    def shutdown_reason(self):
        with self._changed:
            reasons = [e["data"].get("reason") for e in self._events if e["event"] == "SHUTDOWN"]
        return reasons[-1] if reasons else None

    def wait(self, until, deadline):
        """Wait until the predicate until(serial bytes) holds, the machine ends or the time comes. Return: it holds."""
        while True:
            with self._changed:
                serial = bytes(self._serial)
                size = len(serial)
            if until is not None and until(serial):
                return True
            if not self.is_running():
                for thread in self._threads[:2]:
                    thread.join(10)  # the pipes may still hold the last lines
                return until is not None and until(self.serial())
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait_for(lambda n=size: len(self._serial) > n, min(left, 0.2))
            time.sleep(0.02)  # serial bytes come one by one; look at them in handfuls

    def end(self):
        """How it ended: "exit N", "shutdown", "reset", or None while it runs."""
        if self.is_running():
            return None
        for thread in self._threads:
            thread.join(10)
        reason = self.shutdown_reason()
        if self._process.returncode == 0 and reason in ("guest-shutdown", "guest-reset"):
            return reason.removeprefix("guest-")
        return f"exit {self._process.returncode}"

    def kill(self):
        if self.is_running():
            self._process.kill()
        self._process.wait()
        for thread in self._threads[:2]:
            thread.join(10)
        self._qmp.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            try:
                stream.close()
            except OSError:
                pass
