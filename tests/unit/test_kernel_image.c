/* test_kernel_image.c — the loader's ELF check: a good image loads as it should, and every single thing that can be
 * wrong with one is found and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "efi/blake2s.h"
#include "efi/kernel_image.h"
#include "tests/support/make_elf.h"

static struct make_elf elf;
static struct kernel_image image;

static int set_up(void **state)
{
    (void)state;
    make_elf(&elf);
    return 0;
}

/* Check a copy of exactly nbytes bytes at an odd address, so that ASan and UBSan see every careless access. */
static const char *check_bytes(size_t nbytes)
{
    uint8_t *copy = malloc(nbytes + 1);
    const char *fault;

    memcpy(copy + 1, &elf, nbytes);
    fault = kernel_image_check(&image, copy + 1, nbytes);
    free(copy);
    return fault;
}

static void expect_fault(const char *text)
{
    const char *fault = check_bytes(sizeof elf);

    assert_non_null(fault);
    assert_string_equal(fault, text);
    make_elf(&elf);
}

static void test_good_image_is_described(void **state)
{
    (void)state;
    assert_null(check_bytes(sizeof elf));
    assert_true(image.link_base == MAKE_ELF_BASE);
    assert_int_equal(image.memory_bytes, 0x6000);
    assert_int_equal(image.entry_offset, 0x10);
    assert_int_equal(image.segment_count, 4);
    assert_int_equal(image.relocation_count, MAKE_ELF_RELAS);
    assert_true(image.segments[0].is_executable && !image.segments[0].is_writable);
    assert_false(image.segments[1].is_executable || image.segments[1].is_writable);
    assert_false(image.segments[2].is_executable || image.segments[2].is_writable);
    assert_true(image.segments[3].is_writable && !image.segments[3].is_executable);
    assert_int_equal(image.segments[3].offset, 0x3000);
    assert_int_equal(image.segments[3].memory_bytes, 0x3000);
}

static uint64_t word_at(const uint8_t *memory, size_t offset)
{
    uint64_t word;
    memcpy(&word, memory + offset, sizeof word);
    return word;
}

static void test_load_fills_and_relocates(void **state)
{
    (void)state;
    static const virt_addr_t bases[] = {MAKE_ELF_BASE, MAKE_ELF_BASE + 0x12345000, 0xFFFFFFFFBFFFA000};

    assert_null(kernel_image_check(&image, &elf, sizeof elf));
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        uint8_t *memory = malloc(image.memory_bytes);

        memset(memory, 0x77, image.memory_bytes);
        kernel_image_load(&image, memory, bases[i]);
        assert_memory_equal(memory, elf.text, sizeof elf.text);
        for (size_t at = sizeof elf.text; at < 0x1000; at++) {
            assert_int_equal(memory[at], 0);
        }
        assert_memory_equal(memory + 0x1000, elf.relas, sizeof elf.relas);
        assert_true(word_at(memory, 0x2060) == bases[i] + 0x20);
        assert_true(word_at(memory, 0x3000) == 0xDADADADADADADADAu);
        assert_true(word_at(memory, 0x3008) == bases[i] + 0x3000);
        assert_true(word_at(memory, 0x3010) == 0xDADADADADADADADAu);
        assert_true(word_at(memory, 0x3100) == 0);
        assert_true(word_at(memory, 0x4FF8) == bases[i] + 0x6000);
        assert_true(word_at(memory, 0x5FF8) == 0);
        free(memory);
    }
}

static void test_no_relocations(void **state)
{
    (void)state;
    elf.dynamics[1].value = 0;
    assert_null(check_bytes(sizeof elf));
    assert_int_equal(image.relocation_count, 0);
    elf.dynamics[0].tag = 0; /* DT_NULL: the rest does not count */
    elf.dynamics[1] = (struct make_elf_dynamic){17, 1};
    assert_null(check_bytes(sizeof elf));
}

static void test_every_truncation(void **state)
{
    (void)state;
    for (size_t nbytes = 0; nbytes < sizeof elf; nbytes++) {
        assert_non_null(check_bytes(nbytes));
    }
}

