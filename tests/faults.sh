#!/usr/bin/env bash
# The program under bad luck and bad input: killed at random moments, resumed, given damaged files and impossible
# settings. Every failure must be one clear sentence with exit code 1 or 2, and nothing may be lost or overwritten.
#
#   tests/faults.sh PROPANE        the program; needs only bash and coreutils
set -uo pipefail
propane=$(realpath "$1")
cd "$(dirname "$0")/.."
corpus=$PWD/data/austen
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { local what=$1; shift; if "$@"; then ok; else bad "$what"; fi; }

# refuses WHAT CODE TEXT COMMAND...: the command exits with CODE and says TEXT in one line.
refuses() {
  local what=$1 code=$2 text=$3 message status; shift 3
  message=$("$@" 2>&1 >/dev/null); status=$?
  if [[ $status != "$code" ]]; then bad "$what: exit code $status instead of $code: $message"; return; fi
  if [[ $(wc -l <<<"$message") != 1 ]]; then bad "$what: more than one line: $message"; return; fi
  if ! grep -qF -- "$text" <<<"$message"; then bad "$what: '$text' is not in: $message"; return; fi
  ok
}

cat >"$work/tiny.toml" <<'TOML'
[model]
family = "gpt"
depth = 2
dim = 32
head_dim = 16
vocab = 512
seq = 32
window_pattern = "SL"
[train]
steps = 600
rows = 4
checkpoint_every = 3
[eval]
tokens = 2000
[sample]
prompt = "The"
tokens = 5
TOML

"$propane" data prepare "$corpus" --out "$work/data" --vocab-size 512 2>/dev/null || bad "data prepare"
train() { "$propane" train --config "$work/tiny.toml" --data "$work/data" "$@" >"$work/out" 2>"$work/err"; }
losses() { sed -E 's/.*"step":([0-9]+),"loss":([^,}]*).*/\1 \2/' "$1/metrics.jsonl"; }

# --- resumed runs repeat the uninterrupted one bit for bit ---
train --out "$work/whole" || bad "an uninterrupted run: $(cat "$work/err")"
check "every step is on record" test "$(wc -l <"$work/whole/metrics.jsonl")" = 600
check "the summary block is on stdout" grep -q '^val_bpb: ' "$work/out"
cp "$work/out" "$work/summary"
check "the report is there" test -s "$work/whole/report.html"
train --out "$work/again"
check "the same seed gives the same losses" cmp -s <(losses "$work/whole") <(losses "$work/again")

