#!/usr/bin/env bash
# The slow checks: AddressSanitizer and UndefinedBehaviorSanitizer on every unit test, ThreadSanitizer on the threaded
# ones, the fuzzers for a bounded time, and the core cross-compiled for aarch64 and tested under qemu.
#
#   tools/test-more.sh [asan] [tsan] [fuzz] [aarch64]      all four without arguments
#   PROPANE_FUZZ_SECONDS=60 tools/test-more.sh fuzz        see tools/fuzz.sh
set -euo pipefail
cd "$(dirname "$0")/.."

steps=("$@")
if [[ ${#steps[@]} == 0 ]]; then steps=(asan tsan fuzz aarch64); fi

# The sanitizers of older compilers cannot place their shadow memory where a system randomizes addresses widely
# (vm.mmap_rnd_bits of 32); without randomization they always can.
steady=()
if setarch "$(uname -m)" -R true 2>/dev/null; then steady=(setarch "$(uname -m)" -R); fi

# The folders whose code runs on several threads.
threaded=(base tokenizer cpu infer train)

build_and_test() {  # PRESET [FOLDER...]    all folders without any
  local preset=$1
  shift
  # A folder's tests are the program FOLDER_tests, labelled FOLDER. Tests of the whole program are too slow here.
  local targets=(all) tests=(--label-exclude program)
  if [[ $# != 0 ]]; then
    targets=("${@/%/_tests}")
    tests=(--label-regex "^($(IFS='|'; echo "$*"))\$")
  fi
  cmake --preset "$preset" >"build/$preset.log" || { cat "build/$preset.log"; exit 1; }
  "${steady[@]}" cmake --build --preset "$preset" --target "${targets[@]}"
  "${steady[@]}" ctest --preset "$preset" -j "$(nproc)" --progress "${tests[@]}"
}

mkdir -p build
for step in "${steps[@]}"; do
  echo "== test-more: $step"
  SECONDS=0
  case $step in
    asan) build_and_test asan ;;
    tsan) build_and_test tsan "${threaded[@]}" ;;
    fuzz) tools/fuzz.sh ;;
    aarch64) build_and_test aarch64 ;;
    *) echo "tools/test-more.sh: unknown step '$step'; expected asan, tsan, fuzz or aarch64" >&2; exit 2 ;;
  esac
  echo "== test-more: $step passed in $((SECONDS / 60)) min $((SECONDS % 60)) s"
done
