#!/usr/bin/env bash
# What general compressors need for a corpus' held-out chapters once they know the others: the size of both together,
# compressed, less that of the training text alone, in bits a held-out byte. Prints a JSON object of xz_bpb (`xz -9e`)
# and ppmd_bpb (7-Zip's PPMd of order 8).
#
#   tools/compressors.sh FOLDER     .txt files, chapters separated by form feeds, and held_out.list (file#number)
set -euo pipefail

corpus=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# held_out.list's order of chapters is that of the files, so one pass over them gives both texts.
LC_ALL=C awk -v train="$work/train" -v held="$work/held" '
  NR == FNR { if ($0 !~ /^#/) held_out[$0] = 1; next }
  FNR == 1 { name = FILENAME; sub(/.*\//, "", name) }
  { printf "%s", $0 > ((name "#" FNR) in held_out ? held : train) }
' "$corpus/held_out.list" RS='\f' "$corpus"/*.txt
cat "$work/train" "$work/held" >"$work/both"

xz_size() { xz -9e --stdout --threads=1 "$1" | wc -c; }
ppmd_size() {
  rm -f "$work/a.7z"
  7z a -bso0 -bsp0 -mx=9 -m0=PPMd:o=8:mem=256m "$work/a.7z" "$1" >/dev/null
  wc -c <"$work/a.7z"
}
held_bytes=$(wc -c <"$work/held")
bits_per_byte() { awk -v both="$1" -v alone="$2" -v bytes="$held_bytes" 'BEGIN { printf "%.4f", 8 * (both - alone) / bytes }'; }

xz_bpb=$(bits_per_byte "$(xz_size "$work/both")" "$(xz_size "$work/train")")
ppmd_bpb=$(bits_per_byte "$(ppmd_size "$work/both")" "$(ppmd_size "$work/train")")
echo "{\"xz_bpb\": $xz_bpb, \"ppmd_bpb\": $ppmd_bpb}"
