#!/bin/sh
# Make the disk image for a stick or a disk: GPT with one FAT32 EFI system partition.
#
#     make_image.sh [NEOMEM.efi [OUT.img [NEOMEM.cfg]]]
#
# Defaults: build/neomem.efi, neomem.img beside it, scripts/neomem.cfg ('': none). Same input, same bytes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
efi=${1:-$here/../build/neomem.efi}
out=${2:-$(dirname "$efi")/neomem.img}
cfg=${3-$here/neomem.cfg}

"$here/setup.sh" image
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
"$here/make_esp.sh" "$efi" "$cfg" "$work/esp.fat"
python3 "$here/gpt_image.py" "$work/esp.fat" "$work/disk.img"
cp --sparse=always "$work/disk.img" "$out"
