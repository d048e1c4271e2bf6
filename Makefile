# SPDX-License-Identifier: Apache-2.0
# make help lists the targets.  V=1 shows commands.  SAN=asan builds into build/asan with ASan and UBSan.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

SAN ?=
B := build$(addprefix /,$(SAN))

WARN := -Wall -Wextra -Wshadow -Wconversion -Wundef -Wvla -Wstrict-prototypes -Wno-unused-parameter
# what scripts/check-hardening looks for; the sanitizers have their own way to see an overflow, which fortified calls would hide
CET := $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection $(CET) $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
CFLAGS_BASE := -std=gnu11 -O2 -g -fno-omit-frame-pointer -fno-strict-aliasing $(WARN) $(if $(CI),-Werror) $(HARDEN) \
	-D_GNU_SOURCE -Iinclude -Iuser -Itests -I$(B) -MMD -MP
override LDFLAGS += -pie -Wl,-z,relro,-z,now
ifeq ($(SAN),asan)
CFLAGS_BASE += -fsanitize=address,undefined -fno-sanitize-recover=all -O1
override LDFLAGS += -fsanitize=address,undefined
endif
ifeq ($(SAN),tsan)
CFLAGS_BASE += -fsanitize=thread -O1
override LDFLAGS += -fsanitize=thread
endif
ALL_CFLAGS = $(CFLAGS_BASE) $(CFLAGS)
LIBS := -lbpf -lxdp -luring -lsecp256k1 -llmdb -linih -lcurl -lssl -lcrypto -lseccomp -lpthread -lm

