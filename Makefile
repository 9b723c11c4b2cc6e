# One Makefile, no recursion. A new source file needs no edit here: each room's *.c is found.
PREFIX     ?= /usr/local
DESTDIR    ?=
BINDIR     := $(PREFIX)/bin
MANDIR     := $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
SYSUSERDIR ?= $(PREFIX)/lib/sysusers.d

CC    ?= gcc
CLANG ?= clang
# make knows a CXX of its own; the C++ compiler is only for libre2, which may be missing (RE2=0 or 1 decides)
CXX   := $(if $(filter default,$(origin CXX)),g++,$(CXX))
RE2   ?= $(if $(shell pkg-config --exists re2 && command -v $(CXX)),1,0)
# the kernel filter: its programs are compiled at build time and become part of ours (BPF=0 or 1 decides)
BPF   ?= $(if $(shell pkg-config --exists libbpf && command -v $(CLANG)),1,0)
V     ?= 0
B     ?= build/release

# All cores, unless the caller says otherwise with JOBS=.
JOBS ?= $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

ROOMS    := core core/dns core/bpf core/tls core/export cache pools rules workers console console/lua
PACKAGES := liburcu-qsbr liburcu-cds wolfssl lua5.4 libsodium libedit libcap libpcre2-8

CSTD     := -std=c11 -D_GNU_SOURCE -D_LGPL_SOURCE -I.
WARN     := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wpointer-arith \
            -Wwrite-strings -Wundef -Wformat=2 -Wno-unused-parameter -Werror
OPT      ?= -O2 -g -fno-plt
HARDEN   := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fcf-protection
LDHARDEN := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
MALLOC   ?= -ljemalloc

CXXSTD   := -std=c++17 -D_GNU_SOURCE -I. -fno-exceptions -fno-rtti
CXXWARN  := $(filter-out -Wmissing-prototypes -Wstrict-prototypes,$(WARN))

PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS    = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
ifeq ($(RE2),1)
PKG_CFLAGS += -DHAVE_RE2 $(shell pkg-config --cflags re2)
PKG_LIBS   += $(shell pkg-config --libs re2) -lstdc++
endif

ifeq ($(BPF),1)
PKG_CFLAGS += -DHAVE_BPF $(shell pkg-config --cflags libbpf)
PKG_LIBS   += $(shell pkg-config --libs libbpf)
endif

CFLAGS_ALL  = $(CSTD) $(WARN) $(OPT) $(HARDEN) $(PKG_CFLAGS) $(EXTRA_CFLAGS) $(CFLAGS)
CXXFLAGS_ALL = $(CXXSTD) $(CXXWARN) $(OPT) $(HARDEN) $(PKG_CFLAGS) $(EXTRA_CFLAGS) $(CXXFLAGS)
LDFLAGS_ALL = $(OPT) $(LDHARDEN) $(EXTRA_LDFLAGS) $(LDFLAGS)
LIBS_ALL    = $(MALLOC) $(PKG_LIBS) -lpthread -lm

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2))

