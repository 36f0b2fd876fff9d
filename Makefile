# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What people type.  The build itself is Meson's; everything made goes into
# $(BUILD).  "make help" lists the targets.

BUILD ?= build
MESON_SETUP ?=
FUZZ_SECONDS ?= 600
export BUILD FUZZ_SECONDS

.PHONY: all run test bench check fuzz sanitize conformance install clean help
.NOTPARALLEL:

all: ## build everything
	@scripts/deps.sh build
	@scripts/build.sh

run: ## build, and see programs and a device take page faults
	@scripts/deps.sh run
	@scripts/build.sh --quiet
	@echo '$$ uiommu run --device ats-testdev -- iopf'
	@$(BUILD)/cli/uiommu run --device ats-testdev -- $(BUILD)/examples/iopf
	@echo
	@$(BUILD)/tests/explore/explore --story
	@echo
	@echo '$$ uiommu run --device dsa,driver=idxd -- sva-copy'
	@$(BUILD)/cli/uiommu run --device dsa,driver=idxd -- $(BUILD)/examples/sva-copy

test: ## build, and run every test of this build
	@scripts/deps.sh test
	@scripts/build.sh
	@meson test -C $(BUILD) --print-errorlogs --no-rebuild

bench: ## measure; writes $(BUILD)/bench.json and prints a table
	@scripts/deps.sh bench
	@scripts/build.sh
	@bench/run.py --build $(BUILD)

check: ## compilers, sanitizers, analysers, format, headers, docs
	@scripts/deps.sh check
	@scripts/build.sh
	@scripts/check.sh

fuzz: ## run the fuzzers for FUZZ_SECONDS (600); inputs that fail are in $(BUILD)/fuzz/found
	@scripts/deps.sh fuzz
	@scripts/fuzz.sh

sanitize: ## the sanitizer builds of "make check" alone
	@scripts/deps.sh check
	@scripts/check.sh asan tsan

conformance: ## compare with a real kernel's headers, run other people's programs
	@scripts/deps.sh conformance
	@scripts/build.sh
	@tests/conformance/run

install: ## install with Meson (DESTDIR is honoured)
	@scripts/deps.sh build
	@scripts/build.sh
	@meson install -C $(BUILD) --no-rebuild

clean: ## remove $(BUILD)
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20
