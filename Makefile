# gilscope: `make help` prints targets and knobs.  Explicit source lists per layer; objects in build/<mode>/.
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:

DEBUG ?= 0
SAN ?=
COV ?= 0
WERROR ?= 0
V ?= 0
PREFIX ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
VERSION := 0.1.0
empty :=
comma := ,

MODE := $(or $(BUILD_MODE),$(if $(filter 1,$(DEBUG)),debug,release)$(if $(SAN),-san)$(if $(filter 1,$(COV)),-cov))
B := build/$(MODE)
Q := $(if $(filter 1,$(V)),,@)
# What only builds is built on all CPUs, also where the caller did not say -j; tests run one by one.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SAY = $(if $(filter 1,$(V)),@:,@echo "  $(1)")

include scripts/sources.mk

PACKAGES := libbpf libdw libelf sqlite3 jansson libprotobuf-c zlib
CPPFLAGS := -I. -I$(B) -D_GNU_SOURCE -DGILSCOPE_VERSION='"$(VERSION)"' $(if $(SAN)$(filter 1,$(DEBUG)),,-D_FORTIFY_SOURCE=2)
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wshadow -Wno-missing-field-initializers
ALL_CFLAGS := -std=gnu11 $(if $(filter 1,$(DEBUG)),-O0 -g,$(CFLAGS)) $(WARNINGS) $(if $(filter 1,$(WERROR)),-Werror) \
	-fstack-protector-strong -fno-common -fPIE $(if $(filter 1,$(COV)),--coverage) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LDFLAGS ?= -Wl,-z,relro,-z,now
ALL_LDFLAGS := -pie $(LDFLAGS) $(if $(filter 1,$(COV)),--coverage) $(if $(SAN),-fsanitize=$(SAN))
LDLIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm
MACHINE := $(shell uname -m)
BPF_CFLAGS := -target bpf -O2 -g -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter \
	-D__TARGET_ARCH_$(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(MACHINE))) -idirafter /usr/include/$(MACHINE)-linux-gnu

.PHONY: all force help
all: $(B)/gilscope $(B)/gilscope.1
force:

include scripts/rules.mk

help:
	@echo 'Targets                                          Knobs (make KNOB=value …)'
	@echo '  demo      install, build, record, report         V=1        show the commands'
	@echo '  test      install what tests need, run all       DEBUG=1    -O0, assertions'
	@echo '  all       build/<mode>/gilscope, man page        SAN=address,undefined'
	@echo '  deps      install packages for building          COV=1      for gcov'
	@echo '  test-deps install packages for the tests         WERROR=1   warnings are errors'
	@echo '  check     everything that needs no privileges    PREFIX=/usr/local  DESTDIR='
	@echo '  check-unit check-golden check-live check-fault   CC= CLANG= BPFTOOL= CFLAGS= LDFLAGS='
	@echo '  check-layers check-headers check-sizes check-banned'
	@echo '  test-matrix each interpreter with each workload  FUZZ_SECONDS=30'
	@echo '  check-kernels  other kernels, in an emulator'
	@echo '  golden-update  rewrite expected outputs'
	@echo '  fuzz bench bench-report check-browser format lint install dist clean compile_commands.json'

# Packages.  Nothing is asked of apt-get when all are there.
BUILD_DEPS := gcc make pkg-config clang llvm bpftool libbpf-dev libdw-dev libelf-dev zlib1g-dev libsqlite3-dev libjansson-dev \
	libprotobuf-c-dev protobuf-c-compiler uthash-dev linux-libc-dev libc6-dev scdoc
TEST_DEPS := libcmocka-dev python3 python3-pytest python3-junitparser python3-yaml python3-greenlet python3-gevent python3-uvloop gunicorn git sqlite3 jq libclang-rt-dev clang-format golang-1.19-go prometheus protobuf-compiler \
	chromium-headless-shell fonts-dejavu-core python3-numpy uwsgi-core uwsgi-plugin-python3 apache2-bin libapache2-mod-wsgi-py3
.PHONY: deps test-deps page-deps
deps:
	@scripts/install-packages building $(BUILD_DEPS)
test-deps: deps page-deps
	@scripts/install-packages testing $(TEST_DEPS)
page-deps: # the page's tests and its bundler; what is built and shown needs neither
	@command -v node >/dev/null && command -v npm >/dev/null || scripts/install-packages 'testing the page' nodejs npm
	@[ -d viewer/html/node_modules ] || (cd viewer/html && npm ci --no-audit --no-fund) || echo 'page: its packages cannot be had: its tests are skipped' >&2

