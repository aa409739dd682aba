# SPDX-License-Identifier: BSD-2-Clause
# Builds, installs and checks libmemkind. `make help` lists the targets.
# This is the only file that knows under which names things are installed.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The ABI number is the original's. The rest sorts after every release of the
# original, so that ldconfig picks this library where both are in one directory.
SONAME := libmemkind.so.0
SOFILE := $(SONAME).$(word 2,$(subst ., ,$(VERSION))).$(word 3,$(subst ., ,$(VERSION)))

# Another machine to build for, as Rust names it: make TARGET=aarch64-unknown-linux-gnu. What is built for
# it lies apart, and Debian's directories of its libraries are the default.
TARGET := $(CARGO_BUILD_TARGET)
TRIPLET := $(subst -unknown-,-,$(TARGET))
BUILD := build$(TARGET:%=/%)
# The prefix of its compiler and binutils; none where this machine's make its programs.
ifeq ($(CROSS_COMPILE),)
CROSS_COMPILE := $(if $(filter-out $(shell uname -m)-%,$(TARGET)),$(TRIPLET)-)
endif
# An empty one would tell a make below this one, for another machine, that it has none.
ifneq ($(CROSS_COMPILE),)
export CROSS_COMPILE
endif

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib$(TRIPLET:%=/%)
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
LICENSEDIR ?= $(PREFIX)/share/licenses/memkind
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR ?= $(LIBDIR)/cmake/memkind
DESTDIR ?=
INSTALL ?= install

# Looked for when it is used: a cargo that is installed on the way (by the target check) must be found.
ifndef CARGO
find_cargo = $$(scripts/cargo-env.sh)
else
find_cargo = $(CARGO)
export CARGO
endif
# jemalloc's build runs make, whose variables have some of the names of those below: it would install itself where this
# library is to go.
cargo = env -u MAKEFLAGS -u TARGET -u CARGO_BUILD_TARGET -u CROSS_COMPILE -u DESTDIR -u PREFIX -u BINDIR -u LIBDIR -u INCLUDEDIR -u MANDIR -u LICENSEDIR $(find_cargo)
CARGOFLAGS ?= --locked
OUTPUT := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
RELEASED := $(OUTPUT)/$(TARGET:%=%/)release
RELEASED_PRELOADS := $(OUTPUT)/preload/$(TARGET:%=%/)release
export CARGOFLAGS

HEADERS := memkind.h memkind_deprecated.h hbwmalloc.h memkind_memtier.h \
	memkind_allocator.h hbw_allocator.h pmem_allocator.h fixed_allocator.h \
	autohbw_api.h memkind_ext.h memkind_ext.hpp
