#!/usr/bin/env bash
# Makes the virtual environment .venv-NAME from a requirements file, unless it was made from the same file already.
#
#   tools/venv.sh NAME REQUIREMENTS
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1 requirements=$2
folder=.venv-$name
made_from=$folder/made-from.txt  # a copy of the requirements, written last

if cmp -s "$requirements" "$made_from"; then
  echo "python: $folder has all of $requirements"
else
  echo "python: pip install -r $requirements into $folder"
  python3 -m venv --clear "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$made_from"
fi
