"""What a log must show: rules that hold for every boot, and the expectations of one scenario.

Each function returns a list of complaints; an empty list is a pass. See the interface of neomem's serial console
(README, "Records") for the kinds and members.
"""
import re

from . import memory_map
from .scenario import memory_bytes

KERNEL_WINDOW = (0xFFFFFFFF80000000, 1 << 30)
HHDM_LOWEST = 0xFFFF800000000000
HEX = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,15})")

# Members of the records that every reader relies on: name -> kind of value.
MEMBERS = {
    "boot": {"version": str, "build_id": str, "firmware_vendor": str, "firmware_revision": int, "uefi_revision": None,
             "secure_boot": None, "cpus": int, "kernel_base": "address", "hhdm_base": "address", "page_levels": int,
             "tsc_hz": int, "tsc_efi_main": int, "tsc_exit_boot_services": int, "tsc_kernel_main": int,
             "tsc_ready": int},
    "efi_memory": {"index": int, "type": int, "type_name": str, "phys": "address", "pages": int,
                   "attribute": "address"},
    "memmap": {"base": "address", "length": int, "type": int, "type_name": str},
    "lint": {"rule": str, "severity": str, "text": str, "base": "address", "length": int},
    "stats": {"total_physical": int, "available_physical": int, "kernel_heap_used": int, "pages_allocated": int},
    "test": {"name": str, "result": str, "detail": str},
    "warning": {"text": str},
    "panic": {"text": str, "vector": object, "error_code": object, "rip": object, "cr2": object, "backtrace": list},
    "end": {"status": str, "tests_passed": int, "tests_failed": int, "faults": int},
}


def check_members(log):
    wrong = []
    for record in log.records:
        for name, kind in MEMBERS.get(record.kind, {}).items():
            value = record.get(name)
            if name not in record:
                wrong.append(f"line {record.line_number}: {record.kind} record without {name}")
            elif kind == "address" and not (isinstance(value, str) and HEX.fullmatch(value)):
                wrong.append(f"line {record.line_number}: {record.kind}.{name} is {value!r}, not a lower-case 0x… string")
            elif isinstance(kind, type) and (not isinstance(value, kind) or isinstance(value, bool)):
                wrong.append(f"line {record.line_number}: {record.kind}.{name} is {value!r}, not {kind.__name__}")
    return wrong[:10]


def check_boot_record(log, build_id):
    boots = log.of_kind("boot")
    if len(boots) != 1:
        return [f"{len(boots)} boot records instead of 1"]
    boot, wrong = boots[0], []
    stamps = ["tsc_efi_main", "tsc_exit_boot_services", "tsc_kernel_main", "tsc_ready"]
    values = [boot.get(name, 0) for name in stamps]
    if values != sorted(values) or values[0] <= 0:
        wrong.append(f"boot: time stamps do not ascend: {values}")
    base = memory_map.number(boot.get("kernel_base", 0))
    if not 0 <= base - KERNEL_WINDOW[0] < KERNEL_WINDOW[1] or base % 4096:
        wrong.append(f"boot: kernel_base {base:#x} is outside its window or not page-aligned")
    hhdm = memory_map.number(boot.get("hhdm_base", 0))
    if not HHDM_LOWEST <= hhdm < KERNEL_WINDOW[0] or hhdm % (1 << 30):
        wrong.append(f"boot: hhdm_base {hhdm:#x} is outside the upper half or not a multiple of 1 GiB")
    if boot.get("page_levels") != 4:
        wrong.append(f"boot: page_levels is {boot.get('page_levels')}, not 4")
    if boot.get("cpus", 0) < 1:
        wrong.append("boot: no CPU")
    if build_id and boot.get("build_id") != build_id:
        wrong.append(f"boot: build_id {boot.get('build_id')} is not kernel.elf's {build_id}")
    return wrong


def check_memory_records(scenario, log):
    """The two maps by themselves and against each other."""
    efi_records, limine_records = log.of_kind("efi_memory"), log.of_kind("memmap")
    if not efi_records or not limine_records:
        return [f"{len(efi_records)} efi_memory and {len(limine_records)} memmap records"]
    if [r.get("index") for r in efi_records] != list(range(len(efi_records))):
        return ["efi_memory: the indexes are not 0, 1, 2, …"]
    entries = memory_map.entries_of(limine_records)
    descriptors = memory_map.descriptors_of(efi_records)
    conserved = memory_map.check_conserved(entries, descriptors, 1 << scenario.phys_bits)
    return (memory_map.check_limine(entries) + conserved)[:10]