static void test_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        elf.header.ident[i] ^= 1;
        expect_fault("not a 64-bit little-endian ELF file");
    }
    elf.header.version = 2;
    expect_fault("not a 64-bit little-endian ELF file");
    elf.header.machine = 183;
    expect_fault("not for x86-64");
    elf.header.type = 2;
    expect_fault("not position-independent");
    elf.header.program_entry_bytes = 55;
    expect_fault("unusable program headers");
    elf.header.program_count = 0;
    expect_fault("unusable program headers");
    elf.header.program_count = 33;
    expect_fault("unusable program headers");
    elf.header.program_count = 32;
    expect_fault("program headers reach beyond the end of the file");
    elf.header.program_offset = UINT64_MAX - 100;
    expect_fault("program headers reach beyond the end of the file");
    elf.header.program_count = 1;
    elf.programs[0].type = 4;
    expect_fault("nothing to load");
    elf.header.entry = MAKE_ELF_BASE + 0x1000; /* text has one page, rodata follows */
    expect_fault("entry point outside executable code");
    elf.header.entry = 0;
    expect_fault("entry point outside executable code");
}

static void test_segments(void **state)
{
    (void)state;
    elf.programs[0].flags = 7;
    expect_fault("segment is both writable and executable, or not readable");
    elf.programs[3].flags = 2;
    expect_fault("segment is both writable and executable, or not readable");
    elf.programs[1].virt += 8;
    expect_fault("segment does not start on a page boundary");
    elf.programs[1].virt = MAKE_ELF_BASE;
    expect_fault("segments overlap or are not in order");
    elf.programs[0].memory_bytes = 0x1001; /* rounds up into the next */
    expect_fault("segments overlap or are not in order");
    elf.programs[3].file_bytes = 0x2101;
    expect_fault("segment with more in the file than in memory");
    elf.programs[3].memory_bytes = 0;
    expect_fault("segment with more in the file than in memory");
    elf.programs[3].file_offset += 1;
    expect_fault("segment reaches beyond the end of the file");
    elf.programs[3].file_offset = UINT64_MAX;
    expect_fault("segment reaches beyond the end of the file");
    elf.programs[3].memory_bytes = UINT64_MAX;
    expect_fault("segment wraps around the address space");
    elf.programs[3].memory_bytes = 0x7FFFD000; /* ends at 2^64 exactly: not representable as an end */
    expect_fault("segment wraps around the address space");
    elf.programs[3].memory_bytes = KERNEL_IMAGE_BYTES_MAX;
    expect_fault("image is too large");
    elf.programs[5].type = 3;
    expect_fault("needs an interpreter or thread-local storage");
    elf.programs[5].type = 7;
    expect_fault("needs an interpreter or thread-local storage");
}

static void test_empty_segments_are_passed_over(void **state)
{
    (void)state;
    elf.programs[2].file_bytes = 0;
    elf.programs[2].memory_bytes = 0;
    elf.programs[4].type = 4; /* and no dynamic section */
    assert_null(check_bytes(sizeof elf));
    assert_int_equal(image.segment_count, 3);
}

static void test_too_many_segments(void **state)
{
    (void)state;
    struct {
        struct make_elf elf;
        struct make_elf_program programs[KERNEL_SEGMENTS_MAX + 1];
    } large;

    large.elf = elf;
    large.elf.header.program_offset = offsetof(__typeof__(large), programs);
    for (unsigned i = 0; i <= KERNEL_SEGMENTS_MAX; i++) {
        large.programs[i] = elf.programs[0];
        large.programs[i].virt += 0x1000ull * i;
    }
    large.elf.header.program_count = KERNEL_SEGMENTS_MAX;
    assert_null(kernel_image_check(&image, &large, sizeof large));
    large.elf.header.program_count = KERNEL_SEGMENTS_MAX + 1;
    assert_string_equal(kernel_image_check(&image, &large, sizeof large), "too many segments");
}

