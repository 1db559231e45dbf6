#!/bin/sh
# Build the same source in two folders of different names and lengths and compare every product byte for byte.
#
#     check_reproducible.sh SCRATCH_FOLDER
set -eu
cd "$(dirname "$0")/.."
scratch=$1
rm -rf "$scratch"
other=another-folder-with-a-longer-name
mkdir -p "$scratch/a"
cp -R Makefile include efi kernel scripts test-images "$scratch/a/"
cp -R "$scratch/a" "$scratch/$other"
for copy in a $other; do
    # Another build folder inside, another time zone and locale outside: nothing of them may show.
    (cd "$scratch/$copy" && TZ=Pacific/Kiritimati LC_ALL=C make -s -j2 "BUILD=out-$copy" image iso host >/dev/null)
done
status=0
for product in neomem.efi kernel.elf neomem.img neomem.iso host/libneomem.a; do
    if ! cmp "$scratch/a/out-a/$product" "$scratch/$other/out-$other/$product"; then
        status=1
    fi
done
[ $status -eq 0 ] && rm -rf "$scratch"
exit $status
