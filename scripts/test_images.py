#!/usr/bin/env python3
"""Boot every scenario of test-images/ under QEMU and judge it.

    test_images.py [--filter WORD] [--jobs 2] [--list] [--keep] [--build build] [--efi build/neomem.efi]
    test_images.py --screenshot OUT.png [--cfg TEXT]

Prints one verdict a scenario with its seconds, and ends with "N passed, N failed" (", N skipped" if any). The exit
status is 0 when nothing failed. Logs of failed scenarios (of all with --keep) stay in BUILD/test-images/<name>/.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it is checked out
from boottest import canaries, checks, dialogue, disks, elf_notes, machine, programs, scenario as scenarios, screen
from boottest.serial_log import SerialLog, clean

ROOT = Path(__file__).resolve().parent.parent


def wait_for_end(vm, scenario, deadline):
    """Wait for the end that the scenario expects. Return: complaints."""
    expect = scenario.expect
    if expect.end in ("halted", "text"):
        pattern = re.compile(expect.until, re.M)
        if not vm.wait(lambda raw: pattern.search(clean(raw)), deadline):
            ended = vm.end()
            return [f"/{expect.until}/ never came; " + (f"the machine ended with {ended}" if ended else "it hangs")]
    else:
        vm.wait(None, deadline)
        ended = vm.end()
        if ended is None:
            return [f"hangs: no end after {scenario.timeout} s"]
        return [] if ended == expect.end else [f"ended with \"{ended}\" instead of \"{expect.end}\""]
    if expect.end == "halted":
        while not vm.all_halted():
            if time.monotonic() > deadline or not vm.is_running():
                return ["the CPUs were not halted for good"]
            time.sleep(0.1)
    return []


def check_halted_machine(vm, scenario, work, raw):
    """What needs the machine while it stands still: planted memory and the screen."""
    wrong = []
    if scenario.expect.canaries:
        blocks, _, damaged = canaries.check(clean(raw), lambda base, size: vm.read_memory(work, base, size))
        wrong += damaged[:10]
        if blocks < scenario.expect.canaries:
            wrong.append(f"only {blocks} planted blocks of {scenario.expect.canaries}")
    for pattern in scenario.expect.screen:
        try:
            dialogue.wait_for_screen(vm, work, pattern, time.monotonic() + 5)
        except dialogue.DialogueError as error:
            wrong.append(str(error))
    return wrong


def boot_once(scenario, work, arguments):
    """One boot. Return (complaints, SerialLog)."""
    deadline = time.monotonic() + scenario.timeout
    wrong = []
    with machine.Machine(machine.command_line(scenario, work, arguments)) as vm:
        try:
            if scenario.steps:
                dialogue.run(vm, scenario.steps, work)
            wrong += wait_for_end(vm, scenario, deadline)
            if not wrong and vm.is_running():
                wrong += check_halted_machine(vm, scenario, work, vm.serial())
        except (dialogue.DialogueError, machine.MachineError) as error:
            wrong.append(str(error))
        vm.kill()
        raw, errors = vm.serial(), vm.errors().strip()
    (work / "serial.log").write_bytes(raw)
    if errors and not raw:
        wrong.append(f"QEMU: {errors.splitlines()[-1]}")
    qemu_log = work / "qemu.log"
    if qemu_log.exists() and "Triple fault" in qemu_log.read_text(errors="replace"):
        wrong.append("a triple fault reset the machine")
    return wrong, SerialLog(raw)


def check_symbols(scenario, work, kernel_elf):
    if not scenario.expect.symbols:
        return []
    result = subprocess.run([sys.executable, str(ROOT / "scripts" / "symbolize.py"), "--elf", str(kernel_elf),
                             str(work / "serial.log")], capture_output=True, text=True, check=False)
    if result.returncode:
        return [f"symbolize.py: {result.stderr.strip()}"]
    return [f"symbolize.py names no {name}" for name in scenario.expect.symbols
            if not re.search(rf"\b{re.escape(name)}\b", result.stdout)]


def run_scenario(scenario, settings):
    """Return (complaints, seconds); None instead of complaints and a reason when it cannot run here."""
    started = time.monotonic()
    work = settings.build / "test-images" / scenario.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wrong, logs = [], []
    try:
        arguments, media = disks.build(scenario, work, settings.efi, settings.build)
        before = [disks.digest(path) for path in media]
        for _ in range(scenario.boots):
            complaints, log = boot_once(scenario, work, arguments)
            logs.append(log)
            wrong += complaints + checks.check_scenario(scenario, log, settings.build_id)
            if wrong:
                break
        if not wrong:
            wrong += checks.check_differences(scenario, logs)
            wrong += check_symbols(scenario, work, settings.kernel_elf)
        for path, digest in zip(media, before):
            if disks.digest(path) != digest:
                wrong.append(f"{path.name} was written to")
    except (disks.DiskError, programs.ProgramError, machine.MachineError, OSError) as error:
        wrong.append(f"{type(error).__name__}: {error}")
    if not wrong and not settings.keep:
        shutil.rmtree(work, ignore_errors=True)
    return wrong, time.monotonic() - started


def report(scenario, wrong, seconds, settings):
    print(f"{'FAIL' if wrong else 'pass'}  {scenario.name:<28} {seconds:6.1f} s  {scenario.title}")
    for line in wrong:
        print(f"      {line}")
    if wrong:
        log = settings.build / "test-images" / scenario.name / "serial.log"
        print(f"      log: {log}")
    sys.stdout.flush()


def run_all(selected, settings):
    """Run the scenarios, the slowest first. Return the exit status."""
    runnable, skipped = [], 0
    for scenario in selected:
        reason = machine.missing(scenario)
        if reason:
            skipped += 1
            print(f"skip  {scenario.name:<28}           {scenario.title}: {reason}")
        else:
            runnable.append(scenario)
    runnable.sort(key=lambda s: -s.seconds * s.boots)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(settings.jobs) as pool:
        futures = {pool.submit(run_scenario, s, settings): s for s in runnable}
        for future in concurrent.futures.as_completed(futures):
            wrong, seconds = future.result()
            report(futures[future], wrong, seconds, settings)
            passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


def take_screenshot(path, cfg, settings):
    """Boot to the prompt, save the screen as PNG."""
    text = f"title = 'screenshot'\nlayout = 'fat'\ncfg = '''{cfg}'''\n[expect]\nend = 'text'\nuntil = 'neomem> $'\n"
    scenario = scenarios.parse("screenshot", ROOT, text)
    work = settings.build / "test-images" / "screenshot"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    arguments, _ = disks.build(scenario, work, settings.efi, settings.build)
    with machine.Machine(machine.command_line(scenario, work, arguments)) as vm:
        wrong = wait_for_end(vm, scenario, time.monotonic() + scenario.timeout)
        if not wrong:
            dialogue.wait_for_screen(vm, work, "neomem>", time.monotonic() + 10)
            vm.screen_dump(path.resolve(), "png")
            if screen.Screen(vm.screen_dump(work / "screen.ppm")).is_blank():
                wrong.append("the screen is blank")
    shutil.rmtree(work, ignore_errors=True)
    for line in wrong:
        print(f"screenshot: {line}", file=sys.stderr)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filter", action="append", default=[], metavar="REGEX",
                        help="only scenarios whose name matches")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--list", action="store_true", help="print names and titles")
    parser.add_argument("--keep", action="store_true", help="keep logs and disks of passed scenarios, too")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--efi", type=Path, help="default: BUILD/neomem.efi")
    parser.add_argument("--images", type=Path, default=ROOT / "test-images", help="folder of the scenarios")
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="boot to the prompt and save the screen")
    parser.add_argument("--cfg", default='run="selftest; stats"', help="neomem.cfg for --screenshot")
    settings = parser.parse_args()
    settings.build = settings.build.resolve()
    settings.efi = (settings.efi or settings.build / "neomem.efi").resolve()
    settings.kernel_elf = settings.build / "kernel.elf"

    try:
        selected = scenarios.load_all(settings.images)
    except scenarios.ScenarioError as error:
        print(f"test_images: {error}", file=sys.stderr)
        return 2
    if settings.filter:
        selected = [s for s in selected if any(re.search(f, s.name) for f in settings.filter)]
    if settings.list:
        for s in selected:
            print(f"{s.name:<28} {s.title}")
        return 0
    if not settings.efi.is_file():
        print(f"test_images: {settings.efi} is missing (make)", file=sys.stderr)
        return 2
    settings.build_id = elf_notes.build_id(settings.kernel_elf) if settings.kernel_elf.is_file() else None
    if settings.screenshot:
        return take_screenshot(settings.screenshot, settings.cfg, settings)
    return run_all(selected, settings)


if __name__ == "__main__":
    sys.exit(main())