def check_reclaim(scenario, log):
    """Every byte of RAM that firmware does not keep is managed in the end, or held back for a named reason."""
    reclaims, stats = log.of_kind("reclaim"), log.of_kind("stats")
    if len(reclaims) != 1 or not stats:
        return [f"{len(reclaims)} reclaim and {len(stats)} stats records"]
    reclaim = reclaims[0]
    ranges = memory_map.expected_ranges(memory_map.descriptors_of(log.of_kind("efi_memory")), 1 << scenario.phys_bits)
    free = [r for r in ranges if r.type in (memory_map.USABLE, memory_map.RECLAIMABLE)]
    total = sum(r.end - r.base for r in free)
    low = sum(max(0, min(r.end, 1 << 20) - r.base) for r in free)
    kernel = memory_map.bytes_of_type(memory_map.entries_of(log.of_kind("memmap")), memory_map.KERNEL)
    withheld = reclaim["withheld_low"] + reclaim["withheld_manager"] + reclaim["withheld_in_use"]
    managed = stats[-1]["total_physical"]
    wrong = []
    if reclaim["withheld_low"] not in (0, low):
        wrong.append(f"reclaim: {reclaim['withheld_low']} bytes withheld below 1 MiB, where {low} are")
    if total - kernel - withheld != managed:
        wrong.append(f"reclaim: of {total} bytes of RAM {kernel} are the kernel and {withheld} withheld, "
                     f"but {managed} are managed")
    return wrong


def check_end(log, status):
    ends, tests = log.of_kind("end"), log.of_kind("test")
    if len(ends) != 1:
        return [f"{len(ends)} end records instead of 1"]
    end, wrong = ends[0], []
    if end is not log.records[-1]:
        wrong.append(f"end is not the last record; line {log.records[-1].line_number} follows")
    if end["status"] != status:
        wrong.append(f"end: status is {end['status']}, not {status}")
    for result, member in (("pass", "tests_passed"), ("fail", "tests_failed")):
        count = sum(1 for t in tests if t["result"] == result)
        if end[member] != count:
            wrong.append(f"end: {member} is {end[member]} but there are {count} such test records")
    for test in tests:
        if test["result"] not in ("pass", "fail", "skip"):
            wrong.append(f"test {test['name']}: unknown result {test['result']}")
        if test["result"] == "fail" and status == "pass":
            wrong.append(f"test {test['name']} failed: {test['detail']}")
    return wrong


def check_common(scenario, log, build_id):
    expect, wrong = scenario.expect, list(log.problems[:10])
    wrong += check_members(log)
    if wrong:
        return wrong
    if expect.boot:
        wrong += check_boot_record(log, build_id) + check_memory_records(scenario, log)
        wrong += check_reclaim(scenario, log)
    if expect.finish and scenario.serial != "none":
        wrong += check_end(log, expect.status)
    panics, warnings = log.of_kind("panic"), log.of_kind("warning")
    if len(panics) != expect.panics:
        wrong.append(f"{len(panics)} panic records instead of {expect.panics}: {[p['text'] for p in panics][:2]}")
    if expect.warnings >= 0 and len(warnings) != expect.warnings:
        wrong.append(f"{len(warnings)} warning records instead of {expect.warnings}: "
                     f"{[w['text'] for w in warnings][:4]}")
    return wrong


OPERATORS = {
    ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}


def holds(value, condition):
    """Does a member's value meet a condition: a plain value, ">= N" and the like, or "~ regular expression"?"""
    if isinstance(condition, str):
        operator, _, operand = condition.partition(" ")
        if operator == "~":
            return re.search(operand, str(value)) is not None
        if operator in OPERATORS and operand:
            try:
                numbers = int(str(value), 0), int(operand, 0)
            except ValueError:
                return operator in ("==", "!=") and OPERATORS[operator](str(value), operand)
            return OPERATORS[operator](*numbers)
    return value == condition


def check_records(expectations, log):
    wrong = []
    for expected in expectations:
        found = [r for r in log.of_kind(expected.kind)
                 if all(name in r and holds(r[name], c) for name, c in expected.where.items())]
        where = f" with {expected.where}" if expected.where else ""
        if not holds(len(found), expected.count):
            wrong.append(f"{len(found)} {expected.kind} records{where}, expected {expected.count}")
        for record in found:
            for name, condition in expected.all.items():
                if name not in record or not holds(record[name], condition):
                    wrong.append(f"line {record.line_number}: {expected.kind}.{name} is "
                                 f"{record.get(name)!r}, expected {condition}")
    return wrong[:10]


def check_text(expect, log):
    wrong = [f"no line matches /{p}/" for p in expect.text if not any(re.search(p, line) for line in log.lines)]
    for pattern in expect.no_text:
        found = next((line for line in log.lines if re.search(pattern, line)), None)
        if found is not None:
            wrong.append(f"a line matches /{pattern}/: {found[:160]}")
    return wrong


def check_usable(scenario, log):
    """Free memory at the end, as a share of what the machine has."""
    if not scenario.expect.usable_percent:
        return []
    stats = log.of_kind("stats")
    if not stats:
        return ["no stats record to take the usable share from"]
    share = 100 * stats[-1]["available_physical"] / memory_bytes(scenario.memory)
    if not scenario.expect.usable_percent <= share <= 100:
        return [f"{share:.2f} % of the memory is available, expected {scenario.expect.usable_percent} to 100"]
    return []


def check_differences(scenario, logs):
    wrong = []
    for path in scenario.expect.not_all_equal:
        kind, member = path.split(".")
        values = [r.get(member) for log in logs for r in log.of_kind(kind)]
        if len(values) < 2 or len(set(values)) == 1:
            wrong.append(f"{path} is the same at every boot: {values}")
    return wrong


def check_scenario(scenario, log, build_id):
    return (check_common(scenario, log, build_id) + check_records(scenario.records, log)
            + check_text(scenario.expect, log) + check_usable(scenario, log))
