#!/usr/bin/env bash
# The speed table of bench/README.md: kernels beside OpenBLAS, then training and decoding beside PyTorch and MLX.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv-peers/bin/python bench/compare.py --propane build/propane "$@"
