#!/bin/sh
# Puts Apache Arrow's C++ headers and libraries, as the pyarrow wheel carries them, into .venv-build, where CMake looks.
# Does nothing, and needs no network, if the pinned version is there already.
set -eu

version=26.0.1
cd "$(dirname "$0")/.."
venv=.venv-build

if [ "$(cat "$venv/pyarrow-version" 2>/dev/null || true)" = "$version" ]; then
  echo "install-arrow: pyarrow $version is in $venv"
  exit 0
fi
echo "install-arrow: installing pyarrow $version into $venv"
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps "pyarrow==$version"
# Written last: an interrupted install is begun again.
echo "$version" > "$venv/pyarrow-version"
echo "install-arrow: done"