# Twenty kills at random moments; each time the run goes on from a whole checkpoint.
kills=0
for ((i = 0; i < 400 && kills < 20; i++)); do
  resume=(); [[ -e $work/killed/config.toml ]] && resume=(--resume)
  if [[ ${#resume[@]} -gt 0 && -z $(ls -d "$work"/killed/checkpoints/step-* 2>/dev/null) ]]; then rm -rf "$work/killed"; resume=(); fi
  if [[ ${#resume[@]} -gt 0 ]]; then "$propane" train --resume --out "$work/killed" >"$work/out" 2>"$work/err" &
  else "$propane" train --config "$work/tiny.toml" --data "$work/data" --out "$work/killed" >"$work/out" 2>"$work/err" & fi
  pid=$!
  sleep "0.$(printf '%03d' $((RANDOM % 400 + 40)))"
  if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
  wait $pid 2>/dev/null
  status=$?
  if [[ $status != 137 && $status != 0 ]]; then bad "kill $kills: the run ended with $status: $(tail -1 "$work/err")"; break; fi
  if [[ $status == 0 ]]; then  # it reached the end: begin anew
    cmp -s <(losses "$work/whole") <(losses "$work/killed") && ok || bad "a killed and resumed run has other losses"
    rm -rf "$work/killed"
  fi
done
check "twenty runs were killed" test $kills = 20
if [[ -e $work/killed/config.toml && -n $(ls -d "$work"/killed/checkpoints/step-* 2>/dev/null) ]]; then
  "$propane" train --resume --out "$work/killed" >"$work/out" 2>"$work/err" || bad "the last resume: $(tail -1 "$work/err")"
  check "a run killed twenty times ends with the losses of the whole one" cmp -s <(losses "$work/whole") <(losses "$work/killed")
fi

# Ctrl-C saves and says how to go on.
"$propane" train --config "$work/tiny.toml" --data "$work/data" --out "$work/int" --set train.steps=100000 --set train.checkpoint_every=0 >"$work/out" 2>"$work/err" &
pid=$!; sleep 1; kill -INT $pid; wait $pid
check "Ctrl-C exits with 130" test $? = 130
check "and says how to resume" grep -q -- '--resume --out' "$work/err"
check "and has saved" test -n "$(ls -d "$work"/int/checkpoints/step-* 2>/dev/null)"

# --- what a device did says which: JSON on stdout, and the run's records ---
# says WHAT COMMAND...: the command prints one line, a JSON object with the device in it, on stdout.
says() {
  local what=$1 printed; shift
  printed=$("$@" 2>/dev/null) || { bad "$what: exit code $?"; return; }
  if [[ $printed != \{*\} || $printed == *$'\n'* ]]; then bad "$what: not one object: $printed"; return; fi
  if ! grep -qE '"device":\{"name":"cpu","profile":"","simulated":false\}' <<<"$printed"; then bad "$what: no device in $printed"; return; fi
  ok
}
run=$work/whole
says "eval --json" "$propane" eval --model "$run" --device cpu --tokens 500 --json
says "generate --json" "$propane" generate --model "$run" --prompt The --max-tokens 3 --json
says "generate --dump-logits" "$propane" generate --model "$run" --prompt-ids 1,2 --dump-logits
bench=(--config "$work/tiny.toml" --steps 1 --warmup 0 --json)
says "bench train --json" "$propane" bench train "${bench[@]}"
says "bench prefill --json" "$propane" bench prefill "${bench[@]}" --prompt-tokens 8 --tokens 2
says "bench decode --json" "$propane" bench decode "${bench[@]}" --prompt-tokens 8 --tokens 2
for record in metrics.jsonl samples.jsonl; do
  check "every line of $record names the device" test "$(wc -l <"$run/$record")" = \
    "$(grep -cF '"device":{"name":"cpu","simulated":false,"profile":""}' "$run/$record")"
done
for record in "$run/summary.json" "$run"/checkpoints/step-*/state.json; do
  check "${record#"$run/"} names the device" grep -qF '"device":{"name":"cpu","simulated":false,"profile":""}' <(tr -d ' \n' <"$record")
done
"$propane" devices --json >"$work/devices"
check "each device is said to be simulated or not, with its profile" test \
  "$(grep -oE '"(name|profile|simulated)":' "$work/devices" | sort | uniq -c | tr -d ' \n')" = '5"name":5"profile":5"simulated":'
check "the MFU on a CPU is a number" grep -qE '"mfu":[0-9.e-]+,' "$run/metrics.jsonl"
check "and in percent in the summary block" grep -qE '^mfu_percent: +[0-9.]+$' "$work/summary"
# Where no device is used, none is named.
for command in "tokenizer encode --tokenizer $work/data/tokenizer.json $corpus/held_out.list" "data prepare $corpus --out $work/more --vocab-size 300"; do
  printed=$("$propane" $command --json 2>/dev/null)
  check "${command%% -*} --json prints an object without a device" test "${printed:0:1}${printed: -1} $(grep -c '"device"' <<<"$printed")" = "{} 0"
done

# --- wrong settings: exit code 2 ---
t() { "$propane" train --config "$work/tiny.toml" --data "$work/data" --out "$work/never" "$@"; }
refuses "an unknown key" 2 "did you mean 'n_head'" t --set model.n_haed=2
refuses "heads that do not divide dim" 2 "dim must be a multiple" t --set model.head_dim=12
refuses "heads that do not divide key heads" 2 "n_head must be a multiple of n_kv_head" t --set model.n_kv_head=3
refuses "a window of 0" 2 "short_window must be at least 1, found 0" t --set model.short_window=0
refuses "a negative learning rate" 2 "matrix_lr must be at least 0, found -1" t --set optimizer.matrix_lr=-1
refuses "a word for a number" 2 "seq must be an integer, found the string \"long\"" t --set model.seq=long
refuses "an unknown preset" 2 "did you mean 'demo'" "$propane" train --preset dmo
refuses "no budget" 2 "the budget is missing" t --set train.steps=0
refuses "an unknown device" 2 "--device" t --device gpu
refuses "plain ane" 2 "ane" t --device ane
refuses "a damaged TOML file" 2 "not valid TOML" "$propane" train --config "$corpus/emma.txt" --data "$work/data" --out "$work/never"
refuses "a missing config" 1 "nothing.toml" "$propane" train --config "$work/nothing.toml"
refuses "no subcommand's flag" 2 "" "$propane" train --no-such-flag
check "nothing was written" test ! -e "$work/never"

# --- wrong data: exit code 1 ---
refuses "no data folder" 1 "$work/nowhere" "$propane" train --config "$work/tiny.toml" --data "$work/nowhere" --out "$work/never"
refuses "a vocabulary that does not match" 1 "vocabulary" t --set model.vocab=300
cp -r "$work/data" "$work/cut"; truncate -s -100 "$work/cut/train-00000.bin"
refuses "a truncated shard" 1 "train-00000.bin" "$propane" train --config "$work/tiny.toml" --data "$work/cut" --out "$work/never"
cp -r "$work/data" "$work/flipped"
printf '\xff' | dd of="$work/flipped/train-00000.bin" bs=1 seek=5000 conv=notrunc 2>/dev/null
refuses "a corrupted shard" 1 "train-00000.bin" "$propane" train --config "$work/tiny.toml" --data "$work/flipped" --out "$work/never"
cp -r "$work/data" "$work/tok"; head -c 3000 "$work/data/tokenizer.json" >"$work/tok/tokenizer.json"
refuses "a truncated tokenizer" 1 "tokenizer.json" "$propane" train --config "$work/tiny.toml" --data "$work/tok" --out "$work/never"
: >"$work/empty.txt"
refuses "an empty file" 1 "empty.txt" "$propane" data prepare "$work/empty.txt" --out "$work/never"
printf 'caf\xe9 au lait\n' >"$work/latin.txt"
refuses "text that is not UTF-8" 1 "latin.txt" "$propane" data prepare "$work/latin.txt" --out "$work/never"
check "nothing was written" test ! -e "$work/never"

# --- damaged checkpoints ---
cp -r "$work/whole" "$work/hurt"; last=$(ls -d "$work"/hurt/checkpoints/step-* | sort -V | tail -1)
truncate -s -10 "$last/model.safetensors"
refuses "a truncated checkpoint" 1 "model.safetensors" "$propane" generate --model "$work/hurt" --prompt a
refuses "and it is not resumed" 1 "model.safetensors" "$propane" train --resume --out "$work/hurt" --steps 700
refuses "a run that is there already" 1 "--resume" "$propane" train --config "$work/tiny.toml" --data "$work/data" --out "$work/whole"
check "the run is untouched" cmp -s <(losses "$work/whole") <(losses "$work/again")
refuses "gpt has no Hugging Face equal" 1 "llama and gpt2" "$propane" convert --model "$work/whole" --out "$work/never"

# --- a full disk and a read-only folder ---
if [[ $(id -u) == 0 ]] && mkdir "$work/small" && mount -t tmpfs -o size=600k tmpfs "$work/small" 2>/dev/null; then
  refuses "a full disk" 1 "No space left" sh -c "'$propane' train --config '$work/tiny.toml' --data '$work/data' --out '$work/small/run' 2>&1 >/dev/null | tail -1 >&2; exit 1"
  umount "$work/small"
fi
if [[ $(id -u) != 0 ]]; then
  mkdir "$work/locked"; chmod a-w "$work/locked"
  refuses "a read-only folder" 1 "locked" "$propane" train --config "$work/tiny.toml" --data "$work/data" --out "$work/locked/run"
fi

echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
