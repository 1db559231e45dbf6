"""Boot scenarios under QEMU: the parts of scripts/test_images.py.

    scenario   reads and validates test-images/*/scenario.toml
    programs   variants of neomem.efi (signed, damaged, other image base)
    disks      builds what the machine boots from
    machine    runs QEMU: serial console, QMP, how it ended
    serial_log text and records of a serial log
    memory_map the Limine rules and the UEFI map, an implementation independent of the kernel's
    screen     reads text back from a screen dump
    dialogue   types commands and waits for answers
    canaries   compares planted memory after the run
    checks     what every boot and what a scenario must show
"""
