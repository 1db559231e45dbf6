#!/bin/sh
# Make sure that the Debian packages which a make target needs are installed.
#
#     setup.sh build|image|run|test
#
# As root, what is missing is installed; otherwise one line says what to install and the exit status is 1.
# When everything is there this asks dpkg once (some 20 ms) and prints nothing. Each level includes the ones
# before it. Needs nothing but a POSIX shell and dpkg, so that it works before anything else does.
set -eu

build="make gcc g++ binutils libc6-dev gnu-efi console-setup-linux python3"
image="mtools xorriso"
run="qemu-system-x86 ovmf"
test="libcmocka-dev clang-14 llvm-14 libclang-rt-14-dev clang-tidy-14 clang-format-14 cppcheck shellcheck lcov
      sbsigntool openssl u-boot-qemu valgrind"

case "${1:-}" in
build) wanted="$build" ;;
image) wanted="$build $image" ;;
run) wanted="$build $image $run" ;;
test) wanted="$build $image $run $test" ;;
*)
    echo "usage: setup.sh build|image|run|test" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    # Another distribution: package names differ there, so look for the main tool of each group instead.
    missing=""
    for tool in gcc g++ ld python3; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    case "$1" in
    build) ;;
    image) command -v mformat >/dev/null 2>&1 && command -v xorriso >/dev/null 2>&1 || missing="$missing mtools xorriso" ;;
    *) command -v qemu-system-x86_64 >/dev/null 2>&1 || missing="$missing qemu-system-x86_64" ;;
    esac
    [ -z "$missing" ] && exit 0
    echo "setup: missing:$missing (on Debian 12 the packages are:" "$wanted" ")" >&2
    exit 1
fi

# One call for the whole list; packages that dpkg has never heard of are only on its standard error.
# shellcheck disable=SC2086  # the lists are lists
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true)
missing=""
for package in $wanted; do
    case "
$installed
" in
    *"
installed $package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "setup: missing Debian packages, install them with: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2086
if ! { apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get failed; install by hand:$missing" >&2
    exit 1
fi
