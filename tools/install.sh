#!/usr/bin/env bash
# Installs the system packages that a job needs, and only those that are missing: a second run needs no network.
#
#   tools/install.sh JOB...      JOB: build, demo, more (sanitizers, fuzzers, aarch64), format, tidy, coverage
#
# Debian and Ubuntu through apt-get, as root or through sudo; macOS through Homebrew.
set -euo pipefail

debian_packages() {
  case $1 in
    build) echo g++ cmake ninja-build ccache pkg-config python3 python3-venv \
      libfmt-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libpcre2-dev libzstd-dev zlib1g-dev libedit-dev \
      libgtest-dev libgmock-dev libbenchmark-dev ;;
    demo) echo xz-utils p7zip-full ;;
    more) echo "$(debian_clang)" googletest g++-aarch64-linux-gnu qemu-user ;;
    format) echo clang-format ;;
    tidy) echo clang-tidy ;;
    coverage) echo gcovr ;;
    *) echo "tools/install.sh: unknown job '$1'; expected build, demo, more, format, tidy or coverage" >&2; exit 2 ;;
  esac
}

# The oldest clang from version 16 up that is installed or, failing that, that the distribution offers; with the
# sanitizers' and the fuzzer's runtime and the symbolizer of their reports.
debian_clang() {
  local version
  for version in 16 17 18 19 20 21 22 23; do
    if installed "clang-$version"; then break; fi
  done
  if ! installed "clang-$version"; then
    refresh_lists
    for version in 16 17 18 19 20 21 22 23; do
      if [[ -n $(apt-cache madison "clang-$version" 2>/dev/null) ]]; then break; fi
    done
  fi
  echo "clang-$version" "libclang-rt-$version-dev" "llvm-$version"
}

brew_packages() {
  case $1 in
    build) echo cmake ninja ccache pkg-config fmt nlohmann-json cli11 tomlplusplus pcre2 zstd googletest google-benchmark ;;
    demo) echo xz p7zip ;;
    format | tidy) echo llvm ;;
    *) echo "tools/install.sh: the job '$1' is for Linux only" >&2; exit 2 ;;
  esac
}

installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else
    echo "tools/install.sh: neither root nor sudo here; ask an administrator to run: $*" >&2
    exit 1
  fi
}

# A source that cannot be reached is no reason to stop: the package itself may come from another.
lists_refreshed=
refresh_lists() {
  if [[ -n $lists_refreshed ]]; then return; fi
  as_root apt-get update -qq >&2 || echo "tools/install.sh: some package lists could not be refreshed; going on" >&2
  lists_refreshed=1
}

if [[ $(uname) == Darwin ]]; then
  command -v brew >/dev/null || { echo "tools/install.sh: expected Homebrew (https://brew.sh), found none" >&2; exit 1; }
  missing=()
  for job in "$@"; do
    for package in $(brew_packages "$job"); do
      brew list --versions "$package" >/dev/null || missing+=("$package")
    done
  done
  if [[ ${#missing[@]} == 0 ]]; then
    echo "install: everything for '$*' is there"
  else
    echo "install: brew install ${missing[*]}"
    brew install --quiet "${missing[@]}"
  fi
elif command -v apt-get >/dev/null; then
  missing=()
  for job in "$@"; do
    packages=$(debian_packages "$job")
    for package in $packages; do
      installed "$package" || missing+=("$package")
    done
  done
  if [[ ${#missing[@]} == 0 ]]; then
    echo "install: everything for '$*' is there"
  else
    echo "install: apt-get install ${missing[*]}"
    refresh_lists
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
  fi
else
  echo "tools/install.sh: expected apt-get or Homebrew, found neither; install what docs/dependencies.md lists" >&2
  exit 1
fi
