#!/bin/sh
# Write neomem.img to a USB stick or memory card, and read it back.
#
#     write_stick.sh /dev/sdX [NEOMEM.img]
#
# Everything on the stick is lost. Refuses whatever is not a whole, removable, unmounted disk (a fixed disk,
# a partition, a plain file, a disk in use), asks for the name once more, and compares after writing.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
image=${2:-$here/../build/neomem.img}

refuse()
{
    echo "write_stick: $1; nothing was written" >&2
    exit 1
}

device=$(readlink -f -- "$1" || true)
[ -b "$device" ] || refuse "$1 is not a block device"
[ -r "$image" ] || refuse "$image is missing (make image)"
command -v lsblk >/dev/null 2>&1 || refuse "lsblk (package util-linux) is missing, so the disk cannot be checked"

kind=$(lsblk -dno TYPE -- "$device" | tr -d ' ')
[ "$kind" = disk ] || refuse "$device is a ${kind:-thing unknown to lsblk}, not a whole disk"
removable=$(lsblk -dno RM -- "$device" | tr -d ' ')
transport=$(lsblk -dno TRAN -- "$device" | tr -d ' ')
# Some sticks report "not removable" but hang on USB; a fixed SATA or NVMe disk is neither.
[ "$removable" = 1 ] || [ "$transport" = usb ] || refuse "$device is not removable"
[ "$(lsblk -dno RO -- "$device" | tr -d ' ')" = 0 ] || refuse "$device is write-protected"
mounted=$(lsblk -no MOUNTPOINTS -- "$device" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')
[ -z "$mounted" ] || refuse "$device is in use (${mounted}); unmount it first"
holders=$(lsblk -no TYPE -- "$device" | grep -cv -e '^disk' -e '^part' || true)
[ "$holders" = 0 ] || refuse "$device is part of a RAID, LVM or encrypted volume"

image_bytes=$(stat -Lc %s -- "$image")
device_bytes=$(lsblk -bdno SIZE -- "$device" | tr -d ' ')
[ "$device_bytes" -ge "$image_bytes" ] || refuse "$device has $device_bytes bytes, the image needs $image_bytes"
[ -w "$device" ] || refuse "no permission to write $device (run as root)"

echo "This will destroy everything on:"
lsblk -o NAME,SIZE,VENDOR,MODEL,FSTYPE,LABEL -- "$device"
printf 'Type %s to go on: ' "$device"
read -r answer || answer=
[ "$answer" = "$device" ] || refuse "not confirmed"

dd if="$image" of="$device" bs=4M conv=fsync,notrunc status=none
# Drop what the page cache holds, so that the comparison reads the stick itself.
blockdev --flushbufs "$device" 2>/dev/null || true
if ! cmp -n "$image_bytes" -- "$image" "$device"; then
    echo "write_stick: $device does not hold what was written; the stick is bad" >&2
    exit 1
fi
echo "write_stick: $image_bytes bytes written to $device and verified"
