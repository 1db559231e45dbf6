#!/bin/sh
# Make the hybrid ISO image: boots from a CD (El Torito, UEFI) and, written to a stick, as a GPT disk.
#
#     make_iso.sh [NEOMEM.efi [OUT.iso [NEOMEM.cfg]]]
#
# Defaults: build/neomem.efi, neomem.iso beside it, scripts/neomem.cfg ('': none). Same input, same bytes.
# Both ways of booting read the appended FAT partition; the ISO 9660 tree shows the same files to people.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
efi=${1:-$here/../build/neomem.efi}
out=${2:-$(dirname "$efi")/neomem.iso}
cfg=${3-$here/neomem.cfg}

export TZ=UTC LC_ALL=C
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1735689600}"

"$here/setup.sh" image
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
"$here/make_esp.sh" "$efi" "$cfg" "$work/esp.fat"
mkdir -p "$work/tree/EFI/BOOT"
cp "$efi" "$work/tree/EFI/BOOT/BOOTX64.EFI"
[ -z "$cfg" ] || cp "$cfg" "$work/tree/neomem.cfg"
# Rights and owners are recorded by Rock Ridge: fix them, or the caller's umask would show in the image.
chmod -R u=rwX,go=rX "$work/tree"

if ! xorriso -as mkisofs -quiet -V NEOMEM -R -J -uid 0 -gid 0 --set_all_file_dates "=$SOURCE_DATE_EPOCH" -o "$work/out.iso" \
    -append_partition 2 0xef "$work/esp.fat" -appended_part_as_gpt -partition_offset 16 \
    -e --interval:appended_partition_2:all:: -no-emul-boot "$work/tree" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi
cp --sparse=always "$work/out.iso" "$out"