# Tests.
ASAN := SAN=address,undefined
.PHONY: test test-programs test-matrix check check-matrix-table check-preload check-ring check-unit check-golden golden-update check-live check-fault check-kernels check-export check-layers check-headers check-sizes check-banned check-bundle check-format check-page check-browser
.PHONY: fuzz bench bench-report demo
test:
	@$(MAKE) test-deps
	@$(MAKE) $(PARALLEL) all test-programs
	@$(MAKE) check
	@$(MAKE) $(PARALLEL) $(ASAN) test-programs
	@$(MAKE) $(ASAN) check-unit check-golden # with the ring of the preloaded library, as below
	@$(MAKE) BUILD_MODE=tsan SAN=thread check-ring
	@$(MAKE) check-live
	@$(MAKE) check-browser
	@$(MAKE) check-export
check: check-layers check-sizes check-headers check-banned check-matrix-table check-preload check-bundle check-format check-unit check-golden check-page
test-programs: $(UNIT_BINS) $(B)/gilscope $(TOOL_BINS)
check-unit: $(UNIT_BINS)
	@scripts/run-unit $(UNIT_BINS)
check-ring: $(B)/tests/unit/test_signal_ring # between processes, so without locks: under ThreadSanitizer too
	@scripts/run-unit $<
check-golden: $(B)/gilscope $(TOOL_BINS)
	@if [ -x tests/golden/run ]; then B=$(B) tests/golden/run; else echo 'golden: none yet'; fi
golden-update: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) tests/golden/run --update
check-live: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/run-live
test-matrix: $(B)/gilscope $(TOOL_BINS) # each interpreter here with each workload; part of check-live
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/run-live tests/matrix
	@tests/matrix/table
check-matrix-table: # the rows and columns of docs/interpreters.md, not its cells
	@tests/matrix/table --check
check-kernels: $(B)/gilscope # in an emulator: tests/kernels/get-kernels brings them
	@GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/run-live tests/kernels
check-fault: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope GILSCOPE_FAULT=full scripts/run-live tests/fault
check-export: $(B)/gilscope $(TOOL_BINS)
	@scripts/npm-install tests/export
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/run-live tests/export
check-layers:
	@scripts/check-layers
check-sizes:
	@scripts/check-sizes
check-headers: $(SKELS)
	@CC='$(CC)' FLAGS='$(CPPFLAGS) -std=gnu11 $(WARNINGS)' scripts/check-headers
check-format:
	@scripts/check-format
check-preload: $(B)/libgilscope_preload.so
	@scripts/check-preload $<
check-bundle:
	@scripts/check-bundle
check-page: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) scripts/check-page
check-browser: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/run-browser
check-banned:
	@scripts/check-banned
FUZZ_SECONDS ?= 30
fuzz:
	@$(MAKE) $(PARALLEL) BUILD_MODE=fuzz CC=$(CLANG) SAN=address,undefined,fuzzer-no-link fuzz-programs
	@$(MAKE) BUILD_MODE=fuzz CC=$(CLANG) SAN=address,undefined,fuzzer-no-link fuzz-run
.PHONY: fuzz-programs fuzz-run
fuzz-programs: $(FUZZ_BINS)
fuzz-run: $(FUZZ_BINS)
	@scripts/run-fuzz $(FUZZ_SECONDS) $(FUZZ_BINS)
bench: $(B)/gilscope $(TOOL_BINS)
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope tests/bench/run
bench-report: $(B)/gilscope $(TOOL_BINS)
	@scripts/npm-install viewer/html
	@B=$(B) GILSCOPE=$(CURDIR)/$(B)/gilscope node tests/bench/report_bench.mjs
demo: deps
	@command -v python3 >/dev/null || scripts/install-packages demo python3
	@$(MAKE) $(PARALLEL) all
	@GILSCOPE=$(CURDIR)/$(B)/gilscope scripts/demo.sh

# Housekeeping.
.PHONY: format lint install dist clean
format:
	clang-format -i $$(git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h')
lint: check-layers check-sizes check-headers check-banned
	shellcheck $$(git grep -lE '^#!.*\b(ba)?sh$$')
install: all
	install -Dm755 $(B)/gilscope $(DESTDIR)$(PREFIX)/bin/gilscope
	install -Dm644 $(B)/gilscope.1 $(DESTDIR)$(PREFIX)/share/man/man1/gilscope.1
	install -Dm644 scripts/gilscope_mark.py $(DESTDIR)$(PREFIX)/share/gilscope/gilscope_mark.py
	install -Dm644 scripts/gilscope.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gilscope
dist:
	git archive --prefix=gilscope-$(VERSION)/ -o gilscope-$(VERSION).tar.gz HEAD
clean:
	rm -rf build compile_commands.json