SRC := $(sort $(wildcard user/*.c user/*/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
LIB_OBJ := $(filter-out $(B)/user/main.o,$(OBJ))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
BPF_BESIDE := $(patsubst tests/bpf/%.c,build/tests/bpf/%.o,$(wildcard tests/bpf/*.bpf.c))
BPF_TEST := $(patsubst tests/bpf/%.c,$(B)/tests/bpf/%,$(sort $(wildcard tests/bpf/test_*.c)))
VM_TEST := tests/vm/run.sh
# on interfaces of their own; those that count by the clock, or use the folder of the pins as a whole, are run alone
LIVE_TEST := tests/e2e/standing.sh tests/e2e/recipes.sh tests/e2e/native.sh tests/e2e/knock.sh tests/e2e/trace.sh tests/e2e/hard.sh tests/e2e/service.sh \
	tests/e2e/beside.sh tests/e2e/completion.sh tests/e2e/metrics.sh tests/e2e/doctor.sh
LIVE_ALONE := tests/e2e/filter.sh tests/e2e/limits.sh tests/e2e/syn.sh tests/e2e/unprivileged.sh
TOOLS := $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(filter-out %.bpf.c,$(sort $(wildcard tests/tools/*.c)))) \
	$(patsubst %.bpf.c,build/%.bpf.o,$(wildcard tests/tools/*.bpf.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
BENCH := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(sort $(wildcard tests/bench/*.c)))

.PHONY: all help deps demo test test-unit test-fuzz test-mutations test-compilers test-memcheck test-bpf test-vm test-e2e test-crash test-deb soak fuzz bench lint security screenshots man deb format clean
all: $(B)/tollbar build/gate.bpf.o ## build the daemon and the BPF object

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- kernel side ---
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
BPF_HEADERS := $(wildcard bpf/*.bpf.h include/*.h vmlinux/*.h)
define compile_bpf
	@mkdir -p $(@D)
	@echo "  BPF   $@"
	$(Q)$(CLANG) -O2 -g -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror -fno-strict-aliasing \
		-mcpu=v3 -Iinclude -Ivmlinux -Ibpf -c $< -o $@
	$(Q)llvm-strip -g $@
endef
build/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS) Makefile
	$(compile_bpf)
build/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c $(BPF_HEADERS) Makefile # programs the tests put beside ours
	$(compile_bpf)
build/tests/tools/%.bpf.o: tests/tools/%.bpf.c $(wildcard tests/tools/*.h) $(BPF_HEADERS) Makefile
	$(compile_bpf)

# --- user side ---
$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

# inner loops of a known length, and nothing else in them: what unrolling is for
$(B)/user/ec/%.o: CFLAGS_BASE += $(if $(SAN),,-O3)
# lines only: following every variable through code that is all inlined takes a compiler minutes
$(B)/user/ec/%.o $(B)/tests/unit/test_ec%: CFLAGS_BASE += $(if $(SAN),-g1)

# the filter's object travels inside the program
$(B)/user/sys/filter_object.o: user/sys/filter_object.S build/gate.bpf.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CET) -c $< -o $@
FILTER_OBJECT := $(if $(wildcard user/sys/filter_object.S),$(B)/user/sys/filter_object.o)
# and so does the status page
$(B)/user/page_template.o: user/page_template.S user/page.html
	@mkdir -p $(@D)
	$(Q)$(CC) $(CET) -c $< -o $@

$(B)/libtollbar.a: $(LIB_OBJ) $(FILTER_OBJECT) $(B)/user/page_template.o
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tollbar: $(B)/user/main.o $(B)/libtollbar.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# what our parsers and hashes are compared with; the tools, which the demo needs too, do without
$(UNIT) $(BPF_TEST) $(BENCH): ORACLES := -ljansson -lhttp_parser -lnettle

# a test includes the .c it tests, so its own symbols win over the archive's
$(B)/tests/%: tests/%.c $(B)/libtollbar.a Makefile
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-missing-prototypes -o $@ $< $(LDFLAGS) $(B)/libtollbar.a $(LIBS) $(ORACLES)

# the shipped daemon's own objects, some of their calls led elsewhere by the file on the left
define link_wrapped
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d -Wno-missing-prototypes $(LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) \
		-o $@ $< $(B)/user/main.o $(B)/libtollbar.a $(LIBS)
endef
# with places to die in between: tests/crash/points.c says how
$(B)/tests/crash/tollbar: WRAPPED = $(shell sed -nE 's/^WRAP(_VOID)?.([a-z]+, )?(enum [a-z]+, )?([a-z0-9_]+),.*/\4/p' tests/crash/points.c)
$(B)/tests/crash/tollbar: tests/crash/points.c $(B)/user/main.o $(B)/libtollbar.a Makefile
	$(link_wrapped)
# with an intruder in a worker: tests/hijack/hijack.c says what he tries
$(B)/tests/hijack/tollbar: WRAPPED := gate_head
$(B)/tests/hijack/tollbar: tests/hijack/hijack.c $(B)/user/main.o $(B)/libtollbar.a Makefile
	$(link_wrapped)
# with a log that is not written: what its disk costs is measured against it
$(B)/tests/bench/volatile: WRAPPED := wal_commit wal_fits
$(B)/tests/bench/volatile: tests/bench/volatile.c $(B)/user/main.o $(B)/libtollbar.a Makefile
	$(link_wrapped)

build/fuzz/%: tests/fuzz/%.c $(wildcard user/*.[ch] user/sys/*.[ch] user/base/*.[ch] user/ec/*.[ch] include/*.h bpf/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	$(Q)$(CLANG) -std=gnu11 -O1 -g -fno-strict-aliasing -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-D_GNU_SOURCE -Iinclude -Iuser -Itests -Ibpf -o $@ $< $(shell sed -n 's,^// link: ,,p' $<)

# The engines under ASan, and the fuzzer sees their branches.  UBSan in plain C only: in the lanes, where all is inlined, its
# checks make a compiler work for minutes; gcc does that once, for the unit tests.
FUZZED_EC := $(patsubst %.c,build/fuzz/%.o,$(wildcard user/ec/*.c))
$(filter %/ec.o %/generator.o %/modinv.o %/modn.o %/point.o %/portable.o %/portable_table.o,$(FUZZED_EC)): EC_CHECKS := ,undefined
build/fuzz/user/ec/%.o: user/ec/%.c $(wildcard user/ec/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	$(Q)$(CLANG) -std=gnu11 -O1 -g1 -fno-strict-aliasing -fsanitize=fuzzer-no-link,address$(EC_CHECKS) -fno-sanitize-recover=all \
		-D_GNU_SOURCE -Iinclude -Iuser -c $< -o $@
build/fuzz/fuzz_ec: $(FUZZED_EC) build/libtollbar.a

-include $(shell find build -name '*.d' -type f -not -path 'build/deb/*' 2>/dev/null)

# --- what people call ---
JOBS ?= $(shell nproc)
SUBMAKE = $(MAKE) --no-print-directory -j$(JOBS)
.PHONY: unit tools bpf-tests fuzzers

deps: ## install the packages a build needs (Debian 12, as root)
	$(Q)scripts/install-deps build

demo: ## the main job on two network namespaces, as one table (root)
	$(Q)scripts/install-deps build demo
	$(Q)$(SUBMAKE) all tools
	$(Q)node scripts/demo.mjs

unit: $(UNIT)
tools: $(TOOLS) $(if $(SAN),,$(B)/tests/crash/tollbar $(B)/tests/hijack/tollbar)
bpf-tests: $(BPF_TEST) $(BPF_BESIDE)
fuzzers: $(FUZZERS)

# unit tests run twice: as shipped, and under ASan and UBSan
# (but for the sandbox's: what a sanitizer asks of the kernel at a process's end is not on its lists)
SANITIZED := $(patsubst tests/unit/%.c,build/asan/tests/unit/%,$(filter-out %/test_sandbox.c,$(sort $(wildcard tests/unit/test_*.c))))

# two more at a time than there are processors: the end-to-end tests and the soak mostly wait
test: ## every test; the last line is the sum
	$(Q)scripts/install-deps build test vm
	$(Q)$(SUBMAKE) all unit tools bpf-tests fuzzers
	$(Q)$(SUBMAKE) SAN=asan unit
	$(Q)FUZZ_SECONDS=1 GUEST=few COMPILERS=clang-O3 MUTATIONS="low-s lanes point-bad portable-x-plus-n" \
		scripts/run-tests -j $$(($(JOBS) + 2)) $(VM_TEST) tests/e2e/run.mjs tests/e2e/soak.mjs $(UNIT) $(SANITIZED) tests/crash/kills.mjs tests/e2e/epoll.sh $(FUZZERS) \
		scripts/check-floors scripts/mutate-ec scripts/test-compilers scripts/memcheck -j 2 $(LIVE_TEST) -j 1 $(BPF_TEST) $(LIVE_ALONE)

test-unit: ## unit tests and include floors: quick, no root, no network (SAN=asan or SAN=tsan: under that sanitizer)
	$(Q)$(SUBMAKE) unit
	$(Q)scripts/run-tests -j $(JOBS) scripts/check-floors $(UNIT)

test-fuzz: ## each fuzzer for FUZZ_SECONDS (5)
	$(Q)$(SUBMAKE) fuzzers
	$(Q)scripts/run-tests -j $(JOBS) $(FUZZERS)

test-mutations: ## does the verification engines' suite notice seeded mistakes? (`make test` tries four of them)
	$(Q)$(SUBMAKE) $(B)/libtollbar.a
	$(Q)scripts/run-tests scripts/mutate-ec

test-compilers: ## the verification engines by gcc and clang at -O1, -O2 and -O3 (`make test`: one of the six)
	$(Q)$(SUBMAKE) $(B)/libtollbar.a
	$(Q)scripts/run-tests scripts/test-compilers

test-memcheck: ## unit tests under valgrind: parsers, and all of verification but the lanes
	$(Q)scripts/install-deps build test
	$(Q)$(SUBMAKE) unit
	$(Q)scripts/run-tests scripts/memcheck

test-bpf: ## the filter: BPF_PROG_TEST_RUN and live veth (root)
	$(Q)$(SUBMAKE) all tools bpf-tests
	$(Q)scripts/run-tests $(BPF_TEST) $(LIVE_TEST) $(LIVE_ALONE) tests/e2e/epoll.sh

test-vm: ## the filter and the daemon on Debian's own 6.1 kernel, emulated (no root, no /dev/kvm; `make test` leaves some out)
	$(Q)scripts/install-deps build vm
	$(Q)$(SUBMAKE) all tools bpf-tests
	$(Q)scripts/run-tests $(VM_TEST)

test-e2e: ## the npm clients and facilitator through the daemon
	$(Q)scripts/install-deps build test
	$(Q)$(SUBMAKE) all tools
	$(Q)scripts/run-tests tests/e2e/run.mjs

test-crash: ## die at every point of a claim's life, COUNT (500) times under load, and compare the records
	$(Q)scripts/install-deps build test
	$(Q)$(SUBMAKE) all tools
	$(Q)TEST_SECONDS_MAX=$(if $(COUNT),$$((300 + $(COUNT) * 2)),900) COUNT=$(COUNT) scripts/run-tests tests/crash/kills.mjs

soak: ## mixed traffic for SECONDS (600), through the filter as root: nothing grows, and all is accounted for (`make test`: 120)
	$(Q)scripts/install-deps build test
	$(Q)$(SUBMAKE) all tools
	$(Q)TEST_SECONDS_MAX=$$(($(or $(SECONDS),600) + 600)) SOAK_SECONDS=$(or $(SECONDS),600) SOAK_RATE=100 scripts/run-tests tests/e2e/soak.mjs

test-deb: deb ## the Debian package: installed, upgraded under load, purged, on an overlay of this machine (root)
	$(Q)$(SUBMAKE) tools
	$(Q)scripts/run-tests tests/e2e/deb.sh

fuzz: ## FUZZ=NAME: fuzz one parser until stopped
	$(Q)scripts/install-deps build test
	$(Q)$(if $(FUZZ),$(SUBMAKE) build/fuzz/fuzz_$(FUZZ))
	$(Q)scripts/fuzz.sh $(FUZZ)

bench: ## measure; also writes build/bench.json
	$(Q)scripts/install-deps build test bench
	$(Q)$(SUBMAKE) all tools $(BENCH) $(BPF_BESIDE)
	$(Q)scripts/bench.sh

lint: ## format, clang-tidy, cppcheck, include floors, house rules, how program and units are hardened, claims
	$(Q)scripts/install-deps build test lint
	$(Q)$(SUBMAKE) all
	$(Q)scripts/lint.sh

screenshots: ## the status page in docs/, as a browser shows it now
	$(Q)scripts/install-deps build test
	$(Q)$(SUBMAKE) all tools
	$(Q)node scripts/screenshots.mjs

security: ## cppcheck, clang-tidy, the compilers' analysers, how program and units are hardened, claims that have no test
	$(Q)scripts/install-deps build test lint
	$(Q)$(SUBMAKE) all
	$(Q)scripts/lint.sh hardening units claims cppcheck tidy analysers

man: ## the manual pages, into build/man
	$(Q)$(SUBMAKE) $(B)/tollbar
	$(Q)scripts/man.sh build/man

# from a copy of what git knows: dpkg-buildpackage writes beside and into the tree it builds from
deb: ## the Debian package, into build/deb
	$(Q)scripts/install-deps build deb
	$(Q)rm -rf build/deb && mkdir -p build/deb/tollbar
	$(Q)git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C build/deb/tollbar
	$(Q)cd build/deb/tollbar && DEB_BUILD_OPTIONS="parallel=$(JOBS) $(DEB_BUILD_OPTIONS)" dpkg-buildpackage -us -uc -b >../log 2>&1 || \
		{ tail -n 40 ../log; exit 1; }
	$(Q)ls build/deb/*.deb

format: ## rewrite the C files in the house format
	$(Q)clang-format -i $(wildcard user/*.[ch] user/*/*.[ch] bpf/*.[ch] include/*.h tests/*.h tests/*/*.[ch])

clean: ## remove everything built
	$(Q)rm -rf build
