#!/bin/sh
# Make the FAT file system that carries neomem, the same bytes for the same input.
#
#     make_esp.sh NEOMEM.efi NEOMEM.cfg OUT.fat [MIB]
#
# 40 MiB by default: FAT32 needs at least 65,525 clusters (33 MiB), and some boards' firmware boots only FAT32.
# Smaller sizes become FAT12 or FAT16. NEOMEM.cfg may be '' to leave the file out. Serial number and times are fixed.
set -eu

[ $# -ge 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
efi=$1 cfg=$2 out=$3 mib=${4:-40}

export TZ=UTC LC_ALL=C MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1735689600}"

rm -f "$out"
truncate -s "${mib}M" "$out"
# -H: the BPB's count of hidden sectors, that is where gpt_image.py puts the partition.
if [ "$mib" -ge 34 ]; then
    mformat -i "$out" -F -c 1 -T $((mib * 2048)) -h 16 -s 63 -H 2048 -N 4e454f4d -v NEOMEM ::
else
    mformat -i "$out" -T $((mib * 2048)) -h 16 -s 63 -H 2048 -N 4e454f4d -v NEOMEM ::
fi
mmd -i "$out" ::/EFI ::/EFI/BOOT
mcopy -i "$out" "$efi" ::/EFI/BOOT/BOOTX64.EFI
[ -z "$cfg" ] || mcopy -i "$out" "$cfg" ::/neomem.cfg
