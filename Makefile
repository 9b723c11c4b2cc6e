# One Makefile, no recursion. A new source file needs no edit here: each room's *.c is found.
PREFIX     ?= /usr/local
DESTDIR    ?=
BINDIR     := $(PREFIX)/bin
SBINDIR    := $(PREFIX)/sbin
MANDIR     := $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system

CC    ?= gcc
CLANG ?= clang
V     ?= 0
B     ?= build/release

ROOMS    := core core/dns core/tls core/export cache pools rules workers console console/lua
PACKAGES := liburcu-qsbr liburcu-cds wolfssl lua5.4 libsodium libedit libcap

CSTD     := -std=c11 -D_GNU_SOURCE -D_LGPL_SOURCE -I.
WARN     := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wpointer-arith \
            -Wwrite-strings -Wundef -Wformat=2 -Wno-unused-parameter -Werror
OPT      ?= -O2 -g -fno-plt
HARDEN   := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fcf-protection
LDHARDEN := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
MALLOC   ?= -ljemalloc

PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS    = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

CFLAGS_ALL  = $(CSTD) $(WARN) $(OPT) $(HARDEN) $(PKG_CFLAGS) $(EXTRA_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(OPT) $(LDHARDEN) $(EXTRA_LDFLAGS) $(LDFLAGS)
LIBS_ALL    = $(MALLOC) $(PKG_LIBS) -lpthread -lm

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2))

# main() and the client's main() stay out of the archive that tests link.
MAINS    := console/main.c console/client_main.c
SOURCES  := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c))
LIB_SRC  := $(filter-out $(MAINS),$(SOURCES))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
UNIT_SRC := $(wildcard test/test_*.c)
UNITS    := $(UNIT_SRC:test/%.c=$(B)/test/%)
TOOL_SRC := $(wildcard tools/*.c)
TOOLS    := $(TOOL_SRC:tools/%.c=$(B)/tools/%)
FUZZ_SRC := $(wildcard test/fuzz/fuzz_*.c)
HEADERS  := $(foreach r,$(ROOMS),$(wildcard $(r)/*.h))

.PHONY: all check test run asan tsan fuzz headers bench install clean deps deps-test units e2e tools layers format man fuzzers
.SECONDARY:

all: $(B)/dnsdist $(B)/dnsdist-console tools man

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

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
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) $< $(B)/libdnsdist.a $(LIBS_ALL) -o $@

tools: $(TOOLS)

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
	$(Q)for cc in $(CC) $(CLANG); do $$cc $(CSTD) $(WARN) $(PKG_CFLAGS) -MMD -MF $@.d -MT $@ -MP \
		-fsyntax-only -include $< -x c /dev/null || exit 1; done
	$(Q)touch $@

headers: $(HEADER_OK)

# Fuzzers: each runs from its committed corpus, and keeps what it finds in build/.
FUZZ_SECONDS ?= 10
FUZZ_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZERS      := $(FUZZ_SRC:test/%.c=$(B)/%)

$(B)/fuzz/%: test/fuzz/%.c $(B)/libdnsdist.a
	$(call say,FUZZER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) -fsanitize=fuzzer $< $(B)/libdnsdist.a $(LIBS_ALL) -o $@

fuzzers: $(FUZZERS)

fuzz:
	$(Q)$(MAKE) --no-print-directory B=build/fuzz CC=$(CLANG) MALLOC= HARDEN= LDHARDEN=-Wl,--as-needed \
		EXTRA_CFLAGS="-fsanitize=fuzzer-no-link $(FUZZ_FLAGS)" EXTRA_LDFLAGS="$(FUZZ_FLAGS)" fuzzers
	$(Q)tools/fuzz build/fuzz/fuzz test/fuzz/corpus $(FUZZ_SECONDS)

-include $(LIB_OBJ:.o=.d) $(wildcard $(B)/console/*.d $(B)/test/*.d $(B)/tools/*.d $(B)/fuzz/*.d) $(HEADER_OK:=.d)
