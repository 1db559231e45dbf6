# The small UEFI programs of test-images/: built from the same rules and flags as neomem's own UEFI half, but linked
# with gnu-efi's stock script. Included by the Makefile.

TEST_PROGRAM_NAMES := hostile la57-shim
TEST_PROGRAMS := $(patsubst %,$(BUILD)/test-images/programs/%.efi,$(TEST_PROGRAM_NAMES))
TEST_COMMON_SRCS := $(addprefix test-images/common/,chain.c memory.c report.c port.S)
TEST_SRCS_hostile := $(addprefix test-images/hostile/,main.c arena.c canary.c exit.c graphics.c load_options.c map.c pages.c)
TEST_SRCS_la57-shim := $(addprefix test-images/la57-shim/,main.c switch.S)

# -O1 and no builtins: memory.c's loops stay loops.
$(BUILD)/efi-obj/test-images/%.o: EFI_CFLAGS += -O1 -fno-builtin -Itest-images/common

define test_program_rule
$(BUILD)/test-images/programs/$(1).efi: $(patsubst %,$(BUILD)/efi-obj/%.o,$(TEST_SRCS_$(1)) $(TEST_COMMON_SRCS)) test-images/programs.mk
	$$(call say,EFI,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(LD) -nostdlib -znocombreloc -T /usr/lib/elf_x86_64_efi.lds -shared -Bsymbolic -z defs -z noexecstack --no-warn-rwx-segments \
		/usr/lib/crt0-efi-x86_64.o $$(filter %.o,$$^) -L/usr/lib -lgnuefi -o $$(@:.efi=.so)
	$$(Q)$$(OBJCOPY) -S -j .text -j .data -j .dynamic -j .dynsym -j .rela -j .reloc --target efi-app-x86_64 --subsystem=10 \
		$$(@:.efi=.so) $$@.tmp && mv $$@.tmp $$@
endef
$(foreach program,$(TEST_PROGRAM_NAMES),$(eval $(call test_program_rule,$(program))))
