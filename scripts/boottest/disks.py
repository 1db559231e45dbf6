"""Builds what a scenario's machine boots from, in its work folder, and says how it is attached.

The GPT and ISO layouts go through make_image.sh and make_iso.sh, so that what ships is what is tested.
"""
import hashlib
import os
import subprocess
from pathlib import Path

from . import programs

SCRIPTS = Path(__file__).resolve().parent.parent
FAT_MIB = 8


class DiskError(Exception):
    pass


def _run(*command):
    result = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "TZ": "UTC", "LC_ALL": "C", "MTOOLSRC": "/dev/null",
                                 "MTOOLS_SKIP_CHECK": "1"}, check=False)
    if result.returncode:
        raise DiskError(f"{Path(command[0]).name} failed: {result.stdout.strip()[-400:]}")


def _config(scenario, work):
    """Path of the neomem.cfg to put on the disk, or None."""
    if scenario.cfg_file:
        data = (scenario.folder / scenario.cfg_file).read_bytes()
    elif scenario.cfg is not None:
        data = scenario.cfg.encode()
    else:
        return None
    path = work / "neomem.cfg"
    path.write_bytes(data * scenario.cfg_repeat)
    return path


def _fat(scenario, work, efi, cfg, build):
    disk = work / "disk.img"
    boot = efi
    if scenario.first:
        boot = build / "test-images" / "programs" / f"{scenario.first}.efi"
        if not boot.is_file():
            raise DiskError(f"{boot} is missing")
    _run(SCRIPTS / "make_esp.sh", boot, cfg or "", disk, FAT_MIB)
    if scenario.first or scenario.startup_nsh:
        _run("mcopy", "-i", disk, efi, "::/neomem.efi")
    if scenario.first_cfg is not None:
        (work / "first.cfg").write_text(scenario.first_cfg, encoding="utf-8")
        _run("mcopy", "-i", disk, work / "first.cfg", f"::/{scenario.first}.cfg")
    if scenario.startup_nsh is not None:
        _run("mdel", "-i", disk, "::/EFI/BOOT/BOOTX64.EFI")
        (work / "startup.nsh").write_text(scenario.startup_nsh, encoding="utf-8")
        _run("mcopy", "-i", disk, work / "startup.nsh", "::/startup.nsh")
    return disk


def build(scenario, work, efi_path, build_folder):
    """Make the boot medium. Return (QEMU arguments, list of files that must not change)."""
    efi = work / "neomem.efi"
    efi.write_bytes(programs.change(efi_path.read_bytes(), scenario.efi))
    if scenario.layout == "kernel":
        arguments = ["-kernel", str(efi)]
        if scenario.append is not None:
            arguments += ["-append", scenario.append]
        return arguments, [efi]

    cfg = _config(scenario, work)
    disk = work / "disk.img"
    if scenario.layout == "fat":
        disk = _fat(scenario, work, efi, cfg, build_folder)
    elif scenario.layout.startswith("gpt-"):
        _run(SCRIPTS / "make_image.sh", efi, disk, cfg or "")
    else:
        _run(SCRIPTS / "make_iso.sh", efi, disk, cfg or "")
    drive = f"if=none,id=disk0,format=raw,file={disk}"
    arguments = {
        "fat": ["-drive", drive, "-device", "virtio-blk-pci,drive=disk0"],
        "gpt-virtio": ["-drive", drive, "-device", "virtio-blk-pci,drive=disk0"],
        "gpt-usb": ["-drive", drive, "-device", "qemu-xhci", "-device", "usb-storage,drive=disk0"],
        "gpt-nvme": ["-drive", drive, "-device", "nvme,drive=disk0,serial=neomem"],
        "iso-usb": ["-drive", drive, "-device", "qemu-xhci", "-device", "usb-storage,drive=disk0"],
        "iso-cd": ["-drive", drive + ",media=cdrom,readonly=on", "-device", "ide-cd,drive=disk0"],
    }[scenario.layout]
    return arguments, [disk]


def digest(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
