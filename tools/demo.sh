#!/usr/bin/env bash
# Trains the demo's model on the bundled novels, lets it write, and sets its bits a byte beside what compressors need.
#
#   tools/demo.sh [TRAIN-FLAG...]     flags are passed on to `propane train`, for example --minutes 1
set -euo pipefail
cd "$(dirname "$0")/.."

propane=build/propane
corpus=data/austen
data=runs/demo-data

# A run is never overwritten: the second demo goes to runs/demo-2.
run=runs/demo
for ((number = 2; ; ++number)); do
  [[ -e $run ]] || break
  run=runs/demo-$number
done
mkdir -p runs

step() { printf '\n== %s\n' "$*" >&2; }
call() { echo "\$ $*" >&2; "$@"; }

if [[ ! -e $data ]]; then
  step "Prepare: tokenize six novels, whole chapters held out"
  call $propane data prepare $corpus --out $data
fi

step "Train"
call $propane train --preset demo --data $data --out $run "$@"

step "Measure what compressors need for the held-out chapters, given the others"
compressors=$(call tools/compressors.sh $corpus)

step "Evaluate on the held-out chapters"
evaluation=$(call $propane eval --model $run --data $data --json)

step "Sample"
call $propane generate --model $run --prompt "It was a truth which " --max-tokens 120 --temperature 0.8 --seed 1
echo

# eval's JSON is one object on one line or more; its val_bpb is the figure to set beside the compressors'.
val_bpb=$(tr -d '\n' <<<"$evaluation" | sed -E 's/.*"val_bpb" *: *([0-9.eE+-]+).*/\1/')
step "Summary: bits a byte on held-out text, fewer is better"
printf -- '---\nval_bpb: %s\n%s\n' "$val_bpb" "$compressors"
printf '\nThe report with its curves: %s/report.html\n' "$run"
