#!/usr/bin/env bash
# Runs every libFuzzer target of tests/fuzz, as many at a time as there are cores, and fails on any crash, hang or leak.
#
#   tools/fuzz.sh [TARGET...]          all targets without arguments
#   PROPANE_FUZZ_SECONDS=60            the time that all targets share; 600 without it
#
# A target's seeds are the files that tests/fuzz/seeds.txt names for it. What it finds on the way is kept in
# build/fuzz/corpus/TARGET, and an input that breaks it as build/fuzz/crashes/TARGET-*.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${PROPANE_FUZZ_SECONDS:-600}
build=build/fuzz

mkdir -p build
cmake --preset fuzz >build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }
cmake --build --preset fuzz

targets=("$@")
if [[ ${#targets[@]} == 0 ]]; then mapfile -t targets < <(basename -a tests/fuzz/*_fuzz.cpp | sed 's/\.cpp$//'); fi
each=$((seconds / ${#targets[@]}))
mkdir -p $build/crashes
echo "fuzz: ${#targets[@]} targets, $each s each"

# The lines of seeds.txt are `target: pattern...`; each named file is linked under a name of its own.
seed() {
  local target=$1 pattern file
  rm -rf "$build/seeds/$target"
  mkdir -p "$build/seeds/$target" "$build/corpus/$target"
  for pattern in $(sed -n "s/^$target: *//p" tests/fuzz/seeds.txt); do
    for file in $pattern; do
      [[ -e $file ]] || { echo "tests/fuzz/seeds.txt: expected files at $file, found none" >&2; return 1; }
      ln -s "$PWD/$file" "$build/seeds/$target/${file//\//_}"
    done
  done
}

fuzz() {
  local target=$1 log=$build/$1.log
  seed "$target"
  if "$build/$target" -max_total_time="$each" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$target-" "$build/corpus/$target" "$build/seeds/$target" >"$log" 2>&1; then
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no crash"
  else
    echo "fuzz: $target FAILED; the end of $log:"
    tail -40 "$log"
    return 1
  fi
}

# One worker a core takes every n-th target.
workers=$(nproc)
pids=()
for ((worker = 0; worker < workers; ++worker)); do
  (
    failed=0
    for ((i = worker; i < ${#targets[@]}; i += workers)); do fuzz "${targets[i]}" || failed=1; done
    exit $failed
  ) &
  pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit $failed
