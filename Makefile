# The project's commands. Each installs what it needs, says what it does, and works a second time without network.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
PRESET := release
JOBS := $(shell getconf _NPROCESSORS_ONLN)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-peers test-more bench format tidy coverage clean packages configure

help:
	@echo 'make demo        build, train on the bundled novels for a few minutes, sample, write a report'
	@echo 'make build       install what is needed and build; the program is build/propane'
	@echo 'make test        build and run every test that this machine can run'
	@echo 'make test-peers  compare with PyTorch, transformers, tokenizers and the like, live'
	@echo 'make test-more   sanitizers, fuzzers for a bounded time, the aarch64 build under qemu'
	@echo 'make bench       the speed table of bench/README.md, against peers in the same run'
	@echo 'make format      clang-format on every source file'
	@echo 'make tidy        clang-tidy on every source file'
	@echo 'make coverage    the lines that the tests reach, as build/coverage/index.html'
	@echo 'make clean       remove build/ (virtual environments and runs/ stay)'

packages:
	@tools/install.sh build
	@tools/install-arrow.sh

# Quiet unless it fails.
configure: packages
	@mkdir -p build
	@echo 'configure: cmake --preset $(PRESET)'
	@cmake --preset $(PRESET) >build/$(PRESET).log 2>&1 || { cat build/$(PRESET).log; exit 1; }

build: configure
	@cmake --build --preset $(PRESET) --target propane
	@ln -sfn $(PRESET)/propane build/propane
	@echo 'built: build/propane'

demo: build
	@tools/install.sh demo
	@tools/demo.sh

test: configure
	@cmake --build --preset $(PRESET)
	@ln -sfn $(PRESET)/propane build/propane
	@ctest --preset $(PRESET) -j $(JOBS)

test-peers: build
	@cmake --build --preset $(PRESET) --target gguf_peer
	@tools/venv.sh peers tests/peers/requirements.txt
	@.venv-peers/bin/python -m pytest -q tests/peers

test-more: packages
	@tools/install.sh more
	@tools/test-more.sh

bench: build
	@cmake --build --preset $(PRESET)
	@tools/venv.sh peers tests/peers/requirements.txt
	@bench/run.sh

format:
	@tools/install.sh format
	@git ls-files -co --exclude-standard '*.h' '*.cpp' | xargs clang-format -i

tidy: configure
	@tools/install.sh tidy
	@git ls-files -co --exclude-standard '*.cpp' | grep -v '\.simd\.cpp$$' | \
	  xargs -P $(JOBS) -n 4 clang-tidy --quiet -p build/$(PRESET)

coverage: packages
	@tools/install.sh coverage
	@cmake --preset coverage >build/coverage.log 2>&1 || { cat build/coverage.log; exit 1; }
	@cmake --build --preset coverage
	@ctest --preset coverage -j $(JOBS)
	@gcovr --root . --exclude '.*_test\.cpp' --html-details build/coverage/index.html --print-summary build/coverage

clean:
	rm -rf build
