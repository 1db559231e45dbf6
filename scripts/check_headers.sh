#!/bin/sh
# Every public header compiles alone, as C17 and (the public API) as C++17.
#
#     check_headers.sh [COMPILER]
set -u
compiler=${1:-gcc}
cd "$(dirname "$0")/.." || exit 1
failed=0
for header in include/config.h include/neomem/*.h efi/*.h; do
    case $header in
    efi/*) extra="-fshort-wchar -DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64" ;;
    *) extra="" ;;
    esac
    # shellcheck disable=SC2086
    if ! printf '#include "%s"\n' "$header" | "$compiler" -std=c17 -ffreestanding -Iinclude -I. -Wall -Wextra \
        -Werror $extra -fsyntax-only -x c -; then
        echo "$header does not compile alone"
        failed=1
    fi
done
for header in memory types compiler limine; do
    if ! printf '#include <neomem/%s.h>\n' "$header" | g++ -std=c++17 -ffreestanding -Iinclude -Wall -Wextra -Werror \
        -fsyntax-only -x c++ -; then
        echo "include/neomem/$header.h does not compile as C++"
        failed=1
    fi
done
exit $failed
