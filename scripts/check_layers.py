#!/usr/bin/env python3
"""Enforce the dependency rules of docs/architecture.md on #include lines, inline assembly and global data.

    check_layers.py [--objects FOLDER]

Prints one line for each violation and exits 1 when there is any. --objects: kernel objects whose writable
global symbols are compared with the short list of allowed ones.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Every public header belongs to one layer.
LAYER_OF_HEADER = {
    "common": "compiler types status limine boot_info config",
    "lib": "string printf sort rbtree list bitmap options record console panic parse utf8 random warning efi_memmap",
    # memory.h is the public API: lib implements its memset_8 and memset_64; pte.h is the page-table format, pure.
    "api": "memory pte",
    "arch": "arch",
    "cpu": "cpu io",
    "mm": "memory_map early spinlock frames frames_pool page_table vmm heap hosted",
    "diag": "selftest boot_facts kernel_image stats_record frames_report",
    "drivers": "serial fbtext font input keyboard power acpi topology",
    "shell": "shell",
}
LAYER = {header: layer for layer, names in LAYER_OF_HEADER.items() for header in names.split()}

# Which layers a folder may include.
ALLOWED = {
    "efi": {"common"},
    "kernel/lib": {"common", "lib", "api"},
    "kernel/arch/x86_64": {"common", "lib", "api", "arch", "cpu"},
    "kernel/mm": {"common", "lib", "api", "arch", "mm"},
    "kernel/port/hosted": {"common", "lib", "api", "arch", "mm"},
    "kernel/drivers": {"common", "lib", "api", "arch", "cpu", "mm", "drivers"},
    "kernel/diag": {"common", "lib", "api", "arch", "cpu", "mm", "diag"},
    "kernel/shell": {"common", "lib", "api", "arch", "cpu", "mm", "diag", "drivers", "shell"},
    "kernel": {"common", "lib", "api", "arch", "cpu", "mm", "diag", "drivers", "shell"},
}
EFI_MAY_NOT_SEE = {"status"}

# Inside kernel/mm a unit uses only units to its left.
MM_ORDER = ["memory_map", "early", "spinlock", "frames", "pages", "page_table", "vmm", "heap", "kmalloc", "stats"]
MM_ALIASES = {"cxx_operators": "kmalloc", "memmap_check": "memory_map", "mm_internal": "spinlock"}

FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdatomic.h", "limits.h", "stdalign.h", "stdnoreturn.h"}
WRITABLE_GLOBALS = {"availableMemoryRegions", "availableMemoryRegionsCount"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
ASSEMBLY = re.compile(r"\b(__asm__|asm)\b\s*(volatile\b\s*)?(goto\b\s*)?\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.S)


def mm_unit(name):
    """Unit of MM_ORDER that a file or header of kernel/mm belongs to; the longest prefix wins."""
    if name in MM_ALIASES:
        return MM_ALIASES[name]
    candidates = [unit for unit in MM_ORDER if name == unit or name.startswith(unit + "_")]
    return max(candidates, key=len) if candidates else None


def folder_of(path):
    relative = path.relative_to(ROOT)
    for folder in sorted(ALLOWED, key=len, reverse=True):
        if str(relative).startswith(folder + "/"):
            return folder
    return None


def check_include(path, folder, quote, target):
    if quote == '"':
        local = (path.parent / target).resolve()
        if not local.exists():
            return f"includes \"{target}\", which is not beside it"
        home = folder_of(local)
        if home != folder and not (folder == "kernel" and home == "kernel/diag"):
            return f"includes a private header of {home}"
        return mm_order_problem(path, folder, local.stem)
    if target in FREESTANDING or (target == "config.h"):
        return None
    if target.startswith("neomem/"):
        name = target[len("neomem/"):-2]
        layer = LAYER.get(name)
        if layer is None:
            return f"includes <{target}>, which has no layer in check_layers.py"
        if layer not in ALLOWED[folder] or (folder == "efi" and name in EFI_MAY_NOT_SEE):
            return f"includes <{target}> ({layer}): not allowed from {folder}"
        return mm_order_problem(path, folder, name) if layer in ("mm", "api") else None
    if folder == "efi" and target.startswith("efi"):
        return None
    if folder == "kernel/port/hosted":
        return None  # Linux itself
    return f"includes <{target}>"


def mm_order_problem(path, folder, name):
    if folder != "kernel/mm":
        return None
    own, other = mm_unit(path.stem), mm_unit(name)
    if own is None:
        return "has no place in the order of kernel/mm (check_layers.py)"
    if other is not None and MM_ORDER.index(other) > MM_ORDER.index(own):
        return f"uses {name}, which stands above it in the order of kernel/mm"
    return None


def check_file(path):
    folder = folder_of(path)
    text = path.read_text(encoding="utf-8")
    problems = []
    for quote, target in INCLUDE.findall(text):
        problem = check_include(path, folder, quote, target)
        if problem:
            problems.append(problem)
    code = COMMENT.sub(" ", text)
    if ASSEMBLY.search(code) and folder != "kernel/arch/x86_64":
        problems.append("has inline assembly")
    if re.search(r"#\s*if.*(HOSTED|__linux__|__unix__)", code) and folder not in ("kernel/port/hosted",) \
            and path.name not in ("string.c", "string.h"):
        problems.append("asks whether it runs on the host")
    return [f"{path.relative_to(ROOT)}: {problem}" for problem in problems]


def check_globals(folder):
    """Symbols in .data and .bss with external linkage, other than the allowed ones."""
    problems = []
    for obj in sorted(pathlib.Path(folder).rglob("*.o")):
        table = subprocess.run(["objdump", "-t", str(obj)], capture_output=True, text=True, check=True).stdout
        for line in table.splitlines():
            match = re.match(r"^[0-9a-f]+ (g).{6} (\.data|\.bss|\*COM\*)(\.\S+)?\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
            if match and not (match.group(3) or "").startswith(".rel.ro") and match.group(4) not in WRITABLE_GLOBALS:
                problems.append(f"{obj.relative_to(folder)}: writable global {match.group(4)}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects")
    arguments = parser.parse_args()
    problems = []
    for top in ("efi", "kernel"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".c", ".h", ".cpp"):
                problems += check_file(path)
    if arguments.objects:
        problems += check_globals(arguments.objects)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
