# How it is built.  Sources are in sources.mk, unit tests in tests/unit/tests.mk, fuzzers in tests/fuzz/tests.mk.

# Flags stamp: objects are rebuilt when the flags change, and only then.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(CLANG) $(BPF_CFLAGS)
$(B)/flags: force
	@mkdir -p $(@D); echo '$(subst ','"'"',$(FLAGS_NOW))' | cmp -s - $@ || echo '$(subst ','"'"',$(FLAGS_NOW))' > $@

OBJS := $(ALL_SRCS:%.c=$(B)/%.o)
SKELS := $(BPF_PROGS:%.bpf.c=$(B)/%.skel.h)
$(B)/%.o: %.c $(B)/flags
	$(call SAY,CC $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(BPF_COLLECTOR_SRCS:%.c=$(B)/%.o): | $(SKELS)
$(B)/viewer/html/bundle.o: viewer/html/built/page.js viewer/html/built/page.css

# The script and style of the page of differences, embedded as they are; their hashes for its content security policy.
DIFF_ASSETS := viewer/diff/diff.js viewer/diff/diff.css
sha256_base64 = $$(sha256sum < $(1) | cut -c 1-64 | tr a-f A-F | basenc --base16 -d | base64)
$(B)/viewer/diff/hashes.h: $(DIFF_ASSETS)
	@mkdir -p $(@D)
	@printf '#pragma once\n#define DIFF_JS_HASH "sha256-%s"\n#define DIFF_CSS_HASH "sha256-%s"\n' \
		"$(call sha256_base64,viewer/diff/diff.js)" "$(call sha256_base64,viewer/diff/diff.css)" > $@
$(B)/viewer/diff/assets.o: $(B)/viewer/diff/hashes.h $(DIFF_ASSETS)

PROTO_OBJS := $(PROTOS:%.proto=$(B)/%.pb-c.o)
PROTO_HEADERS := $(PROTOS:%.proto=$(B)/%.pb-c.h)
$(PROTO_HEADERS): $(B)/%.pb-c.h: %.proto
	$(call SAY,PROTO $<)
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(B) $<
$(B)/%.pb-c.c: $(B)/%.pb-c.h
	@:
$(PROTO_OBJS): %.o: %.c $(B)/flags
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(PROTOS:%.proto=$(B)/%.o): | $(PROTO_HEADERS)

$(B)/gilscope: $(OBJS) $(PROTO_OBJS)
	$(call SAY,LINK $@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/gilscope.1: docs/gilscope.1.scd
	$(call SAY,MAN $<)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

# The preloaded library: its own flags, for it runs inside other programs.  No sanitizers, no fortified calls.
PRELOAD := $(B)/libgilscope_preload.so
PRELOAD_CFLAGS := -std=gnu11 $(if $(filter 1,$(DEBUG)),-O1 -g,-O2 -g) $(WARNINGS) $(if $(filter 1,$(WERROR)),-Werror) \
	-fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-common -fno-plt -fno-stack-protector
$(PRELOAD): $(PRELOAD_SRCS) $(wildcard collectors/signal/preload/*.h core/event/event.h core/interp/frame_walk.h core/interp/parked.h) \
		collectors/signal/preload/symbols.map $(B)/flags
	$(call SAY,PRELOAD $@)
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -D_GNU_SOURCE $(PRELOAD_CFLAGS) -shared -Wl,-z,relro,-z,now,-z,nodelete,-Bsymbolic-functions,--build-id=none -s \
		-Wl,--version-script=collectors/signal/preload/symbols.map -Wl,-soname,$(@F) -o $@ $(PRELOAD_SRCS)
$(B)/collectors/signal/embedded.o: $(PRELOAD)
$(B)/collectors/signal/embedded.o: CPPFLAGS += -DGILSCOPE_PRELOAD_FILE='"$(PRELOAD)"'

# BPF: one object per program, wrapped into a skeleton header that its loader includes as "collectors/bpf/x.skel.h".
$(B)/%.bpf.o: %.bpf.c $(B)/flags
	$(call SAY,BPF $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -I. -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<
$(B)/%.skel.h: $(B)/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $(*F)_bpf > $@

# Test programs: one binary each, linking exactly the files it names in NAME_SRCS (besides its own NAME.c).
UNIT_TESTS :=
TEST_TOOLS :=
FUZZERS :=
-include tests/unit/tests.mk tests/fuzz/tests.mk tests/truth/truth.mk tests/bench/bench.mk
UNIT_BINS := $(UNIT_TESTS:%=$(B)/tests/unit/%)
TOOL_BINS := $(TEST_TOOLS:%=$(B)/%)
FUZZ_BINS := $(FUZZERS:%=$(B)/tests/fuzz/%)
# $(1) path without suffix, $(2) linker flags; the .secondary keeps objects so that nothing is built twice
define PROG_RULE
$(B)/$(1): $(B)/$(1).o $$($(notdir $(1))_SRCS:%.c=$(B)/%.o)
	$$(call SAY,LINK $$@)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $(2) $$($(notdir $(1))_LIBS) $$(LDLIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call PROG_RULE,tests/unit/$(t),-lcmocka)))
$(foreach t,$(TEST_TOOLS),$(eval $(call PROG_RULE,$(t),)))
$(foreach t,$(FUZZERS),$(eval $(call PROG_RULE,tests/fuzz/$(t),-fsanitize=fuzzer)))
.SECONDARY:

# For editors: one entry per C file, flags as in this mode.
compile_commands.json: force
	@for f in $(ALL_SRCS); do printf '{"directory":"%s","file":"%s","command":"%s"}\n' '$(CURDIR)' "$$f" \
		'$(subst ",\",$(CC) $(subst ','\'',$(CPPFLAGS)) $(ALL_CFLAGS)) -c '"$$f"; done | jq -s . > $@

-include $(shell [ -d $(B) ] && find $(B) -name '*.d')
