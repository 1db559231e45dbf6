#!/bin/sh
# Start neomem.img in a QEMU machine with UEFI firmware (OVMF): what `make run` calls.
#
#     [MEM=256M] [CPUS=1] [CMD="name=value …"] [SCREEN=gtk|none|…] run_qemu.sh [NEOMEM.img]
#
# The serial console is this terminal; Ctrl-C ends the machine. SCREEN is any value of QEMU's -display (default:
# a window where there is a display and QEMU can open one). CMD is run-time options: they are written into
# neomem.cfg of a copy, the image itself is never changed; on a terminal records=off comes before them. MACHINE (q35),
# ACCEL (tcg) and QEMU_ARGS go to QEMU.
# Exit status: 0 after power-off or success, 1 after a failed check, 2 after a panic (on-end=qemu-exit), else QEMU's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
image=${1:-$here/../build/neomem.img}
memory=${MEM:-256M}
cpus=${CPUS:-1}
accel=${ACCEL:-tcg}
machine=${MACHINE:-q35}
esp_offset=1048576 # gpt_image.py puts the partition at 1 MiB

fail()
{
    echo "run: $1" >&2
    exit 1
}

command -v qemu-system-x86_64 >/dev/null 2>&1 ||
    fail "qemu-system-x86_64 is missing; on Debian: apt-get install --no-install-recommends qemu-system-x86 ovmf"
firmware=/usr/share/OVMF
[ -r "$firmware/OVMF_CODE_4M.fd" ] || fail "$firmware/OVMF_CODE_4M.fd is missing; on Debian: apt-get install ovmf"
[ -r "$image" ] || fail "$image is missing; make it with: make image"

screen=${SCREEN:-}
if [ -z "$screen" ]; then
    screen=none
    if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        if qemu-system-x86_64 -display help | grep -qx gtk; then
            screen=gtk
        else
            echo "run: no window: this QEMU has no gtk display (Debian: apt-get install qemu-system-gui)" >&2
        fi
    fi
fi

cpu=max
case "$memory" in
*[Tt] | *[0-9][0-9][0-9][0-9][Gg]) cpu=max,vendor=GenuineIntel,phys-bits=46 ;; # the default CPU addresses 1 TiB less its holes
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/neomem-run.XXXXXX")
terminal=$(stty -g 2>/dev/null || true)
# shellcheck disable=SC2317  # called by the trap
finish()
{
    rm -rf "$work"
    [ -z "$terminal" ] || stty "$terminal" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

cp "$firmware/OVMF_VARS_4M.fd" "$work/vars.fd"
chmod u+w "$work/vars.fd"
cp --sparse=always "$image" "$work/disk.img"
chmod u+w "$work/disk.img"
# Records are for programs: on a terminal they only come when CMD asks for them.
options=${CMD:-}
[ ! -t 1 ] || options="records=off $options"
if [ -n "$options" ]; then
    command -v mcopy >/dev/null 2>&1 || fail "CMD needs mtools; on Debian: apt-get install mtools"
    export MTOOLSRC=/dev/null
    mcopy -n -i "$work/disk.img@@$esp_offset" ::/neomem.cfg "$work/neomem.cfg"
    printf '\n%s\n' "$options" >>"$work/neomem.cfg" # later words win
    mcopy -o -i "$work/disk.img@@$esp_offset" "$work/neomem.cfg" ::/neomem.cfg
fi

[ "$screen" != none ] || echo "run: serial console on this terminal; Ctrl-C ends it"
status=0
# reserve=off: sizes beyond this machine's memory start, and cost what is touched.
# shellcheck disable=SC2086  # QEMU_ARGS is a list
qemu-system-x86_64 -nodefaults -no-reboot -machine "$machine,memory-backend=ram0" -accel "$accel" -cpu "$cpu" \
    -m "$memory" -object "memory-backend-ram,id=ram0,size=$memory,reserve=off" -smp "$cpus" \
    -drive "if=pflash,format=raw,unit=0,readonly=on,file=$firmware/OVMF_CODE_4M.fd" \
    -drive "if=pflash,format=raw,unit=1,file=$work/vars.fd" \
    -drive "if=none,id=disk0,format=raw,file=$work/disk.img" -device virtio-blk-pci,drive=disk0 \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 -vga std -display "$screen" -serial stdio -monitor none \
    ${QEMU_ARGS:-} || status=$?
case "$status" in
33) status=0 ;;
35) status=1 ;;
37) status=2 ;;
esac
exit "$status"
