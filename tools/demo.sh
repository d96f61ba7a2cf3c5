#!/usr/bin/env bash
# Trains the demo's model on the bundled novels, sets its bits a byte beside what compressors need, and lets it write.
#
#   tools/demo.sh [TRAIN-FLAG...]     flags are passed on to `propane train`, for example --minutes 1
set -euo pipefail
cd "$(dirname "$0")/.."

propane=build/propane
corpus=data/austen
data=runs/demo-data
compressors=$data/compressors.json

# A run is never overwritten: the second demo goes to runs/demo-2.
run=runs/demo
for ((number = 2; ; ++number)); do
  [[ -e $run ]] || break
  run=runs/demo-$number
done
mkdir -p runs

step() { printf '\n== %s\n' "$*" >&2; }
call() { echo "\$ $*" >&2; "$@"; }

if [[ ! -e $compressors ]]; then  # the last file that preparing writes
  step "Prepare: six novels become tokens, whole chapters are held out"
  call $propane data prepare $corpus --out $data --vocab-size 2048
  step "Measure what compressors need for the held-out chapters, given the others"
  call tools/compressors.sh $corpus >$compressors.part
  mv $compressors.part $compressors
fi

step "Train"
summary=$(call $propane train --preset demo --data $data --out "$run" "$@")

step "Evaluate on the held-out chapters, from the saved checkpoint"
call $propane eval --model "$run" --data $data

step "Sample"
call $propane generate --model "$run" --prompt "It was a truth" --max-tokens 150 --temperature 0.8 --seed 1
echo

step "Summary: val_bpb is in bits a held-out byte, fewer is better"
echo "$summary"
printf '\nThe report with its curves: %s/report.html\n' "$run"