# What the C++ headers share; and foreign names on this library, for -I alone: each in a directory of its own.
NESTED := memkind/detail/failure.hpp memkind/compat/evpl/evpl.h $(addprefix memkind/compat/spdk/,env.h env_map.h env_pool.h log.h)
BINS := $(basename $(notdir $(wildcard src/bin/*.rs) $(patsubst %/main.rs,%,$(wildcard src/bin/*/main.rs))))
MANS := $(wildcard man/*.[1-8])
# The license of this library, and those of the code that it contains (scripts/notices.py).
LICENSES := LICENSE THIRD-PARTY

LIBS := $(addprefix $(BUILD)/lib/,$(SOFILE) $(SONAME) libmemkind.so libmemkind.a)

# The libraries for LD_PRELOAD: a workspace of their own in preload/.
PRELOADS := libautohbw.so libmemtier.so
RELEASE := $(SOFILE:libmemkind.so%=%)
LIBS += $(foreach p,$(PRELOADS),$(BUILD)/lib/$p$(RELEASE) $(BUILD)/lib/$p.0 $(BUILD)/lib/$p)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

.PHONY: all
all: $(LIBS) $(HEADERS:%=$(BUILD)/include/%) $(NESTED:%=$(BUILD)/include/%) ## build everything into build/, or build/TARGET/ (two minutes the first time, 400 MB in target/)

# ---- Building. Cargo knows best what is out of date, so it always runs. ----

.PHONY: cargo-build
cargo-build: check-tools
	@echo "cargo build --release"
	@$(cargo) build --release $(CARGOFLAGS) $(TARGET:%=--target %)

.PHONY: check-tools
check-tools:
	@scripts/check-tools.sh $(TARGET)

$(RELEASED)/libmemkind.so $(RELEASED)/libmemkind.a: cargo-build ;

# A program that has the library mapped must not see it change: replace, never overwrite.
$(BUILD)/lib/$(SOFILE): $(RELEASED)/libmemkind.so
	@mkdir -p $(@D)
	@cmp -s $< $@ || { cp $< $@.new && mv $@.new $@ && echo "$@"; }

$(BUILD)/lib/$(SONAME) $(BUILD)/lib/libmemkind.so: $(BUILD)/lib/$(SOFILE)
	@ln -sf $(<F) $@

$(BUILD)/lib/libmemkind.a: $(RELEASED)/libmemkind.a ctest/abi/exports.txt scripts/static-archive.sh
	@mkdir -p $(@D)
	@if [ -n "$(filter-out $(OUTPUT)/%,$?)" ] || [ ! -e $@ ] || [ $< -nt $@ ]; then \
		scripts/static-archive.sh $< $@ && echo "$@"; fi

.PHONY: cargo-build-preload
cargo-build-preload: check-tools
	@echo "cargo build --release (preload)"
	@$(cargo) build --release $(CARGOFLAGS) $(TARGET:%=--target %) --manifest-path preload/Cargo.toml --target-dir $(OUTPUT)/preload

$(PRELOADS:%=$(RELEASED_PRELOADS)/%): cargo-build-preload ;

$(PRELOADS:%=$(BUILD)/lib/%$(RELEASE)): $(BUILD)/lib/%$(RELEASE): $(RELEASED_PRELOADS)/%
	@mkdir -p $(@D)
	@cmp -s $< $@ || { cp $< $@.new && mv $@.new $@ && echo "$@"; }

$(PRELOADS:%=$(BUILD)/lib/%.0): $(BUILD)/lib/%.0: $(BUILD)/lib/%$(RELEASE)
	@ln -sf $(<F) $@

$(PRELOADS:%=$(BUILD)/lib/%): $(BUILD)/lib/%: $(BUILD)/lib/%$(RELEASE)
	@ln -sf $(<F) $@

$(BUILD)/include/%: include/%
	@mkdir -p $(@D)
	@cp $< $@

include/%:
	@test -e $@ || { echo "$@ is missing: run 'make headers'" >&2; exit 1; }

.PHONY: headers
headers: check-tools ## generate the headers in include/ from src/ffi, with cbindgen
	scripts/headers.sh copy

# ---- Checking. Each check-NAME is one part of `make check`. ----

CHECKS := scripts headers rust abi api ext checks preload programs-short examples tbb consumers bindings pages install packages-short debug-heap numa-ci musl-short arm64-short reports

# Packages that are missing are installed first, by scripts/setup.sh; SETUP=no leaves that to you.
SETUP ?= yes
setup = @[ "$(SETUP)" = no ] || scripts/setup.sh $1

.PHONY: setup
setup: ## install what building and checking need (Debian, Ubuntu)
	scripts/setup.sh check

.PHONY: check
check: ## build, then run every test (up to 40 minutes on two cores, 1.7 GB)
	$(call setup,check)
	@scripts/check.sh

.PHONY: $(CHECKS:%=check-%)
$(filter-out check-preload,$(CHECKS:%=check-%)): check-%:
	@scripts/check.sh $*

check-preload: ## both preload libraries, real programs under them too (minutes)
	$(call setup,programs)
	@scripts/check.sh preload programs

.PHONY: check-stress check-stress-short check-stress-valgrind
check-stress: check-%: ## the model-based stress test (10 minutes)
	@scripts/check.sh $*
check-stress-short: check-%: ## the stress test and the soak test in short (half a minute)
	@scripts/check.sh $*
check-stress-valgrind: check-%: ## the stress test under valgrind (some minutes)
	@scripts/check.sh $*

.PHONY: check-checks-long
check-checks-long: check-%: ## property tests that take long with all checks (minutes)
	@scripts/check.sh $*

.PHONY: check-faults check-faults-short
check-faults: check-%: ## each system call of the library fails in turn (an hour)
	@scripts/check.sh $*
check-faults-short: check-%: ## what failing system calls have found, and a part of all cases (half a minute)
	@scripts/check.sh $*

.PHONY: fuzz check-fuzz-short soak
fuzz: ## random inputs, found by coverage: 30 minutes, or FUZZ=seconds for each of three targets
	$(call setup,fuzz)
	@scripts/check.sh fuzz
check-fuzz-short: check-%: ## the inputs that fuzzing has kept (seconds)
	@scripts/check.sh $*
soak: ## a long life in short: 12 minutes, or SOAK=seconds
	@scripts/check.sh soak

.PHONY: check-loom
check-loom: check-%: ## the heap's lock-free parts under a model of memory (minutes; needs the crate loom)
	@scripts/check.sh $*

.PHONY: check-guards
check-guards: check-%: ## the rules that make the heap fast still do: instructions, counted by valgrind (seconds)
	@scripts/check.sh $*

.PHONY: check-numa
check-numa: ## boot every memory topology as a virtual machine, check placement there (minutes)
	@scripts/check.sh numa

.PHONY: check-musl
check-musl: ## build for musl, run the property tests with the shared and the static library (minutes)
	$(call setup,check)
	@scripts/check.sh musl

.PHONY: check-arm64
check-arm64: ## build for arm64, run the property tests under qemu's user emulation (minutes)
	$(call setup,check)
	@scripts/check.sh arm64

.PHONY: check-packages
check-packages: ## make all packages, install, use and remove them in bare roots (20 minutes, as root)
	$(call setup,packages)
	@scripts/check.sh packages

.PHONY: demo
demo: ## build, show this machine's kinds, run programs on the library (seconds after the build)
	$(call setup,demo)
	@$(MAKE) --no-print-directory all
	@scripts/demo.sh

# ---- Measuring: bench/README.md says what and how; results go to docs/benchmarks/. ----

.PHONY: bench bench-quick bench-arrays bench-ext bench-preload bench-programs bench-start
bench: ## compare all allocators on everything (ten minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py --all

bench-quick: ## the most important figures (some minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py

bench-arrays: ## blocks of 128 KiB to 1 GiB (some minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py --arrays

bench-ext: ## instructions of regions, pools and vectors, and what each may take (a minute)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py --ext

bench-start: ## what each library adds to the start of a program (some minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py --start

bench-programs: ## real programs with an allocator preloaded (some minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/bench.py --programs

bench-preload: ## programs with an allocator preloaded (some minutes)
	$(call setup,bench)
	@$(MAKE) --no-print-directory all
	python3 -B bench/preload/preload.py

# ---- Installing ----

INSTALLED := $(LIBDIR)/$(SOFILE) $(LIBDIR)/$(SONAME) $(LIBDIR)/libmemkind.so $(LIBDIR)/libmemkind.a \
	$(foreach p,$(PRELOADS),$(LIBDIR)/$p$(RELEASE) $(LIBDIR)/$p.0 $(LIBDIR)/$p) \
	$(HEADERS:%=$(INCLUDEDIR)/%) $(NESTED:%=$(INCLUDEDIR)/%) $(PKGCONFIGDIR)/memkind.pc \
	$(PKGCONFIGDIR)/memkind-compat.pc \
	$(CMAKEDIR)/memkind-config.cmake $(CMAKEDIR)/memkind-config-version.cmake \
	$(BINS:%=$(BINDIR)/%) $(foreach m,$(MANS),$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)) \
	$(LICENSES:%=$(LICENSEDIR)/%)

# A directory as seen from the CMake package's.
from_cmakedir = $$(realpath -ms --relative-to='$(CMAKEDIR)' '$1')

# Fill the places of a template: @LIBDIR@ and so on.
fill = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SONAME@|$(SONAME)|g' \
	-e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
	-e "s|@LIBDIR_FROM_CMAKEDIR@|$(call from_cmakedir,$(LIBDIR))|g" \
	-e "s|@INCLUDEDIR_FROM_CMAKEDIR@|$(call from_cmakedir,$(INCLUDEDIR))|g" $1 >'$(DESTDIR)$2' && chmod 644 '$(DESTDIR)$2'

# The dynamic linker finds libraries in its directories by a cache.
tell_linker = @if [ -z '$(DESTDIR)' ] && [ -w /etc/ld.so.cache ] && ldconfig -NXv 2>/dev/null | grep -q '^$(LIBDIR):'; then \
	ldconfig; fi

# Under sudo, what the user has built is installed as it is: root may have no cargo.
.PHONY: install
install: $(if $(and $(SUDO_UID),$(wildcard $(BUILD)/lib/$(SOFILE))),,all) ## install under PREFIX (LIBDIR, INCLUDEDIR, BINDIR, MANDIR, LICENSEDIR, DESTDIR)
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(PKGCONFIGDIR)' '$(DESTDIR)$(CMAKEDIR)'
	$(INSTALL) -m 644 $(BUILD)/lib/$(SOFILE) '$(DESTDIR)$(LIBDIR)/$(SOFILE)'
	ln -sf $(SOFILE) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SOFILE) '$(DESTDIR)$(LIBDIR)/libmemkind.so'
	$(INSTALL) -m 644 $(BUILD)/lib/libmemkind.a '$(DESTDIR)$(LIBDIR)/libmemkind.a'
	$(foreach p,$(PRELOADS),$(INSTALL) -m 644 $(BUILD)/lib/$p$(RELEASE) '$(DESTDIR)$(LIBDIR)/$p$(RELEASE)' && \
		ln -sf $p$(RELEASE) '$(DESTDIR)$(LIBDIR)/$p.0' && ln -sf $p$(RELEASE) '$(DESTDIR)$(LIBDIR)/$p' &&) true
	$(INSTALL) -m 644 $(HEADERS:%=$(BUILD)/include/%) '$(DESTDIR)$(INCLUDEDIR)'
	$(foreach c,$(NESTED),$(INSTALL) -D -m 644 $(BUILD)/include/$c '$(DESTDIR)$(INCLUDEDIR)/$c' &&) true
	$(call fill,pkgconfig/memkind.pc.in,$(PKGCONFIGDIR)/memkind.pc)
	$(call fill,pkgconfig/memkind-compat.pc.in,$(PKGCONFIGDIR)/memkind-compat.pc)
	$(call fill,cmake/memkind-config.cmake.in,$(CMAKEDIR)/memkind-config.cmake)
	$(call fill,cmake/memkind-config-version.cmake.in,$(CMAKEDIR)/memkind-config-version.cmake)
	$(if $(BINS),$(INSTALL) -d '$(DESTDIR)$(BINDIR)')
	$(if $(BINS),$(INSTALL) -m 755 $(BINS:%=$(RELEASED)/%) '$(DESTDIR)$(BINDIR)')
	$(foreach m,$(MANS),$(INSTALL) -D -m 644 $m '$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)' &&) true
	$(INSTALL) -d '$(DESTDIR)$(LICENSEDIR)'
	$(INSTALL) -m 644 LICENSE packaging/THIRD-PARTY '$(DESTDIR)$(LICENSEDIR)'
	$(tell_linker)

.PHONY: uninstall
uninstall: ## remove what install put there (same variables)
	rm -f $(INSTALLED:%='$(DESTDIR)%')
	-rmdir '$(DESTDIR)$(CMAKEDIR)' '$(DESTDIR)$(LICENSEDIR)' 2>/dev/null
	-cd '$(DESTDIR)$(INCLUDEDIR)' && rmdir -p $(dir $(NESTED)) 2>/dev/null
	$(tell_linker)

.PHONY: list-installed
list-installed: ## print the files that install creates
	@printf '%s\n' $(INSTALLED)

# ---- Packages, into build/packages. ----

.PHONY: deb rpm dist
deb: ## Debian packages libmemkind0, libmemkind-dev, libmemkind-progs, for TARGET too (a minute after the build)
	@scripts/package.sh deb $(TARGET)
rpm: ## rpm packages memkind, memkind-devel, memkind-progs, for TARGET too (a minute after the build)
	@scripts/package.sh rpm $(TARGET)
dist: ## a source archive with all crates, which builds without a network
	@scripts/package.sh dist

.PHONY: site
site: ## all pages and the manual as one static site in build/site (seconds)
	$(call setup,site)
	@scripts/site.sh

.PHONY: clean
clean: ## remove build/ and cargo's output
	rm -rf build
	$(cargo) clean

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 36
	@echo "  make check-NAME                   one part of check: $(CHECKS)"
	@echo "Variables: PREFIX LIBDIR INCLUDEDIR BINDIR MANDIR LICENSEDIR DESTDIR PKGCONFIGDIR CMAKEDIR INSTALL CARGO CARGOFLAGS CC CXX TARGET CROSS_COMPILE"
	@echo "           SETUP=no installs no packages that are missing (README.md)"
