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

# A free run of 2^k … 2^(k+1)-1 frames counts under the k-th of these.
RUN_SIZES = ("4k 8k 16k 32k 64k 128k 256k 512k 1m 2m 4m 8m 16m 32m 64m 128m 256m 512m 1g").split()

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
    "numa": {"node": int, "bytes": int, "free": int, "cpus": str, "distances": str},
    "stats": {"total_physical": int, "available_physical": int, "kernel_heap_used": int, "pages_allocated": int,
              "frames_reserve": int, "frames_metadata": int, "frames_retired": int, "frames_cached": int,
              "frames_free_2m": int, "frames_free_1g": int},
    "frames": {"total": int, "free": int, "allocated": int, "reserve": int, "metadata": int, "retired": int,
               "cached": int, "spans": int, "nodes": int, "hardening": int, "longest_run": int,
               **{f"runs_{n}": int for n in RUN_SIZES}},
    "frames_zone": {"node": int, "window": str, "total": int, "free": int, "free_2m": int, "free_1g": int,
                    "reserve": int},
    "frames_pool": {"name": str, "limit": int, "held": int, "live": int, "low_mark": int, "allocs": int,
                    "from_pool": int, "frees": int, "failures": int},
    "frames_bench": {"name": str, "min_cycles": int, "median_cycles": int, "samples": int, "tsc_hz": int,
                     "hardening": int},
    "bad_frame": {"phys": "address", "cause": str},
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


def numbers_of_list(text):
    """"0-2,5" to [0, 1, 2, 5]."""
    numbers = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def check_numa(log):
    """Every managed byte and every CPU belongs to one node, and each node is 10 from itself."""
    nodes, stats = log.of_kind("numa"), log.of_kind("stats")
    if not nodes or [n["node"] for n in nodes] != list(range(len(nodes))):
        return [f"numa: nodes {[n['node'] for n in nodes]} instead of 0, 1, 2, …"]
    wrong = []
    managed = sum(n["bytes"] for n in nodes)
    if stats and managed != stats[0]["total_physical"]:
        wrong.append(f"numa: the nodes have {managed} bytes, but {stats[0]['total_physical']} are managed")
    cpus = sorted(cpu for n in nodes for cpu in numbers_of_list(n["cpus"]))
    known = log.of_kind("boot")[0]["cpus"] if log.of_kind("boot") else len(cpus)
    if cpus != list(range(known)):
        wrong.append(f"numa: CPUs {cpus} instead of each of {known} once")
    for n in nodes:
        distances = n["distances"].split(" ")
        if len(distances) != len(nodes) or distances[n["node"]] != "10" or n["free"] > n["bytes"]:
            wrong.append(f"numa: node {n['node']} has distances {n['distances']}, {n['free']} of {n['bytes']} bytes free")
    return wrong[:10]


def check_frames(log):
    """The figures of each `frames` record add up, by themselves and with the zones that follow it."""
    wrong, zones = [], []
    for record in reversed(log.records):
        where = f"line {record.line_number}: {record.kind}"
        if record.kind == "frames_zone":
            zones.append(record)
            if record["free"] > record["total"] or record["free_2m"] * 512 > record["free"] or \
                    record["free_1g"] * 512 > record["free_2m"]:
                wrong.append(f"{where}: more free than there is")
        elif record.kind == "frames_pool" and not record["low_mark"] <= record["held"] <= record["limit"]:
            wrong.append(f"{where}: held is not between low_mark and limit")
        elif record.kind == "frames":
            parts = sum(record[name] for name in ("free", "allocated", "reserve", "metadata", "retired"))
            if parts != record["total"]:
                wrong.append(f"{where}: the parts are {parts} frames, but {record['total']} are managed")
            if sum(zone["total"] for zone in zones) != record["total"]:
                wrong.append(f"{where}: the zones do not add up to {record['total']} frames")
            if sum(zone["free"] for zone in zones) != record["free"]:
                wrong.append(f"{where}: the zones do not add up to {record['free']} free frames")
            least = sum(record[f"runs_{n}"] << k for k, n in enumerate(RUN_SIZES))
            if least > record["free"] or record["longest_run"] > record["free"]:
                wrong.append(f"{where}: the runs have {least} frames or more, but {record['free']} are free")
            zones = []
    return wrong[:10]


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
        wrong += check_reclaim(scenario, log) + check_numa(log)
    if expect.finish and scenario.serial != "none":
        wrong += check_end(log, expect.status)
    wrong += check_frames(log)
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
