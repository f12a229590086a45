#!/usr/bin/env bash
# A run of all fuzz targets before a release, and what came of it as a table: `fuzz/run.sh [EXECUTIONS] [SECONDS]`.
#
# Each target is first explored by libFuzzer for SECONDS (60), from the corpus that is kept and from what earlier runs have found
# (fuzz/corpus). All inputs known by then are then changed at random, without instrumentation and so ten times as fast, until EXECUTIONS
# (100,000,000) have been made in all: half of them are commands, a fifth goes to the engine. TARGETS names some targets alone.
#
# It needs a nightly Rust (rustup toolchain install nightly) and cargo-fuzz (cargo install cargo-fuzz). A crash is printed, as an input for
# `crates/memlink-fuzz/corpus`, and the run fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_PROGRESS_WHEN=never

executions=${1:-100000000} seconds=${2:-60}
# Of a hundred executions. What is slow gets less.
share() {
    case $1 in
        commands) echo 50 ;; engine) echo 20 ;; verdicts) echo 8 ;; replies | urls | discovery) echo 5 ;; resp) echo 3 ;; session) echo 4 ;;
        *) return 1 ;;
    esac
}
targets=${TARGETS:-commands engine verdicts replies urls discovery resp session}

die() {
    echo "fuzz/run.sh: $*" >&2
    exit 1
}
command -v cargo-fuzz >/dev/null || die "cargo-fuzz is missing: cargo install cargo-fuzz"
cargo +nightly --version >/dev/null 2>&1 || die "a nightly is missing: rustup toolchain install nightly"

# Overflows are found, too.
bulk() { CARGO_TARGET_DIR=fuzz/target/bulk cargo "$1" -q --locked --release --config profile.release.overflow-checks=true \
    --config profile.release.debug-assertions=true -p memlink-fuzz --example "$2" "${@:3}"; }
cargo +nightly fuzz build -s none
bulk build bulk
bulk build corpus

logs=fuzz/target/logs failed=0
mkdir -p "$logs"
printf '%-10s %12s %10s %12s %10s %8s  %s\n' target explored a/second changed a/second crashes "most expensive inputs"
for target in $targets; do
    kept=$(share "$target") || die "there is no target $target"
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    bulk run corpus -- unpack "$target" "fuzz/corpus/$target"
    crashes=0
    cargo +nightly fuzz run -s none "$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=10 -max_len=2048 \
        -print_final_stats=1 -verbosity=0 >"$logs/$target.explore" 2>&1 || crashes=1
    explored=$(awk '/number_of_executed_units/ { n = $2 } END { print n + 0 }' "$logs/$target.explore")
    rate=$(awk '/average_exec_per_sec/ { n = $2 } END { print n + 0 }' "$logs/$target.explore")
    count=$((executions * kept / 100))
    bulk run bulk -- "$target" "$count" "$(date +%s)" "fuzz/corpus/$target" >"$logs/$target.bulk" 2>&1 || crashes=$((crashes + 1))
    line=$(tail -1 "$logs/$target.bulk")
    [[ $crashes == 0 ]] || { failed=1 line="see $logs/$target.*" count=-; }
    bulk_rate=$(sed -nE 's/.*executions, ([0-9]+) a second.*/\1/p' <<<"$line")
    printf '%-10s %12s %10s %12s %10s %8s  %s\n' "$target" "$explored" "$rate" "$count" "${bulk_rate:--}" "$crashes" "${line#* a second, }"
done
exit "$failed"
