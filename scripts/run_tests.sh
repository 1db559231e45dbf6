#!/bin/sh
# Everything that `make test` proves, one stage after the other; a failed stage does not hide the later ones.
#
#     run_tests.sh BUILD_FOLDER JOBS
#
# The last line counts stages: `N passed, N failed`.
set -u
build=$1
jobs=$2
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0

stage() {
    title=$1
    shift
    echo "== $title"
    start=$(date +%s)
    if "$@"; then
        passed=$((passed + 1))
        echo "== $title: pass ($(($(date +%s) - start)) s)"
    else
        failed=$((failed + 1))
        echo "== $title: FAIL ($(($(date +%s) - start)) s)"
    fi
}

stage "build with gcc" make -s -j"$jobs" BUILD="$build" all image iso host
stage "build with clang" make -s -j"$jobs" BUILD="$build/clang" CC=clang-14 all
stage "unit tests" make -s -j"$jobs" BUILD="$build" test-unit
stage "model tests" make -s -j"$jobs" BUILD="$build" test-model
stage "every interleaving" make -s -j"$jobs" BUILD="$build" test-ilv
stage "threads, ThreadSanitizer" make -s -j"$jobs" BUILD="$build" test-tsan
stage "seeded bugs, three of them" make -s -j"$jobs" BUILD="$build" test-mutants
stage "instruction counts" make -s BUILD="$build" bench-frames-count
stage "fuzzing, short" make -s -j"$jobs" BUILD="$build" test-fuzz
stage "scripts" scripts/test_scripts.py
stage "static checks" make -s -j"$jobs" BUILD="$build" check
stage "reproducible build" scripts/check_reproducible.sh "$build/reproducible"
stage "boots, clang build" /usr/bin/python3 scripts/test_images.py --build "$build/clang" --jobs "$jobs" --filter '^(101|104|505)-'
stage "boots" make -s BUILD="$build" JOBS="$jobs" test-boot

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
