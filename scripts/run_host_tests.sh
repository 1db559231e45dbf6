#!/bin/sh
# Run host test programs one after the other and close with a count.
#
#     run_host_tests.sh unit|model|fuzz PROGRAM…
#
# unit: cmocka programs. model: programs that take the number of random operations (MODEL_OPERATIONS). fuzz: libFuzzer
# targets over tests/fuzz/corpus/<name>, then FUZZ_RUNS runs or FUZZ_SECONDS seconds of new inputs; what is
# found is left in the build folder beside the target.
set -u
kind=$1
shift
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() {
    case $kind in
    unit) "$1" ;;
    model) "$1" "${MODEL_OPERATIONS:-300000}" ;;
    fuzz)
        name=$(basename "$1")
        corpus=tests/fuzz/corpus/${name#fuzz_}
        new=$(dirname "$1")/new-$name
        mkdir -p "$new"
        if [ -n "${FUZZ_SECONDS:-}" ]; then
            limit="-max_total_time=$FUZZ_SECONDS"
        else
            limit="-runs=${FUZZ_RUNS:-20000}"
        fi
        "$1" "$limit" -max_len=65536 -timeout=20 -rss_limit_mb=3000 -artifact_prefix="$1-" -print_final_stats=1 \
            "$new" "$corpus"
        ;;
    esac
}

for program in "$@"; do
    name=$(basename "$program")
    start=$(date +%s)
    if run "$program" >"$log" 2>&1; then
        passed=$((passed + 1))
        detail=""
        [ "$kind" = fuzz ] && detail=$(sed -n 's/^stat::number_of_executed_units: */, executions: /p' "$log")
        printf '  pass  %-28s %3ss%s\n' "$name" $(($(date +%s) - start)) "$detail"
    else
        failed=$((failed + 1))
        printf '  FAIL  %s\n' "$name"
        tail -n 60 "$log"
    fi
done
echo "$kind tests: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
