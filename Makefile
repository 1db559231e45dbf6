# neomem: `make run` boots it, `make test` proves it, `make help` lists the rest.
# Everything is built out of tree in $(BUILD); sources are listed by hand, one flavour of objects per use.

BUILD ?= build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CXX := $(if $(findstring clang,$(CC)),$(subst clang,clang++,$(CC)),$(subst gcc,g++,$(CC)))
FUZZ_CC ?= clang-14
LD := ld
OBJCOPY := objcopy
PYTHON := /usr/bin/python3
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

MEM ?= 256M
CPUS ?= 1
CMD ?=
SCREEN ?=
FUZZ_SECONDS ?= 600
FUZZ_SHORT_RUNS ?= 20000
MODEL_OPERATIONS ?= 300000
MODEL_LONG ?= 10000000
JOBS ?= 2

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# ---- sources -----------------------------------------------------------------------------------------

LIB_SRCS := $(wildcard kernel/lib/*.c)
MM_SRCS := $(wildcard kernel/mm/*.c)
KERNEL_SRCS := kernel/main.c $(LIB_SRCS) $(MM_SRCS) $(wildcard kernel/arch/x86_64/*.c) $(wildcard kernel/diag/*.c) \
	$(wildcard kernel/drivers/*.c) $(wildcard kernel/shell/*.c)
KERNEL_ASM := $(wildcard kernel/arch/x86_64/*.S)
KERNEL_CXX := $(wildcard kernel/mm/*.cpp) $(wildcard kernel/diag/*.cpp)
HOSTED_SRCS := $(wildcard kernel/port/hosted/*.c)
EFI_SRCS := $(wildcard efi/*.c)
EFI_ASM := efi/cpu.S efi/trampoline.S efi/kernel_blob.S
FONTS := Uni2-Terminus16 Uni2-Terminus32x16

# ---- flags -------------------------------------------------------------------------------------------

KNOBS := $(foreach knob,HEAP_SIZE_MB PAGE_POOL_SIZE FRAMES_HARDENING DEBUG_MEMORY,$(if $($(knob)),-D$(knob)=$($(knob))))
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Wpointer-arith -Wcast-align \
	-Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -Wnull-dereference \
	-Wredundant-decls -Wdouble-promotion -Wframe-larger-than=2048 -Werror
WARN_C := -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnested-externs
IS_CLANG := $(findstring clang,$(CC))
WARN_CC := $(if $(IS_CLANG),-Wconditional-uninitialized -Wassign-enum -Wcomma -Wmissing-variable-declarations,-Wlogical-op -Wduplicated-cond -Wtrampolines)
PREFIX_MAP = -ffile-prefix-map=$(abspath $(BUILD))/gen=gen -ffile-prefix-map=$(BUILD)/gen=gen -ffile-prefix-map=$(CURDIR)=.
FREESTANDING = -ffreestanding -nostdinc -isystem $(COMPILER_INCLUDE) -Iinclude -fno-strict-aliasing -fno-common -fvisibility=hidden \
	-mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -MMD -MP $(PREFIX_MAP) $(KNOBS)
# Speed on the paths of every allocation, size everywhere else.
HOT_SRCS := $(addprefix kernel/mm/,$(addprefix frames,.c _cpu.c _free.c _run.c _line.c _chunk.c _set.c _search.c _shared.c) \
	heap.c heap_store.c heap_large.c kmalloc.c pages.c page_table.c page_table_walk.c vmm.c vmm_areas.c) \
	$(addprefix kernel/lib/,string.c bitmap.c rbtree.c sort.c)
KERNEL_OPTIMISE = $(if $(filter $(HOT_SRCS),$<),-O2,-Os)
KERNEL_FLAGS = $(FREESTANDING) $(KERNEL_OPTIMISE) -g -ffunction-sections -fdata-sections -fpie -fno-omit-frame-pointer -fno-optimize-sibling-calls
KERNEL_CFLAGS = -std=c17 $(KERNEL_FLAGS) $(WARN) $(WARN_C) $(WARN_CC)
KERNEL_CXXFLAGS = -std=c++17 $(KERNEL_FLAGS) -nostdinc++ -fno-exceptions -fno-rtti -fno-threadsafe-statics $(WARN)
EFI_CFLAGS = -std=c17 $(FREESTANDING) -O2 -g -fpic -fshort-wchar -DGNU_EFI_USE_MS_ABI $(if $(IS_CLANG),,-maccumulate-outgoing-args) \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 $(WARN) $(WARN_C) $(WARN_CC)
HOST_FLAGS := -Iinclude -I. -Ikernel/mm -Ikernel/lib -Ikernel/drivers -Ikernel/shell -fno-strict-aliasing -fno-common -fno-builtin \
	-fno-omit-frame-pointer -g -MMD -MP -D_GNU_SOURCE $(PREFIX_MAP) $(KNOBS)
HOST_CFLAGS := -std=c17 $(HOST_FLAGS) $(WARN) $(WARN_C) $(WARN_CC) -Wframe-larger-than=65536
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# The copy and fill loops must not be recognised as calls of themselves.
STRING_FLAGS := $(if $(IS_CLANG),-fno-builtin,-fno-tree-loop-distribute-patterns -fno-builtin)

# ---- products ----------------------------------------------------------------------------------------

.PHONY: all run test bench image iso host fuzz check clean help
all: $(BUILD)/neomem.efi $(BUILD)/kernel.elf ## the program: build/neomem.efi (and build/kernel.elf with symbols)

run: $(BUILD)/neomem.img | setup-run ## boot it in QEMU: MEM=256M CPUS=1 CMD="run-time options" SCREEN=none|gtk|sdl
	$(Q)MEM='$(MEM)' CPUS='$(CPUS)' CMD='$(CMD)' SCREEN='$(SCREEN)' scripts/run_qemu.sh $(BUILD)/neomem.img

image: $(BUILD)/neomem.img ## disk image with GPT and ESP: `dd` it to a stick
iso: $(BUILD)/neomem.iso ## hybrid ISO: CD and stick

# ---- set-up ------------------------------------------------------------------------------------------

.PHONY: setup-build setup-run setup-test
setup-build setup-run setup-test: setup-%:
	$(Q)scripts/setup.sh $*

# The stamp changes when a knob or the compiler does, and with it every object.
STAMP := $(CC) $(KNOBS)
$(shell mkdir -p $(BUILD); [ "$$(cat $(BUILD)/.knobs 2>/dev/null)" = "$(STAMP)" ] || printf '%s' "$(STAMP)" > $(BUILD)/.knobs)

# All that the goals need is asked for at once.
SETUP_LEVEL := $(if $(filter test test-% check check-% fuzz coverage bench-frames-count,$(MAKECMDGOALS)),test,$(if $(filter run bench,$(MAKECMDGOALS)),run,$(if $(filter image iso,$(MAKECMDGOALS)),image,build)))
# Included, so that make reads everything again once the tools are there: a fresh machine needs no second call.
ifneq ($(filter-out clean help,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/setup.mk
endif
$(BUILD)/setup.mk: scripts/setup.sh $(BUILD)/.knobs
	$(Q)scripts/setup.sh $(SETUP_LEVEL)
	$(Q)printf 'COMPILER_INCLUDE := %s\n' "$$($(if $(IS_CLANG),echo $$($(CC) -print-resource-dir)/include,$(CC) -print-file-name=include))" > $@
COMMON_DEPS := Makefile $(BUILD)/setup.mk

# ---- kernel ------------------------------------------------------------------------------------------

KERNEL_OBJS := $(patsubst %,$(BUILD)/kernel-obj/%.o,$(KERNEL_SRCS) $(KERNEL_ASM) $(KERNEL_CXX)) \
	$(patsubst %,$(BUILD)/kernel-obj/font/%.o,$(FONTS))

$(BUILD)/kernel-obj/kernel/lib/string.c.o: KERNEL_CFLAGS += $(STRING_FLAGS)
$(BUILD)/kernel-obj/%.c.o: %.c $(COMMON_DEPS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(KERNEL_CFLAGS) -c $< -o $@
$(BUILD)/kernel-obj/%.cpp.o: %.cpp $(COMMON_DEPS)
	$(call say,CXX,$@)
	$(Q)mkdir -p $(@D) && $(CXX) $(KERNEL_CXXFLAGS) -c $< -o $@
$(BUILD)/kernel-obj/%.S.o: %.S $(COMMON_DEPS)
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D) && $(CC) -Iinclude -MMD -MP -g $(PREFIX_MAP) -c $< -o $@
$(BUILD)/gen/%.c: /usr/share/consolefonts/%.psf.gz scripts/psf2c.py
	$(call say,FONT,$@)
	$(Q)mkdir -p $(@D) && $(PYTHON) scripts/psf2c.py $< $@
/usr/share/consolefonts/%.psf.gz: ;
$(BUILD)/kernel-obj/font/%.o: $(BUILD)/gen/%.c $(COMMON_DEPS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(KERNEL_CFLAGS) -Ikernel/drivers -c $< -o $@

$(BUILD)/kernel.elf: $(KERNEL_OBJS) kernel/kernel.ld
	$(call say,LD,$@)
	$(Q)$(LD) -pie --no-dynamic-linker -nostdlib -z text -z noexecstack -z max-page-size=4096 -z norelro --hash-style=sysv \
		--gc-sections --no-undefined --orphan-handling=error --build-id=sha1 -T kernel/kernel.ld $(KERNEL_OBJS) -o $@.tmp
	$(Q)! readelf -rW $@.tmp | grep R_X86_64 | grep -v R_X86_64_RELATIVE || { echo 'kernel.elf: relocation of another type than RELATIVE'; exit 1; }
	@# ld calls a PIE that is linked for a non-zero address ET_EXEC; it is position-independent all the same: ET_DYN, 3.
	$(Q)printf '\003' | dd of=$@.tmp bs=1 seek=16 conv=notrunc status=none && mv $@.tmp $@
$(BUILD)/kernel.stripped: $(BUILD)/kernel.elf
	$(Q)$(OBJCOPY) --strip-all $< $@
$(BUILD)/kernel.stripped.digest: $(BUILD)/kernel.stripped scripts/blob_digest.py
	$(Q)$(PYTHON) scripts/blob_digest.py $< $@

# ---- the UEFI half -----------------------------------------------------------------------------------

EFI_OBJS := $(patsubst %,$(BUILD)/efi-obj/%.o,$(EFI_SRCS) $(EFI_ASM))

$(BUILD)/efi-obj/efi/string.c.o: EFI_CFLAGS += $(STRING_FLAGS)
$(BUILD)/efi-obj/%.c.o: %.c $(COMMON_DEPS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(EFI_CFLAGS) -c $< -o $@
$(BUILD)/efi-obj/%.S.o: %.S $(COMMON_DEPS)
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D) && $(CC) -Iinclude -I$(BUILD) -MMD -MP -g $(PREFIX_MAP) $(BLOB_DEFINES) -c $< -o $@
$(BUILD)/efi-obj/efi/kernel_blob.S.o: BLOB_DEFINES = -DKERNEL_BLOB='"$(BUILD)/kernel.stripped"' -DKERNEL_BLOB_DIGEST='"$(BUILD)/kernel.stripped.digest"'
$(BUILD)/efi-obj/efi/kernel_blob.S.o: $(BUILD)/kernel.stripped $(BUILD)/kernel.stripped.digest

$(BUILD)/neomem.efi: $(EFI_OBJS) efi/efi.ld scripts/pe_finish.py
	$(call say,EFI,$@)
	$(Q)$(LD) -nostdlib -znocombreloc -T efi/efi.ld -shared -Bsymbolic -z defs -z noexecstack --build-id=none --hash-style=sysv \
		/usr/lib/crt0-efi-x86_64.o $(EFI_OBJS) -L/usr/lib -lgnuefi -o $(BUILD)/neomem.so
	$(Q)! readelf -rW $(BUILD)/neomem.so | grep R_X86_64 | grep -v R_X86_64_RELATIVE || { echo 'neomem.so: relocation of another type than RELATIVE'; exit 1; }
	$(Q)$(OBJCOPY) -S -j .text -j .rodata -j .reloc -j .data -j .bss -j .dynamic -j .rela -j .sbat --target efi-app-x86_64 \
		--subsystem=10 --section-alignment 4096 $(BUILD)/neomem.so $@.tmp
	$(Q)$(PYTHON) scripts/pe_finish.py $@.tmp && mv $@.tmp $@

$(BUILD)/neomem.img: $(BUILD)/neomem.efi scripts/make_image.sh scripts/neomem.cfg
	$(call say,IMAGE,$@)
	$(Q)scripts/make_image.sh $< $@
$(BUILD)/neomem.iso: $(BUILD)/neomem.efi scripts/make_iso.sh scripts/neomem.cfg
	$(call say,ISO,$@)
	$(Q)scripts/make_iso.sh $< $@

# ---- the same memory manager for Linux -----------------------------------------------------------------

host: $(BUILD)/host/libneomem.a ## build/host/libneomem.a: the memory manager as a Linux library
HOST_LIB_OBJS := $(patsubst %,$(BUILD)/host-obj/%.o,$(LIB_SRCS) $(MM_SRCS) $(HOSTED_SRCS) $(wildcard kernel/mm/*.cpp))
$(BUILD)/host-obj/kernel/lib/string.c.o: HOST_CFLAGS += $(STRING_FLAGS)
$(BUILD)/host-obj/%.c.o: %.c $(COMMON_DEPS)
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -O2 -c $< -o $@
$(BUILD)/host-obj/%.cpp.o: %.cpp $(COMMON_DEPS)
	$(call say,HOSTCXX,$@)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++17 $(HOST_FLAGS) $(WARN) -O2 -fno-exceptions -fno-rtti -c $< -o $@
$(BUILD)/host/libneomem.a: $(HOST_LIB_OBJS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcsD $@ $(HOST_LIB_OBJS)

# ---- host tests: which sources each links -----------------------------------------------------------------
# One line a test: UNIT_<name> for tests/unit/<name>.c, MODEL_<name> for tests/model, FUZZ_<name> for tests/fuzz.

# -- adapter
ADAPTER := $(addprefix efi/memmap_limine,.c _sweep.c _emit.c _carve.c)
MEMORY_MAP := $(addprefix kernel/mm/memory_map,.c _check.c _query.c _reclaim.c)
ADAPTER_TEST := tests/support/memmaps.c $(ADAPTER) kernel/mm/memory_map_check.c kernel/lib/efi_memmap.c kernel/lib/efi_memmap_audit.c
UNIT_test_memmap_limine := $(ADAPTER_TEST)
UNIT_test_memmap_claims := $(ADAPTER_TEST)
UNIT_test_memmap_limits := $(ADAPTER_TEST)
UNIT_test_memmap_machines := $(ADAPTER_TEST)
UNIT_test_efi_memmap := $(ADAPTER_TEST)
UNIT_test_memory_map := $(MEMORY_MAP)
UNIT_test_memory_map_changes := $(MEMORY_MAP)
MODEL_model_memmap_limine := tests/support/painted_world.c $(ADAPTER_TEST)
MODEL_model_memory_map := $(sort $(ADAPTER_TEST) $(MEMORY_MAP))
FUZZ_fuzz_memmap_limine := $(sort $(ADAPTER_TEST) $(MEMORY_MAP))
# -- lib
LIB_TEST := kernel/lib/string.c kernel/lib/printf.c kernel/lib/utf8.c kernel/lib/record.c kernel/lib/console.c kernel/lib/panic.c
OPTIONS_TEST := kernel/lib/options.c kernel/lib/options_table.c kernel/lib/options_text.c kernel/lib/parse.c
UNIT_test_readme := $(OPTIONS_TEST) $(LIB_TEST)
UNIT_test_string := kernel/lib/string.c
UNIT_test_printf := kernel/lib/printf.c kernel/lib/string.c
UNIT_test_sort := kernel/lib/sort.c kernel/lib/string.c
UNIT_test_rbtree := kernel/lib/rbtree.c kernel/lib/rbtree_check.c $(LIB_TEST)
UNIT_test_list := $(LIB_TEST)
UNIT_test_bitmap := kernel/lib/bitmap.c
UNIT_test_options := $(OPTIONS_TEST) $(LIB_TEST)
UNIT_test_record := tests/unit/json_check.c kernel/lib/warning.c $(LIB_TEST)
UNIT_test_console := $(LIB_TEST)
UNIT_test_panic := tests/unit/json_check.c $(LIB_TEST)
UNIT_test_random := kernel/lib/random.c $(LIB_TEST)
UNIT_test_parse := kernel/lib/parse.c kernel/lib/status.c
UNIT_test_utf8 := kernel/lib/utf8.c
FUZZ_fuzz_options := $(OPTIONS_TEST) $(LIB_TEST)
FUZZ_fuzz_record := tests/unit/json_check.c $(LIB_TEST)
FUZZ_fuzz_printf := kernel/lib/printf.c kernel/lib/string.c
# -- efi
UNIT_test_efi_text := efi/text.c
UNIT_test_efi_options := efi/options.c efi/text.c
UNIT_test_entropy_mix := efi/entropy_mix.c efi/blake2s.c efi/text.c
UNIT_test_kernel_image := efi/kernel_image.c efi/blake2s.c tests/support/make_elf.c
UNIT_test_first_tables := efi/first_tables.c
FUZZ_fuzz_kernel_image := efi/kernel_image.c efi/blake2s.c
FUZZ_fuzz_efi_options := efi/options.c efi/text.c
# -- mm
MM_PORT := kernel/port/hosted/arch_hosted.c kernel/port/hosted/phys_arena.c tests/support/mm_fixture.c kernel/lib/bitmap.c kernel/lib/status.c \
	$(LIB_TEST)
MM_MAP := kernel/mm/memory_map.c kernel/mm/memory_map_query.c kernel/mm/memory_map_check.c
MM_FRAMES := $(wildcard kernel/mm/frames*.c) kernel/mm/early.c kernel/mm/pages.c $(MM_MAP) $(MM_PORT)
UNIT_test_early := $(MM_FRAMES)
UNIT_test_frames := $(MM_FRAMES)
UNIT_test_frames_pool := $(MM_FRAMES)
UNIT_test_frames_maps := $(MM_FRAMES)
UNIT_test_frames_requests := $(MM_FRAMES)
UNIT_test_frames_retire := $(MM_FRAMES)
UNIT_test_frames_grow := $(MM_FRAMES)
UNIT_test_frames_hardening := $(MM_FRAMES)
UNIT_test_frames_double := $(MM_FRAMES)
UNIT_test_frames_nodes := $(MM_FRAMES)
UNIT_test_frames_windows := $(MM_FRAMES)
UNIT_test_frames_many := $(MM_FRAMES)
MODEL_model_frames := $(addprefix tests/support/,frames_machine.c frames_model.c frames_model_alloc.c frames_model_free.c frames_model_memory.c \
	frames_model_rules.c naive_frames.c) $(MM_FRAMES)
MM_TABLES := kernel/mm/page_table.c kernel/mm/page_table_walk.c $(MM_FRAMES)
UNIT_test_pte :=
UNIT_test_page_table := $(MM_TABLES)
UNIT_test_page_table_refusals := $(MM_TABLES)
MODEL_model_page_table := $(MM_TABLES)
MM_VMM := kernel/mm/vmm.c kernel/mm/vmm_areas.c kernel/lib/rbtree.c $(MM_TABLES)
UNIT_test_vmm := tests/support/vmm_machine.c $(MM_VMM)
UNIT_test_vmm_areas := tests/support/vmm_machine.c $(MM_VMM)
UNIT_test_vmm_placement := kernel/mm/vmm_areas.c kernel/lib/rbtree.c $(MM_TABLES)
MM_RUNS := $(addprefix kernel/mm/,heap_large.c heap_check.c kmalloc.c) kernel/lib/rbtree.c kernel/lib/rbtree_check.c $(MM_FRAMES)
MM_STORE := kernel/mm/heap_store.c $(MM_RUNS)
UNIT_test_heap := $(MM_STORE)
UNIT_test_heap_no_memory := $(MM_STORE)
UNIT_test_heap_damage := $(MM_RUNS)
UNIT_test_heap_debug := kernel/lib/rbtree.c kernel/lib/rbtree_check.c $(MM_FRAMES)
MODEL_model_heap := $(MM_STORE)
MM_HEAP := kernel/mm/heap.c $(MM_STORE)
UNIT_test_mm_threads := $(MM_HEAP)
UNIT_test_libneomem :=
UNIT_test_cxx_operators := tests/unit/cxx_probe.cpp kernel/mm/cxx_operators.cpp $(MM_HEAP)
# -- shell
SHELL_LIB := kernel/lib/console.c kernel/lib/printf.c kernel/lib/string.c
FBTEXT := kernel/drivers/fbtext.c kernel/drivers/fbtext_draw.c kernel/drivers/fbtext_terminal.c kernel/lib/utf8.c
LINE_EDITOR := $(addprefix kernel/shell/line_,editor.c text.c history.c complete.c draw.c) kernel/lib/utf8.c
UNIT_test_fbtext := $(FBTEXT) $(SHELL_LIB) tests/support/fake_io.c gen/Uni2-Terminus16.c gen/Uni2-Terminus32x16.c
UNIT_test_keyboard := kernel/drivers/keyboard.c kernel/drivers/keyboard_decode.c tests/support/fake_io.c
UNIT_test_serial := kernel/drivers/serial.c kernel/drivers/uart.c $(SHELL_LIB) tests/support/fake_io.c tests/support/mmio_trap.c
UNIT_test_acpi := kernel/drivers/acpi_discover.c kernel/drivers/acpi_parse.c kernel/drivers/acpi.c $(SHELL_LIB)
TOPOLOGY := $(addprefix kernel/drivers/acpi_topology_,srat.c ranges.c distance.c parse.c) kernel/drivers/acpi_parse.c kernel/lib/sort.c
UNIT_test_acpi_topology := $(TOPOLOGY) $(SHELL_LIB)
UNIT_test_acpi_topology_distance := $(TOPOLOGY) $(SHELL_LIB)
UNIT_test_acpi_topology_kernel := $(TOPOLOGY) kernel/drivers/acpi_topology.c kernel/drivers/acpi_topology_report.c kernel/lib/status.c \
	kernel/lib/warning.c $(LIB_TEST)
UNIT_test_power := kernel/drivers/power.c $(SHELL_LIB) tests/support/fake_io.c tests/support/mmio_trap.c
UNIT_test_line_editor := $(LINE_EDITOR) $(SHELL_LIB) tests/support/text_terminal.c
UNIT_test_shell := kernel/shell/shell.c kernel/shell/shell_parse.c $(LINE_EDITOR) $(SHELL_LIB)
UNIT_test_commands := $(addprefix kernel/shell/commands,.c _help.c _map.c _memory.c _alloc.c _system.c) kernel/lib/efi_memmap.c kernel/diag/stats_record.c \
	tests/unit/json_check.c kernel/lib/status.c $(MEMORY_MAP) $(OPTIONS_TEST) $(LIB_TEST)
UNIT_test_commands_frames := $(addprefix kernel/shell/commands_frames,.c _map.c _bench.c) kernel/diag/frames_report.c kernel/diag/frames_picture.c \
	tests/unit/json_check.c kernel/lib/parse.c kernel/lib/sort.c kernel/lib/status.c $(LIB_TEST)
FUZZ_fuzz_acpi := kernel/drivers/acpi_discover.c kernel/drivers/acpi_parse.c $(SHELL_LIB)
FUZZ_fuzz_acpi_topology := $(TOPOLOGY) $(SHELL_LIB)
FUZZ_fuzz_line_editor := $(LINE_EDITOR) $(SHELL_LIB) tests/support/text_terminal.c

UNIT_TESTS := $(patsubst UNIT_%,%,$(filter UNIT_test_%,$(.VARIABLES)))
MODEL_TESTS := $(patsubst MODEL_%,%,$(filter MODEL_model_%,$(.VARIABLES)))
FUZZ_TARGETS := $(patsubst FUZZ_%,%,$(filter FUZZ_fuzz_%,$(.VARIABLES)))

$(BUILD)/asan/kernel/lib/string.c.o: HOST_CFLAGS += $(STRING_FLAGS)
$(BUILD)/asan/%.c.o: %.c $(COMMON_DEPS)
	$(call say,ASANCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -O1 $(SANITIZE) $(COVERAGE) -c $< -o $@
$(BUILD)/asan/%.S.o: %.S $(COMMON_DEPS)
	$(Q)mkdir -p $(@D) && $(CC) -Iinclude -MMD -MP -c $< -o $@
$(BUILD)/asan/gen/%.c.o: $(BUILD)/gen/%.c $(COMMON_DEPS)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -O1 $(SANITIZE) -c $< -o $@
$(BUILD)/asan/%.cpp.o: %.cpp $(COMMON_DEPS)
	$(Q)mkdir -p $(@D) && $(CXX) -std=c++17 $(HOST_FLAGS) $(WARN) -O1 $(SANITIZE) -c $< -o $@
asan_objs = $(patsubst %,$(BUILD)/asan/%.o,$(1))

define unit_rule
$(BUILD)/tests/$(1): $(call asan_objs,tests/unit/$(1).c $(UNIT_$(1)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(if $(filter %.cpp,$(UNIT_$(1))),$(CXX),$(CC)) $(SANITIZE) $(COVERAGE) $$^ -lcmocka -lpthread -o $$@
endef
define model_rule
$(BUILD)/tests/$(1): $(call asan_objs,tests/model/$(1).c $(MODEL_$(1)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(SANITIZE) $(COVERAGE) $$^ -lcmocka -lpthread -o $$@
endef
define fuzz_rule
$(BUILD)/fuzz/$(1): tests/fuzz/$(1).c $(FUZZ_$(1)) $(COMMON_DEPS)
	$$(call say,FUZZCC,$$@)
	$$(Q)mkdir -p $$(@D) && $(FUZZ_CC) -std=c17 $(HOST_FLAGS) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		tests/fuzz/$(1).c $(FUZZ_$(1)) -o $$@
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_rule,$(test))))
$(foreach test,$(MODEL_TESTS),$(eval $(call model_rule,$(test))))
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(target))))
# Linked as a user would, after its own objects.
$(BUILD)/tests/test_libneomem: $(BUILD)/host/libneomem.a

.PHONY: test-unit test-model test-fuzz test-boot test-reproducible
test: setup-test ## everything: host tests, short fuzzing, static checks, reproducibility, all boots
	$(Q)scripts/run_tests.sh $(BUILD) $(JOBS)
test-unit test-model test-fuzz fuzz test-boot check-format check-headers check-shell check-cppcheck check-tidy: | setup-test
test-unit: $(patsubst %,$(BUILD)/tests/%,$(UNIT_TESTS)) ## host unit tests under ASan and UBSan
	$(Q)scripts/run_host_tests.sh unit $^
test-model: $(patsubst %,$(BUILD)/tests/%,$(MODEL_TESTS)) ## random operations against naive references
	$(Q)MODEL_OPERATIONS=$(MODEL_OPERATIONS) scripts/run_host_tests.sh model $^
# The same without sanitizers, which finds what takes many operations.
$(BUILD)/model_frames_long: $(patsubst %,$(BUILD)/host-obj/%.o,tests/model/model_frames.c $(MODEL_model_frames))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ -o $@
.PHONY: model-long
model-long: $(BUILD)/model_frames_long ## the frame allocator's model at length: MODEL_LONG=10000000 SEED=1
	$(Q)$< $(MODEL_LONG) $(SEED)
test-fuzz: $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ_TARGETS)) ## every fuzz target over its kept corpus, then a short run
	$(Q)FUZZ_RUNS=$(FUZZ_SHORT_RUNS) scripts/run_host_tests.sh fuzz $^
fuzz: $(BUILD)/ilv/ilv $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ_TARGETS)) ## long: FUZZ_SECONDS=600 for each fuzz target and for interleavings
	$(Q)$(BUILD)/ilv/ilv --long $(FUZZ_SECONDS)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/run_host_tests.sh fuzz $(filter-out $<,$^)

# -- ilv: the interleaving checker (every atomic access of the frame allocator is a place to switch) and the stepper (every
# instruction of it is a place for a nested call). The subject is compiled as for the kernel.
ILV_SUBJECT := $(filter-out kernel/mm/frames_pool%,$(wildcard kernel/mm/frames*.c)) kernel/mm/early.c $(addprefix kernel/lib/,bitmap.c status.c string.c printf.c) tests/ilv/subject_set.c
ILV_RUNNER := tests/ilv/schedule.c $(wildcard tests/ilv/world*.c tests/ilv/scene*.c)
ILV_CFLAGS = $(KERNEL_CFLAGS) -fno-function-sections -fno-data-sections -fno-reorder-functions -fno-pie -Wno-shadow
$(BUILD)/ilv-obj/subject/kernel/lib/string.c.o $(BUILD)/ilv-obj/stepped/kernel/lib/string.c.o: KERNEL_CFLAGS += $(STRING_FLAGS)
$(BUILD)/ilv-obj/subject/%.c.o: %.c tests/ilv/step.h $(COMMON_DEPS)
	$(call say,ILVCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ILV_CFLAGS) -include tests/ilv/step.h -c $< -o $@
$(BUILD)/ilv-obj/stepped/%.c.o: %.c $(COMMON_DEPS)
	$(call say,ILVCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ILV_CFLAGS) -c $< -o $@ && $(OBJCOPY) --rename-section .text=frames_text $@
$(BUILD)/ilv-obj/tests/%.c.o: tests/%.c $(COMMON_DEPS)
	$(call say,ILVCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -O3 -fno-pie -c $< -o $@
$(BUILD)/ilv/ilv: $(patsubst %,$(BUILD)/ilv-obj/%.o,$(ILV_RUNNER) $(addprefix tests/ilv/,explore.c replay.c ilv.c)) $(patsubst %,$(BUILD)/ilv-obj/subject/%.o,$(ILV_SUBJECT))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -no-pie $^ -o $@
$(BUILD)/ilv/nmi_step: $(patsubst %,$(BUILD)/ilv-obj/%.o,$(ILV_RUNNER) tests/ilv/nmi_step.c) $(patsubst %,$(BUILD)/ilv-obj/stepped/%.o,$(ILV_SUBJECT))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -no-pie $^ -o $@
.PHONY: test-ilv ilv
test-ilv: $(BUILD)/ilv/ilv $(BUILD)/ilv/nmi_step ## the frame allocator under every interleaving with few preemptions, and under NMIs
	$(Q)$(BUILD)/ilv/ilv && $(BUILD)/ilv/nmi_step
ilv: $(BUILD)/ilv/ilv $(BUILD)/ilv/nmi_step ## the same with one preemption more everywhere: some hours
	$(Q)$(BUILD)/ilv/ilv --long && $(BUILD)/ilv/nmi_step --long

# -- tsan: real threads under ThreadSanitizer. It knows no fences (-Wno-tsan): nothing here relies on one alone.
TSAN_SECONDS ?= 10
TSAN_SRCS := tests/tsan/frames_stress.c $(MM_FRAMES)
$(BUILD)/tsan-obj/kernel/lib/string.c.o: HOST_CFLAGS += $(STRING_FLAGS)
$(BUILD)/tsan-obj/%.c.o: %.c $(COMMON_DEPS)
	$(call say,TSANCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -O1 -fsanitize=thread $(if $(IS_CLANG),,-Wno-tsan) -c $< -o $@
$(BUILD)/tsan/frames_stress: $(patsubst %,$(BUILD)/tsan-obj/%.o,$(TSAN_SRCS))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -fsanitize=thread $^ -lpthread -o $@
.PHONY: test-tsan
test-tsan: $(BUILD)/tsan/frames_stress ## the frame allocator on four threads under ThreadSanitizer: TSAN_SECONDS=10
	$(Q)$< $(TSAN_SECONDS)

# -- mutants: known bugs, each put into a private copy of the tree; some test must find it.
.PHONY: mutants test-mutants
mutants: ## every seeded bug must be found: ten minutes; WRITE=docs/testing.md
	$(Q)$(PYTHON) scripts/run_mutants.py --build $(BUILD) --workers $(JOBS) $(if $(WRITE),--write $(WRITE))
test-mutants:
	$(Q)$(PYTHON) scripts/run_mutants.py --build $(BUILD) --workers $(JOBS) --sample

-include test-images/programs.mk

test-boot: $(BUILD)/neomem.efi $(BUILD)/kernel.elf $(BUILD)/neomem.img $(BUILD)/neomem.iso $(TEST_PROGRAMS) ## every scenario of test-images/ under QEMU
	$(Q)$(PYTHON) scripts/test_images.py --build $(BUILD) --jobs $(JOBS)

.PHONY: coverage
coverage: setup-test ## line and branch coverage of what runs on the host
	$(Q)scripts/coverage.sh $(BUILD)

bench: setup-run $(BUILD)/neomem.efi ## instructions from efi_main to a ready kernel, 256 MiB to 1 TiB
	$(Q)$(PYTHON) bench/boot_cost.py $(BUILD)/neomem.efi

# The page frame allocator against its peers: all of it built with the same flags. And its instruction counts: the kernel's
# own objects, since only those say what the kernel pays.
BENCH_FRAMES_KERNEL := kernel/mm/early.c $(wildcard kernel/mm/frames*.c) \
	$(addprefix kernel/lib/,bitmap.c status.c string.c printf.c utf8.c record.c console.c panic.c)
BENCH_FRAMES_SRCS := $(filter-out bench/frames/count.c,$(wildcard bench/frames/*.c)) $(BENCH_FRAMES_KERNEL) \
	kernel/port/hosted/console_hosted.c
BENCH_FLAGS := -O2 -march=native -fno-strict-aliasing -fno-common
BENCH_CFLAGS = -std=c17 -Iinclude -Ikernel/mm -D_GNU_SOURCE -g -MMD -MP $(BENCH_FLAGS) $(WARN) $(WARN_C) $(WARN_CC) -Wframe-larger-than=65536
$(BUILD)/bench-frames-obj/kernel/lib/string.c.o: BENCH_FLAGS += $(STRING_FLAGS)
$(BUILD)/bench-frames-obj/%.c.o: %.c $(COMMON_DEPS)
	$(call say,BENCHCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(BENCH_CFLAGS) -c $< -o $@
$(BUILD)/bench-frames: $(patsubst %,$(BUILD)/bench-frames-obj/%.o,$(BENCH_FRAMES_SRCS))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ -lpthread -o $@
$(BUILD)/host-obj/bench/frames/count.c.o: HOST_CFLAGS += $(if $(IS_CLANG),,-fno-ipa-icf -fno-ipa-cp)
$(BUILD)/bench-frames-count: $(patsubst %,$(BUILD)/host-obj/%.o,bench/frames/count.c bench/frames/arch_bench.c kernel/port/hosted/console_hosted.c) \
		$(patsubst %,$(BUILD)/kernel-obj/%.o,$(BENCH_FRAMES_KERNEL))
	$(call say,LINK,$@)
	$(Q)$(CC) $^ -o $@

.PHONY: bench-frames bench-frames-count
bench-frames: $(BUILD)/bench-frames ## page frame allocators compared, 1 GiB to 1 TiB: BENCH_QUICK=1, WRITE=docs/benchmarks.md
	$(Q)CC='$(CC)' BENCH_FLAGS='$(BENCH_FLAGS)' $(PYTHON) bench/frames/run.py $< $(BUILD)/bench-frames $(if $(WRITE),--write $(WRITE))
bench-frames-count: $(BUILD)/bench-frames-count ## instructions of the frame allocator's paths; fails when one grew by 5 %
	$(Q)CC='$(CC)' $(PYTHON) bench/frames/count.py $<
bench-frames-count: | setup-test

# ---- static checks -------------------------------------------------------------------------------------

CHECKED_C := $(wildcard efi/*.c) $(KERNEL_SRCS)
CHECKED_ALL := $(CHECKED_C) $(KERNEL_CXX) $(HOSTED_SRCS) $(wildcard efi/*.h include/*.h include/neomem/*.h kernel/*/*.h kernel/*/*/*.h) \
	$(wildcard tests/*/*.c tests/*/*.h test-images/*/*.c bench/*/*.c bench/*/*.h)
TIDY_FLAGS := -std=c17 -ffreestanding -Iinclude -fno-strict-aliasing -mno-red-zone -mgeneral-regs-only -fshort-wchar \
	-DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64

.PHONY: check-format check-layers check-headers check-shell check-cppcheck check-tidy
check: check-format check-layers check-headers check-shell check-cppcheck check-tidy ## clang-tidy, cppcheck, format, layers, headers, shellcheck
check-format:
	$(Q)clang-format-14 --dry-run -Werror $(CHECKED_ALL)
check-layers: $(BUILD)/kernel.elf
	$(Q)$(PYTHON) scripts/check_layers.py --objects $(BUILD)/kernel-obj
check-headers:
	$(Q)scripts/check_headers.sh $(CC)
check-shell:
	$(Q)shellcheck scripts/*.sh .ci/run
# Switched off: what this version of cppcheck gets wrong (distances of linker symbols, a compound literal after ?:,
# an array that its callee fills, an index that a loop has just decremented).
check-cppcheck:
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j2 -Iinclude \
		--suppress=missingIncludeSystem --suppress=unmatchedSuppression --suppress=comparePointers \
		--suppress=internalAstError --suppress=ctuuninitvar --suppress=arrayIndexOutOfBoundsCond $(CHECKED_C)
check-tidy: $(patsubst %,$(BUILD)/tidy/%.ok,$(CHECKED_C))
$(BUILD)/tidy/%.ok: % .clang-tidy $(COMMON_DEPS)
	$(call say,TIDY,$@)
	$(Q)mkdir -p $(@D) && clang-tidy-14 --quiet $< -- $(TIDY_FLAGS) 2>$@.log || { cat $@.log; exit 1; }; touch $@

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

help: ## this list
	$(Q)awk -F':.*## ' '/^[a-z-]+:.*## /{split($$1,t,":"); printf "  make %-18s %s\n", t[1], $$2}' Makefile

-include $(shell find $(BUILD) -path $(BUILD)/reproducible -prune -o -path $(BUILD)/clang -prune -o -path $(BUILD)/mutants -prune -o -name "*.d" -print 2>/dev/null)