static void test_dynamic(void **state)
{
    (void)state;
    static const uint64_t unwanted[] = {1 /* NEEDED */,
                                        17 /* REL */,
                                        22 /* TEXTREL */,
                                        23 /* JMPREL */,
                                        35 /* RELRSZ */,
                                        36 /* RELR */,
                                        2 /* PLTRELSZ */};

    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++) {
        elf.dynamics[3] = (struct make_elf_dynamic){unwanted[i], 24};
        expect_fault("dynamic section asks for more than RELA relocations");
    }
    elf.programs[4].file_offset = sizeof elf;
    expect_fault("dynamic section reaches beyond the end of the file");
    elf.dynamics[2].value = 25;
    expect_fault("relocation entries of a broken size");
    elf.dynamics[1].value -= 1;
    expect_fault("relocation table of a broken size");
    elf.dynamics[1].value += 24; /* in memory still inside the page, in the file no more */
    expect_fault("relocation table outside the file");
    elf.dynamics[0].value = 0;
    expect_fault("relocation table outside the file");
    elf.dynamics[0].value = MAKE_ELF_BASE + 0x1000 - 24;
    expect_fault("relocation table outside the file");
}

static void test_relocations(void **state)
{
    (void)state;
    elf.relas[1].info = 1;
    expect_fault("relocation of another kind than RELATIVE");
    elf.relas[1].info = 8 | 1ull << 32; /* with a symbol */
    expect_fault("relocation of another kind than RELATIVE");
    elf.relas[1].offset = MAKE_ELF_BASE + 8; /* text */
    expect_fault("relocation outside the image's data");
    elf.relas[1].offset = MAKE_ELF_BASE - 8;
    expect_fault("relocation outside the image's data");
    elf.relas[1].offset = MAKE_ELF_BASE + 0x5FF9; /* its last byte is outside */
    expect_fault("relocation outside the image's data");
    elf.relas[1].offset = MAKE_ELF_BASE + 0x2FFC; /* half in relro, half in data */
    expect_fault("relocation outside the image's data");
    elf.relas[1].offset = UINT64_MAX;
    expect_fault("relocation outside the image's data");
    elf.relas[1].addend = MAKE_ELF_BASE + 0x6001;
    expect_fault("relocation to an address outside the image");
    elf.relas[1].addend = MAKE_ELF_BASE - 1;
    expect_fault("relocation to an address outside the image");
}

/* A relocation that writes into the relocation table must not change what the later ones do. */
static void test_relocation_of_the_table_itself(void **state)
{
    (void)state;
    uint8_t *memory;

    elf.relas[0].offset = MAKE_ELF_BASE + 0x1000 + offsetof(struct make_elf_rela, offset) + 24;
    assert_null(kernel_image_check(&image, &elf, sizeof elf));
    memory = malloc(image.memory_bytes);
    kernel_image_load(&image, memory, MAKE_ELF_BASE);
    assert_true(word_at(memory, 0x3008) == MAKE_ELF_BASE + 0x3000);
    free(memory);
}

static void test_digest_finds_any_damage(void **state)
{
    (void)state;
    uint8_t digest[KERNEL_DIGEST_BYTES];
    struct blake2s hash;
    uint8_t *bytes = (uint8_t *)&elf;

    blake2s_init(&hash, NULL, 0);
    blake2s_add(&hash, &elf, sizeof elf);
    blake2s_finish(&hash, digest);
    assert_true(kernel_image_is_intact(&elf, sizeof elf, digest));
    assert_false(kernel_image_is_intact(&elf, sizeof elf - 1, digest));
    for (size_t i = 0; i < sizeof elf; i++) {
        bytes[i] ^= 0x10;
        assert_false(kernel_image_is_intact(&elf, sizeof elf, digest));
        bytes[i] ^= 0x10;
    }
    digest[31] ^= 1;
    assert_false(kernel_image_is_intact(&elf, sizeof elf, digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good_image_is_described, set_up),
        cmocka_unit_test_setup(test_load_fills_and_relocates, set_up),
        cmocka_unit_test_setup(test_no_relocations, set_up),
        cmocka_unit_test_setup(test_every_truncation, set_up),
        cmocka_unit_test_setup(test_header, set_up),
        cmocka_unit_test_setup(test_segments, set_up),
        cmocka_unit_test_setup(test_empty_segments_are_passed_over, set_up),
        cmocka_unit_test_setup(test_too_many_segments, set_up),
        cmocka_unit_test_setup(test_dynamic, set_up),
        cmocka_unit_test_setup(test_relocations, set_up),
        cmocka_unit_test_setup(test_relocation_of_the_table_itself, set_up),
        cmocka_unit_test_setup(test_digest_finds_any_damage, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
