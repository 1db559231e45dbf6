#!/usr/bin/python3
"""Count the instructions from efi_main to a ready kernel, by machine size, under QEMU's instruction counter.

    boot_cost.py NEOMEM_EFI [--sizes 256M,1G,…] [--markdown]

With `-icount shift=4,sleep=off` the TSC advances by 16 for each guest instruction, so differences of the `boot` record's
time stamps are exact, repeatable instruction counts. Large machines get sparse memory. Also prints which share of the
memory that firmware called conventional, loader or boot services ends usable.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

TICKS_PER_INSTRUCTION = 16
FIRMWARE = pathlib.Path("/usr/share/OVMF")
RAM_TYPES = {1, 2, 3, 4, 7}
EXIT_SUCCESS = 33


def bytes_of(size):
    return int(size[:-1]) << {"M": 20, "G": 30, "T": 40}[size[-1]]


def boot(efi, size, folder):
    variables = folder / "vars.fd"
    shutil.copy(FIRMWARE / "OVMF_VARS_4M.fd", variables)
    # Physical address bits with one to spare, and the vendor whose layout has no hole below 1 TiB.
    bits = max(40, bytes_of(size).bit_length() + 1)
    command = [
        "qemu-system-x86_64", "-nodefaults", "-accel", "tcg", "-icount", "shift=4,sleep=off",
        "-cpu", f"max,vendor=GenuineIntel,phys-bits={bits}", "-m", size, "-display", "none", "-no-reboot",
        "-object", f"memory-backend-ram,id=ram0,size={size},reserve=off", "-machine", "q35,memory-backend=ram0",
        "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd",
        "-drive", f"if=pflash,format=raw,unit=1,file={variables}",
        "-kernel", efi, "-append", "kaslr=off seed=1 on-end=qemu-exit",
    ]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
    if run.returncode != EXIT_SUCCESS:
        sys.exit(f"{size}: QEMU ended with {run.returncode}\n{run.stdout.decode(errors='replace')[-2000:]}")
    records = []
    for line in run.stdout.decode(errors="replace").splitlines():
        if line.startswith('{"neomem"'):
            records.append(json.loads(line))
    return records


def figures(records):
    first = {kind: next(r for r in records if r["neomem"] == kind) for kind in ("boot", "reclaim", "stats")}
    b, reclaim, stats = first["boot"], first["reclaim"], first["stats"]

    def steps(start, end):
        return (b[end] - b[start]) // TICKS_PER_INSTRUCTION

    ram = sum(r["pages"] * 4096 for r in records if r["neomem"] == "efi_memory" and r["type"] in RAM_TYPES)
    return {
        "loader": steps("tsc_efi_main", "tsc_exit_boot_services"),
        "takeover": steps("tsc_exit_boot_services", "tsc_kernel_main"),
        "kernel": steps("tsc_kernel_main", "tsc_ready"),
        "total": steps("tsc_efi_main", "tsc_ready"),
        "usable": 100 * reclaim["usable_after"] / ram,
        "low": reclaim["withheld_low"], "manager": reclaim["withheld_manager"], "image": b["kernel_bytes"],
        "missing": ram - reclaim["usable_after"] - reclaim["withheld_low"] - reclaim["withheld_manager"] - b["kernel_bytes"],
        "metadata": stats["metadata_bytes"], "tables": stats["page_tables"] * 4096,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("efi")
    parser.add_argument("--sizes", default="256M,1G,4G,16G,64G,256G,1T")
    arguments = parser.parse_args()
    print("| RAM | efi_main to exit | exit to kernel | kernel to ready | total | usable | low 1 MiB | map | image | not named "
          "| frame metadata | page tables |")
    print("| --- " * 12 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes.split(","):
            f = figures(boot(arguments.efi, size, pathlib.Path(folder)))
            print(f"| {size} | {f['loader']:,} | {f['takeover']:,} | {f['kernel']:,} | {f['total']:,} | {f['usable']:.3f} % "
                  f"| {f['low'] >> 10} KiB | {f['manager'] >> 10} KiB | {f['image'] >> 10} KiB | {f['missing']} B "
                  f"| {f['metadata'] >> 10} KiB | {f['tables'] >> 10} KiB |", flush=True)


if __name__ == "__main__":
    main()