# main() and the client's main() stay out of the archive that tests link.
MAINS    := console/main.c console/client_main.c
SOURCES  := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c))
BPF_SRC  := $(filter %.bpf.c,$(SOURCES))
BPF_OBJ  := $(BPF_SRC:%.c=$(B)/%.o)
NOT_BPF  := $(if $(filter 1,$(BPF)),core/bpf/none.c,core/bpf/load.c core/bpf/entries.c core/bpf/program.c)
LIB_SRC  := $(filter-out $(MAINS) $(BPF_SRC) $(NOT_BPF),$(SOURCES))
CXX_SRC  := $(if $(filter 1,$(RE2)),$(foreach r,$(ROOMS),$(wildcard $(r)/*.cc)))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o) $(CXX_SRC:%.cc=$(B)/%.o)
UNIT_SRC := $(wildcard test/test_*.c)
UNITS    := $(UNIT_SRC:test/%.c=$(B)/test/%)
TOOL_SRC := $(wildcard tools/*.c)
TOOLS    := $(TOOL_SRC:tools/%.c=$(B)/tools/%)
FUZZ_SRC := $(wildcard test/fuzz/fuzz_*.c)
HEADERS  := $(filter-out %.bpf.h,$(foreach r,$(ROOMS),$(wildcard $(r)/*.h)))

.PHONY: all check test run asan tsan fuzz headers bench install clean deps deps-test units e2e tools layers format man fuzzers asan-e2e clang
.SECONDARY:

all: $(B)/dnsdist $(B)/dnsdist-console tools man
	@:

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# For the kernel. Types of the architecture are where Debian has them.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -I. -Wall -Wextra -Werror \
              $(patsubst %,-isystem %,$(wildcard /usr/include/$(shell uname -m)-linux-gnu))

$(B)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

# The assembler includes what was compiled, so this is made anew with it.
$(B)/core/bpf/program.o: $(B)/core/bpf/filter.bpf.o
$(B)/core/bpf/program.o: CFLAGS_ALL += -DKFILTER_OBJECT='"$(B)/core/bpf/filter.bpf.o"'

$(B)/%.o: %.cc
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

$(B)/libdnsdist.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/dnsdist: $(B)/console/main.o $(B)/libdnsdist.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ $(LIBS_ALL) -o $@

$(B)/dnsdist-console: $(B)/console/client_main.o $(B)/libdnsdist.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ $(LIBS_ALL) -o $@

$(B)/test/%: test/%.c $(B)/libdnsdist.a
	$(call say,UNIT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-missing-prototypes -MMD -MP $(LDFLAGS_ALL) $< $(B)/libdnsdist.a $(LIBS_ALL) -lcmocka -o $@

$(B)/tools/%: tools/%.c $(B)/libdnsdist.a
	$(call say,TOOL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) $(filter %.c %.o,$^) $(B)/libdnsdist.a $(LIBS_ALL) -o $@

# A tool is one file; this one has parts.
LOAD_SRC := $(wildcard tools/loadgen/*.c)
$(B)/tools/load: $(LOAD_SRC:%.c=$(B)/%.o)

tools: $(TOOLS)

# What a query costs against what a packet costs. BENCH passes options, as in BENCH="--rows UDP --repeat 9".
bench: all
	$(Q)tools/bench --server $(B)/dnsdist --tools $(B)/tools $(BENCH)

# Pages are made from their sources and the rows of the program.
MAN_PAGES := $(patsubst man/%.in,$(B)/man/%,$(wildcard man/*.in))

$(B)/man/%: man/%.in $(B)/tools/mkman
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(B)/tools/mkman < $< > $@.tmp && mv $@.tmp $@

man: $(MAN_PAGES)


# Each header compiles alone, with both compilers.
HEADER_OK := $(HEADERS:%=$(B)/headers/%.ok)

$(B)/headers/%.ok: %
	$(call say,HEADER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)for cc in "$(CC)" $(CLANG); do $$cc $(CSTD) $(WARN) $(PKG_CFLAGS) -MMD -MF $@.d -MT $@ -MP \
		-fsyntax-only -include $< -x c /dev/null || exit 1; done
	$(Q)touch $@

headers: $(HEADER_OK)

layers:
	$(Q)tools/layers

units: $(UNITS)
	$(Q)tools/units $(UNITS)

check: headers layers units

e2e: all
	$(Q)B=$(abspath $(B)) test/e2e/run

# What is missing is installed first; then this file is read anew, for what pkg-config knows by then.
test:
	$(Q)tools/deps tools/packages-build.txt tools/packages-test.txt
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(MAKE) --no-print-directory units
	$(Q)$(MAKE) --no-print-directory e2e

run: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/run $(B)

deps:
	$(Q)tools/deps tools/packages-build.txt

deps-test:
	$(Q)tools/deps tools/packages-test.txt

# Everything with the second compiler, whose warnings are others.
clang:
	+$(Q)$(MAKE) --no-print-directory B=build/clang CC=$(CLANG) CXX=$(CLANG)++ all $(UNITS:$(B)/%=build/clang/%)

# Sanitizers: each build in its folder, without jemalloc, and without the hardening that they replace.
SANITIZED := $(MAKE) --no-print-directory MALLOC= HARDEN=-fno-omit-frame-pointer LDHARDEN=-Wl,--as-needed
ASAN      := -fsanitize=address,undefined -fno-sanitize-recover=all

# Units with more than one thread; the others have nothing to show to the thread sanitizer.
MT_UNITS := $(shell grep -lE 'pthread_create|workers_start' $(UNIT_SRC))

asan asan-e2e:
	+$(Q)$(SANITIZED) B=build/asan EXTRA_CFLAGS="$(ASAN)" EXTRA_LDFLAGS="$(ASAN)" \
		$(if $(filter asan,$@),all units,e2e)

# liburcu's readers are called, not inlined: its own races, meant as they are, then stay out of sight.
tsan:
	+$(Q)$(SANITIZED) B=build/tsan EXTRA_CFLAGS="-fsanitize=thread -DWITH_TSAN -U_LGPL_SOURCE" \
		EXTRA_LDFLAGS=-fsanitize=thread UNIT_SRC="$(MT_UNITS)" units

# Fuzzers: each runs from its committed corpus, and keeps what it finds to be new under build/.
FUZZ_SECONDS ?= 10
FUZZERS      := $(FUZZ_SRC:test/%.c=$(B)/%)

$(B)/fuzz/%: test/fuzz/%.c $(B)/libdnsdist.a
	$(call say,FUZZER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) -fsanitize=fuzzer $< $(B)/libdnsdist.a $(LIBS_ALL) -o $@

fuzzers: $(FUZZERS)

fuzz:
	+$(Q)$(SANITIZED) B=build/fuzz CC=$(CLANG) CXX=$(CLANG)++ EXTRA_CFLAGS="-fsanitize=fuzzer-no-link $(ASAN)" \
		EXTRA_LDFLAGS="$(ASAN)" fuzzers
	$(Q)tools/fuzz build/fuzz/fuzz test/fuzz/corpus $(FUZZ_SECONDS)

# The configuration that comes along is an example: one that is there already is nobody's to replace.
install: all
	install -D -t $(DESTDIR)$(BINDIR) $(B)/dnsdist $(B)/dnsdist-console
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 $(filter %.1,$(MAN_PAGES))
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man5 $(filter %.5,$(MAN_PAGES))
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERDIR)
	sed 's|@BINDIR@|$(BINDIR)|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' tools/dnsdist.service \
		> $(DESTDIR)$(UNITDIR)/dnsdist.service
	install -m 644 tools/dnsdist.sysusers $(DESTDIR)$(SYSUSERDIR)/dnsdist.conf
	install -D -m 644 tools/dnsdist.conf $(DESTDIR)$(SYSCONFDIR)/dnsdist/dnsdist.conf-dist

format:
	clang-format -i $(SOURCES) $(CXX_SRC) $(UNIT_SRC) $(TOOL_SRC) $(LOAD_SRC) $(FUZZ_SRC)

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(BPF_OBJ:.o=.d) $(wildcard $(B)/console/*.d $(B)/test/*.d $(B)/tools/*.d $(B)/tools/loadgen/*.d $(B)/fuzz/*.d) $(HEADER_OK:=.d)
