#!/bin/sh
# Line and branch coverage of the parts that run on the host, by folder and for the worst files.
#
#     coverage.sh BUILD_FOLDER
set -eu
cd "$(dirname "$0")/.."
build=$1/coverage
rm -rf "$build"
make -s -j2 BUILD="$build" SANITIZE= COVERAGE=--coverage MODEL_OPERATIONS="${MODEL_OPERATIONS:-100000}" \
    test-unit test-model
lcov --quiet --rc lcov_branch_coverage=1 --capture --directory "$build/asan" --output-file "$build/all.info" 2>/dev/null
for folder in efi kernel/lib kernel/mm kernel/drivers kernel/shell; do
    lcov --quiet --rc lcov_branch_coverage=1 --extract "$build/all.info" "$PWD/$folder/*" "$folder/*" \
        --output-file "$build/part.info" 2>/dev/null
    printf '%-16s ' "$folder"
    lcov --rc lcov_branch_coverage=1 --summary "$build/part.info" 2>/dev/null |
        awk '/lines|branches/ {printf "%s %s %s %s %s  ", $1, $2, $3, $4, $5} END {print ""}'
done
