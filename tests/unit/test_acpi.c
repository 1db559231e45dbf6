/* test_acpi.c — ACPI tables in a physical memory that the test makes up: sound ones, damaged ones, hostile ones.
 * Every table is copied out of and into exactly sized blocks, so ASan sees each byte too far. */
#include "acpi_tables.h"

#include <neomem/compiler.h>
#include <neomem/memory.h>
#include <neomem/vmm.h>
#include <neomem/warning.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- physical memory ---- */

#define BLOCKS_MAX 700u

struct block {
    phys_addr_t address;
    uint8_t *bytes;
    size_t nbytes;
};

static struct {
    struct block blocks[BLOCKS_MAX];
    size_t count;
    size_t reads;
    void (*after_read)(void);
    size_t live, allocations, fail_at; /* heap */
    size_t warnings;
    char last_warning[256];
} world;

static void destroy(void)
{
    for (size_t i = 0; i < world.count; i++) {
        free(world.blocks[i].bytes);
    }
    memset(&world, 0, sizeof(world));
    world.fail_at = SIZE_MAX;
}

static uint8_t *place(phys_addr_t address, const void *bytes, size_t nbytes)
{
    assert_true(world.count < BLOCKS_MAX);
    uint8_t *copy = malloc(nbytes);
    assert_non_null(copy);
    memcpy(copy, bytes, nbytes);
    world.blocks[world.count++] = (struct block){address, copy, nbytes};
    return copy;
}

static const uint8_t *find(phys_addr_t address, uint64_t nbytes)
{
    for (size_t i = 0; i < world.count; i++) {
        const struct block *block = &world.blocks[i];
        if (address >= block->address && address - block->address <= block->nbytes &&
            nbytes <= block->nbytes - (address - block->address)) {
            return block->bytes + (address - block->address);
        }
    }
    return NULL;
}

static bool read_world(void *context, phys_addr_t address, void *buffer, size_t nbytes)
{
    assert_ptr_equal(context, &world);
    world.reads++;
    const uint8_t *bytes = find(address, nbytes);
    if (bytes == NULL) {
        return false;
    }
    memcpy(buffer, bytes, nbytes);
    if (world.after_read != NULL) {
        world.after_read();
    }
    return true;
}

static void *allocate(void *context, size_t nbytes)
{
    (void)context;
    if (world.allocations++ >= world.fail_at) {
        return NULL;
    }
    world.live++;
    return malloc(nbytes);
}

static void release(void *context, void *block)
{
    (void)context;
    world.live--;
    free(block);
}

static void warn(void *context, const char *text)
{
    (void)context;
    world.warnings++;
    snprintf(world.last_warning, sizeof(world.last_warning), "%s", text);
}

static const struct acpi_source source = {
    .context = &world, .read = read_world, .allocate = allocate, .release = release, .warn = warn};

static struct acpi_tables tables;

static enum neo_status discover(phys_addr_t rsdp)
{
    memset(&tables, 0, sizeof(tables));
    world.live = world.allocations = world.warnings = world.reads = 0;
    enum neo_status status = acpi_discover(&source, rsdp, &tables);
    /* Whatever happened: what is kept is owned once and is what its header says. */
    assert_int_equal(world.live, tables.count);
    uint64_t total = 0;
    for (size_t i = 0; i < tables.count; i++) {
        assert_int_equal(acpi_u32(tables.entries[i].bytes + 4), tables.entries[i].nbytes);
        total += tables.entries[i].nbytes;
    }
    assert_int_equal(total, tables.total_bytes);
    return status;
}

static void release_tables(void)
{
    for (size_t i = 0; i < tables.count; i++) {
        free((void *)(uintptr_t)tables.entries[i].bytes);
    }
    memset(&tables, 0, sizeof(tables));
}

static int setup(void **state)
{
    (void)state;
    destroy();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_tables();
    destroy();
    return 0;
}

/* ---- making tables ---- */

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put64(uint8_t *at, uint64_t value)
{
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

static void fix_sum(uint8_t *bytes, size_t nbytes, size_t at)
{
    uint8_t sum = 0;
    bytes[at] = 0;
    for (size_t i = 0; i < nbytes; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[at] = (uint8_t)-sum;
}

/* A table with this body; the checksum is right. Return: its bytes in the world, to damage. */
static uint8_t *place_table(phys_addr_t address, const char *signature, const void *body, size_t body_bytes)
{
    size_t nbytes = ACPI_HEADER_BYTES + body_bytes;
    uint8_t *bytes = calloc(1, nbytes);
    assert_non_null(bytes);
    memcpy(bytes, signature, 4);
    put32(bytes + 4, (uint32_t)nbytes);
    bytes[8] = 1;
    memcpy(bytes + 10, "NEOMEMTEST", 10);
    if (body_bytes > 0) {
        memcpy(bytes + ACPI_HEADER_BYTES, body, body_bytes);
    }
    fix_sum(bytes, nbytes, 9);
    uint8_t *placed = place(address, bytes, nbytes);
    free(bytes);
    return placed;
}

#define RSDP_AT 0xf5af0u
#define RSDT_AT 0x7fe0000u
#define XSDT_AT 0x17fe1000ull /* above 4 GiB is possible: see the tests */
#define TABLES_AT 0x8000000u

static uint8_t *place_rsdp(unsigned revision, uint32_t rsdt, uint64_t xsdt)
{
    uint8_t bytes[36] = "RSD PTR ";
    memcpy(bytes + 9, "NEOMEM", 6);
    bytes[15] = (uint8_t)revision;
    put32(bytes + 16, rsdt);
    fix_sum(bytes, 20, 8);
    if (revision < 2) {
        return place(RSDP_AT, bytes, 20);
    }
    put32(bytes + 20, 36);
    put64(bytes + 24, xsdt);
    fix_sum(bytes, 36, 32);
    return place(RSDP_AT, bytes, 36);
}

static void place_rsdt(const uint32_t *addresses, size_t count)
{
    uint8_t body[4 * 600];
    for (size_t i = 0; i < count; i++) {
        put32(body + 4 * i, addresses[i]);
    }
    place_table(RSDT_AT, "RSDT", body, 4 * count);
}

static void place_xsdt(const uint64_t *addresses, size_t count)
{
    uint8_t body[8 * 600];
    for (size_t i = 0; i < count; i++) {
        put64(body + 8 * i, addresses[i]);
    }
    place_table(XSDT_AT, "XSDT", body, 8 * count);
}

static bool has(const char *signature)
{
    return acpi_find(&tables, signature, 0) < tables.count;
}

/* ---- discovery ---- */

static void version_1_goes_through_the_rsdt(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT, TABLES_AT + 0x1000};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 2);
    place_table(TABLES_AT, "APIC", "12345678", 8);
    place_table(TABLES_AT + 0x1000, "HPET", "", 0);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(world.warnings, 0);
    assert_int_equal(tables.count, 3);
    assert_true(has("RSDT") && has("APIC") && has("HPET"));
    assert_false(has("XSDT"));
    size_t apic = acpi_find(&tables, "APIC", 0);
    assert_memory_equal(tables.entries[apic].bytes + 36, "12345678", 8);
    assert_int_equal(acpi_find(&tables, "APIC", apic + 1), tables.count);
}

static void version_2_goes_through_the_xsdt(void **state)
{
    (void)state;
    static const uint64_t list[] = {0x1234567890, 0, TABLES_AT, TABLES_AT};
    place_rsdp(2, RSDT_AT, XSDT_AT); /* there is no RSDT: it is not looked at */
    place_xsdt(list, 4);
    place_table(0x1234567890, "MCFG", "abc", 3);
    place_table(TABLES_AT, "APIC", "", 0);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(world.warnings, 0);
    assert_int_equal(tables.count, 3); /* the hole and the repetition are no tables */
    assert_true(has("XSDT") && has("MCFG") && has("APIC"));
}

static void no_rsdp(void **state)
{
    (void)state;
    assert_int_equal(discover(0), NEO_ERR_NOT_FOUND);
    assert_int_equal(world.warnings, 0);
    assert_int_equal(discover(RSDP_AT), NEO_ERR_CORRUPT); /* nothing there */
    uint8_t *rsdp = place_rsdp(0, RSDT_AT, 0);
    assert_int_equal(discover(RSDP_AT), NEO_ERR_CORRUPT); /* leads nowhere */
    place_rsdt(NULL, 0);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    release_tables();
    rsdp[10] ^= 1;
    assert_int_equal(discover(RSDP_AT), NEO_ERR_CORRUPT); /* checksum */
    rsdp[10] ^= 1;
    rsdp[0] = 'X';
    fix_sum(rsdp, 20, 8);
    assert_int_equal(discover(RSDP_AT), NEO_ERR_CORRUPT); /* signature */
    assert_int_equal(world.warnings, 1);
}

static void damaged_extension_falls_back_to_the_rsdt(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 35, 37, 257, 0xffffffff};
    uint8_t *rsdp = place_rsdp(2, RSDT_AT, XSDT_AT);
    place_rsdt(NULL, 0);
    place_xsdt(NULL, 0);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_true(has("XSDT"));
    release_tables();
    rsdp[30] ^= 1;
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_true(has("RSDT"));
    assert_int_equal(world.warnings, 1);
    release_tables();
    rsdp[30] ^= 1;
    /* A length that memory has and that even sums up, but that no RSDP has. */
    uint8_t long_one[300] = {0};
    memcpy(long_one, rsdp, 36);
    put32(long_one + 20, sizeof(long_one));
    fix_sum(long_one, sizeof(long_one), 32);
    place(RSDP_AT + 0x1000, long_one, sizeof(long_one));
    assert_int_equal(discover(RSDP_AT + 0x1000), NEO_OK);
    assert_true(has("RSDT"));
    release_tables();
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        put32(rsdp + 20, lengths[i]);
        fix_sum(rsdp, 36, 32);
        assert_int_equal(discover(RSDP_AT), NEO_OK);
        assert_true(has("RSDT"));
        release_tables();
    }
}

static void useless_xsdt_falls_back_to_the_rsdt(void **state)
{
    (void)state;
    place_rsdp(2, RSDT_AT, XSDT_AT);
    place_rsdt(NULL, 0);
    uint8_t *xsdt = place_table(XSDT_AT, "XSDT", "", 0);
    xsdt[12]++;
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_true(has("RSDT") && !has("XSDT"));
    assert_int_equal(world.warnings, 1);
    release_tables();
    memcpy(xsdt, "FACS", 4);
    fix_sum(xsdt, 36, 9);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_true(has("RSDT") && !has("FACS"));
    assert_int_equal(world.warnings, 1);
}

static void one_damaged_table_does_not_hide_the_others(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT,          TABLES_AT + 0x1000, TABLES_AT + 0x2000, TABLES_AT + 0x3000,
                                    TABLES_AT + 0x4000, TABLES_AT + 0x5000, TABLES_AT + 0x6000};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 7);
    place_table(TABLES_AT, "BAD1", "x", 1)[36] = 'y';              /* checksum */
    put32(place_table(TABLES_AT + 0x1000, "BAD2", "", 0) + 4, 35); /* shorter than a header */
    put32(place_table(TABLES_AT + 0x2000, "BAD3", "", 0) + 4, 0xffffffff);
    put32(place_table(TABLES_AT + 0x3000, "\x1b[2J", "", 0) + 4, 37); /* longer than what is there */
    /* list[4]: nothing there at all */
    place(TABLES_AT + 0x5000, "short", 5);
    place_table(TABLES_AT + 0x6000, "GOOD", "", 0);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(tables.count, 2);
    assert_true(has("GOOD"));
    assert_int_equal(world.warnings, 6);
}

static void warnings_are_printable(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 1);
    place_table(TABLES_AT, "\x1b[2J", "", 0)[20]++;
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_string_equal(world.last_warning, "acpi: table ?[2J at 0x8000000 left out: wrong checksum");
}

static uint8_t *changing;

static void change(void)
{
    /* Between the two reads of it, behind the RSDP's and the RSDT's: the length, with the sum still right. */
    if (world.reads == 4) {
        changing[4]++;
        changing[40]--;
    }
}

static void a_table_that_changes_is_left_out(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 1);
    changing = place_table(TABLES_AT, "LIVE", "..........", 10);
    world.after_read = change;
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_false(has("LIVE"));
    assert_int_equal(world.warnings, 1);
}

static void limits(void **state)
{
    (void)state;
    static uint32_t list[600];
    for (unsigned i = 0; i < 600; i++) {
        list[i] = TABLES_AT + i * 0x100;
        place_table(list[i], "SSDT", &i, 4);
    }
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 600);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(tables.count, ACPI_TABLES_MAX);
    assert_true(world.reads <= 2 + 2 * 514);
    release_tables();
    destroy();

    /* 3 tables of 6 MiB: the third is one too many. */
    uint8_t *large = calloc(1, 6 << 20);
    assert_non_null(large);
    for (uint32_t i = 0; i < 3; i++) {
        list[i] = TABLES_AT + (i << 24);
        place_table(list[i], "HUGE", large, 6 << 20);
    }
    free(large);
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 3);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(tables.count, 3);
    assert_int_equal(world.warnings, 1);
}

static void out_of_memory_at_every_table(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT, TABLES_AT + 0x1000};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 2);
    place_table(TABLES_AT, "AAAA", "", 0);
    place_table(TABLES_AT + 0x1000, "BBBB", "", 0);
    for (size_t fail_at = 0; fail_at < 4; fail_at++) {
        world.fail_at = fail_at;
        assert_int_equal(discover(RSDP_AT), fail_at == 0 ? NEO_ERR_CORRUPT : NEO_OK);
        assert_int_equal(tables.count, fail_at < 3 ? fail_at : 3);
        release_tables();
    }
}

static void the_fadt_leads_to_the_dsdt(void **state)
{
    (void)state;
    static const uint32_t list[] = {TABLES_AT, TABLES_AT + 0x1000};
    uint8_t body[148 - 36] = {0};
    place_rsdp(0, RSDT_AT, 0);
    place_rsdt(list, 1);
    put32(body + 40 - 36, TABLES_AT + 0x1000);
    uint8_t *fadt = place_table(TABLES_AT, "FACP", body, sizeof(body));
    place_table(TABLES_AT + 0x1000, "DSDT", "legacy", 6);
    place_table(0x900000000, "DSDT", "extended", 8);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    size_t dsdt = acpi_find(&tables, "DSDT", 0);
    assert_memory_equal(tables.entries[dsdt].bytes + 36, "legacy", 6);
    release_tables();
    put64(fadt + 140, 0x900000000);
    fix_sum(fadt, 148, 9);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    dsdt = acpi_find(&tables, "DSDT", 0);
    assert_memory_equal(tables.entries[dsdt].bytes + 36, "extended", 8);
    release_tables();
    put64(fadt + 140, TABLES_AT); /* a FADT that is its own DSDT */
    fix_sum(fadt, 148, 9);
    assert_int_equal(discover(RSDP_AT), NEO_OK);
    assert_int_equal(tables.count, 2);
}

/* ---- single tables: the parser gets a block of exactly nbytes ---- */

static uint8_t *exact(const uint8_t *bytes, size_t nbytes)
{
    uint8_t *copy = malloc(nbytes > 0 ? nbytes : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, nbytes);
    return copy;
}

static void put_register(uint8_t *at, uint8_t space, uint8_t bits, uint8_t access, uint64_t address)
{
    at[0] = space;
    at[1] = bits;
    at[2] = 0;
    at[3] = access;
    put64(at + 4, address);
}

static void fadt_of_every_length(void **state)
{
    (void)state;
    uint8_t full[276] = "FACP";
    put32(full + 48, 0xb2);
    full[52] = 0xa0;
    put32(full + 56, 0x600);
    put32(full + 64, 0x604);
    put32(full + 68, 0x704);
    put32(full + 112, 1u << 10 | 1u << 20);
    put_register(full + 116, ACPI_SPACE_IO, 8, 1, 0xcf9);
    full[128] = 0x0f;
    put_register(full + 148, ACPI_SPACE_IO, 32, 2, 0x1600);
    put_register(full + 172, ACPI_SPACE_MEMORY, 16, 2, 0xfed80004);
    put_register(full + 244, ACPI_SPACE_MEMORY, 8, 1, 0xfed90000);
    for (size_t nbytes = 0; nbytes <= sizeof(full); nbytes++) {
        struct acpi_fixed fixed;
        uint8_t *fadt = exact(full, nbytes);
        bool usable = acpi_parse_fadt(fadt, nbytes, &fixed);
        assert_int_equal(usable, nbytes >= 116);
        (void)acpi_fadt_dsdt(fadt, nbytes);
        free(fadt);
        if (!usable) {
            continue;
        }
        assert_int_equal(fixed.smi_command_port, 0xb2);
        assert_int_equal(fixed.acpi_enable, 0xa0);
        assert_true(fixed.hardware_reduced);
        assert_int_equal(fixed.reset_supported, nbytes >= 129);
        if (fixed.reset_supported) {
            assert_int_equal(fixed.reset.address, 0xcf9);
            assert_int_equal(fixed.reset.space, ACPI_SPACE_IO);
            assert_int_equal(fixed.reset_value, 0x0f);
        }
        assert_int_equal(fixed.pm1a_status.address, nbytes >= 160 ? 0x1600 : 0x600);
        assert_int_equal(fixed.pm1a_control.address, nbytes >= 184 ? 0xfed80004 : 0x604);
        assert_int_equal(fixed.pm1a_control.space, nbytes >= 184 ? ACPI_SPACE_MEMORY : ACPI_SPACE_IO);
        assert_int_equal(fixed.pm1b_control.address, 0x704); /* the extended one is 0: not there */
        assert_int_equal(fixed.pm1b_status.address, 0);
        assert_int_equal(fixed.sleep_control.address, nbytes >= 256 ? 0xfed90000 : 0);
    }
    struct acpi_fixed fixed;
    put32(full + 112, 0); /* the flag decides, not the register */
    put32(full + 48, 0x10000);
    assert_true(acpi_parse_fadt(full, sizeof(full), &fixed));
    assert_false(fixed.reset_supported);
    assert_false(fixed.hardware_reduced);
    assert_int_equal(fixed.smi_command_port, 0);
}

static bool parse_s5(const char *aml, size_t aml_bytes, uint8_t *a, uint8_t *b)
{
    uint8_t bytes[256] = {0};
    memcpy(bytes + ACPI_HEADER_BYTES, aml, aml_bytes);
    uint8_t *table = exact(bytes, ACPI_HEADER_BYTES + aml_bytes);
    bool found = acpi_parse_s5(table, ACPI_HEADER_BYTES + aml_bytes, a, b);
    free(table);
    return found;
}

static void s5_packages(void **state)
{
    (void)state;
    static const struct {
        const char *aml;
        size_t nbytes;
        int a, b; /* -1: none */
    } cases[] = {
#define AML(text) text, sizeof(text) - 1
        {AML("\x08_S5_\x12\x06\x04\x00\x00\x00\x00"), 0, 0},             /* QEMU */
        {AML("..\x08\\_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00\x00"), 5, 5}, /* common on boards */
        {AML("\x08_S5_\x12\x07\x04\x0a\x07\x01\x00\x00"), 7, 1},
        {AML("\x08_S5_\x12\x07\x02\x0b\x06\x00\x0a\x03"), 6, 3},
        {AML("\x08_S5_\x12\x0c\x02\x0c\x02\x00\x00\x00\x0c\x03\x00\x00\x00"), 2, 3},
        {AML("\x08_S5_\x12\x40\x00\x02\x00\x00"), -1, -1},       /* length 0 in two bytes */
        {AML("\x08_S5_\x12\x46\x00\x02\x01\x00\x00\x00"), 1, 0}, /* length 6 in two bytes */
        {AML("\x08_S5_\x12\x05\x01\x0b\x05\x02"), 5, 2},         /* one packed element */
        {AML("\x08_S5_\x12\x02\x00"), -1, -1},                   /* empty package */
        {AML("\x08_S5_\x13\x06\x04\x00\x00\x00\x00"), -1, -1},   /* no package */
        {AML("\x10_S5_\x12\x06\x04\x00\x00\x00\x00"), -1, -1},   /* no Name */
        {AML("\x08_S5_\x12\x06\x04"
             "ABCD"),
         -1, -1},                                              /* names, not numbers */
        {AML("\x08_S5_\x12\x3f\x04\x00\x00\x00\x00"), -1, -1}, /* longer than the table */
        {AML("\x08_S5_\x12\x03\x04\x00\x00\x00\x00"), -1, -1}, /* the second value is outside */
        {AML("_S5_ \x08_S4_\x12\x06\x04\x02\x02\x00\x00\x08_S5_\x12\x06\x04\x01\x01\x00\x00"), 1, 1},
        {AML("\x08_S5_\x12\x0c\x02\x0e\x05\x00\x00\x00\x00\x00\x00\x00\x01"), 5, 1}, /* quad word */
#undef AML
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t a = 99;
        uint8_t b = 99;
        bool found = parse_s5(cases[i].aml, cases[i].nbytes, &a, &b);
        if (found != (cases[i].a >= 0) || (found && (a != cases[i].a || b != cases[i].b))) {
            fail_msg("case %zu: %d, %u %u", i, found, a, b);
        }
        for (size_t cut = 0; cut < cases[i].nbytes; cut++) {
            (void)parse_s5(cases[i].aml, cut, &a, &b); /* ASan judges */
        }
    }
}

static void madt_entries(void **state)
{
    (void)state;
    static const uint8_t entries[] = {
        0, 8,  0, 0, 1, 0, 0,    0,                            /* CPU 0 */
        0, 8,  1, 2, 1, 0, 0,    0,                            /* CPU 2 */
        0, 8,  2, 4, 0, 0, 0,    0,                            /* disabled */
        0, 8,  3, 6, 2, 0, 0,    0,                            /* only could be brought online */
        1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,             /* an I/O APIC */
        9, 16, 0, 0, 2, 0, 0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* CPU 2 again */
        9, 16, 0, 0, 0, 1, 0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* CPU 256 */
        9, 16, 0, 0, 5, 0, 0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* CPU 5 */
        9, 16, 0, 0, 6, 1, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0, /* disabled */
        0, 7,  0, 9, 1, 0, 0,                                  /* too short for what it is */
        0, 8,  0, 0, 1, 0, 0,    0,                            /* CPU 0 again */
    };
    static const struct {
        size_t entry_bytes;
        unsigned cpus;
    } expected[] = {{0, 0}, {7, 0}, {8, 1}, {16, 2}, {sizeof(entries), 4}};
    uint8_t bytes[44 + sizeof(entries)] = "APIC";
    memcpy(bytes + 44, entries, sizeof(entries));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        uint8_t *madt = exact(bytes, 44 + expected[i].entry_bytes);
        assert_int_equal(acpi_parse_madt(madt, 44 + expected[i].entry_bytes), expected[i].cpus);
        free(madt);
    }
    for (size_t nbytes = 0; nbytes <= sizeof(bytes); nbytes++) {
        uint8_t *madt = exact(bytes, nbytes);
        assert_true(acpi_parse_madt(madt, nbytes) <= 4);
        free(madt);
    }
    bytes[44 + 9] = 0; /* an entry of no length ends the list instead of standing still */
    assert_int_equal(acpi_parse_madt(bytes, sizeof(bytes)), 1);
}

static void spcr_revisions(void **state)
{
    (void)state;
    uint8_t bytes[90] = "SPCR";
    struct acpi_serial_port port;
    bytes[8] = 2;
    bytes[36] = 0x12;
    put_register(bytes + 40, ACPI_SPACE_MEMORY, 32, 3, 0xfe032000);
    bytes[58] = 7;
    put32(bytes + 76, 48000000);
    put32(bytes + 80, 1500000);
    for (size_t nbytes = 0; nbytes <= sizeof(bytes); nbytes++) {
        uint8_t *spcr = exact(bytes, nbytes);
        assert_int_equal(acpi_parse_spcr(spcr, nbytes, &port), nbytes >= 80);
        free(spcr);
    }
    assert_int_equal(port.interface_type, 0x12);
    assert_int_equal(port.base.address, 0xfe032000);
    assert_int_equal(port.base.space, ACPI_SPACE_MEMORY);
    assert_int_equal(port.base.bit_width, 32);
    assert_int_equal(port.base.access_size, 3);
    assert_int_equal(port.baud, 115200);
    assert_int_equal(port.clock_hz, 0); /* reserved in revision 2 */
    bytes[8] = 3;
    assert_true(acpi_parse_spcr(bytes, sizeof(bytes), &port));
    assert_int_equal(port.clock_hz, 48000000);
    assert_int_equal(port.baud, 115200);
    bytes[8] = 4;
    assert_true(acpi_parse_spcr(bytes, sizeof(bytes), &port));
    assert_int_equal(port.baud, 1500000);
    assert_true(acpi_parse_spcr(bytes, 83, &port)); /* the precise rate is cut off */
    assert_int_equal(port.baud, 115200);
    static const uint32_t bauds[] = {0, 0, 0, 9600, 19200, 0, 57600, 115200, 0};
    bytes[8] = 1;
    for (uint8_t code = 0; code < ARRAY_COUNT(bauds); code++) {
        bytes[58] = code;
        assert_true(acpi_parse_spcr(bytes, sizeof(bytes), &port));
        assert_int_equal(port.baud, bauds[code]);
    }
    put64(bytes + 44, 0);
    assert_false(acpi_parse_spcr(bytes, sizeof(bytes), &port)); /* redirection is off */
}

/* ---- acpi.c: the same world through the kernel's own functions ---- */

static unsigned windows;

void *vmm_map_phys(phys_addr_t pa, uint64_t nbytes, enum vm_rights rights, enum vm_memory_type type)
{
    assert_int_equal(rights, VM_READ);
    assert_int_equal(type, VM_WRITE_BACK);
    const uint8_t *bytes = find(pa, nbytes);
    windows += bytes != NULL;
    return (void *)(uintptr_t)bytes;
}

void vmm_unmap_phys(void *window)
{
    windows -= window != NULL;
}

void *kmalloc(size_t size)
{
    return allocate(NULL, size);
}

void kfree(void *block)
{
    release(NULL, block);
}

void warning(const char *format, ...)
{
    va_list arguments;
    world.warnings++;
    va_start(arguments, format);
    vsnprintf(world.last_warning, sizeof(world.last_warning), format, arguments);
    va_end(arguments);
}

/* One state for the whole program: before, nothing; then one machine. */
static void the_kernels_questions(void **state)
{
    (void)state;
    uint8_t a;
    uint8_t b;
    struct acpi_fixed fixed;
    struct acpi_serial_port port;
    size_t nbytes = 77;
    acpi_init(0);
    assert_int_equal(acpi_table_count(), 0);
    assert_null(acpi_table("APIC", &nbytes));
    assert_null(acpi_table_at(0, NULL));
    assert_int_equal(acpi_cpu_count(), 0);
    assert_false(acpi_fixed_hardware(&fixed));
    assert_false(acpi_sleep_types_s5(&a, &b));
    assert_false(acpi_serial_port(&port));

    static const uint64_t list[] = {TABLES_AT,          TABLES_AT + 0x1000, TABLES_AT + 0x3000,
                                    TABLES_AT + 0x4000, TABLES_AT + 0x5000, TABLES_AT + 0x6000};
    static const uint8_t one_cpu[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0};
    static const char s5[] = "\x08_S5_\x12\x06\x04\x01\x01\x00\x00";
    uint8_t fadt[116 - 36] = {0};
    uint8_t spcr[80 - 36] = {0};
    put32(fadt + 40 - 36, TABLES_AT + 0x2000);
    put32(fadt + 64 - 36, 0x604);
    put_register(spcr + 4, ACPI_SPACE_IO, 8, 1, 0x3f8);
    place_rsdp(2, 0, XSDT_AT);
    place_xsdt(list, 6);
    place_table(TABLES_AT, "APIC", one_cpu, sizeof(one_cpu));
    place_table(TABLES_AT + 0x1000, "FACP", fadt, sizeof(fadt));
    place_table(TABLES_AT + 0x2000, "DSDT", "no sleep here", 13);
    place_table(TABLES_AT + 0x3000, "SSDT", "nor here", 8);
    place_table(TABLES_AT + 0x4000, "SSDT", s5, sizeof(s5));
    place_table(TABLES_AT + 0x5000, "SPCR", spcr, sizeof(spcr));
    place_table(TABLES_AT + 0x6000, "DAMN", "", 0)[30]++;
    world.warnings = 0;
    acpi_init(RSDP_AT);
    assert_int_equal(windows, 0); /* none is left open */
    assert_int_equal(world.warnings, 1);
    assert_int_equal(acpi_table_count(), 7);
    assert_int_equal(acpi_cpu_count(), 1);
    assert_non_null(acpi_table("APIC", &nbytes));
    assert_int_equal(nbytes, 52);
    assert_memory_equal(acpi_table_at(0, &nbytes), "XSDT", 4);
    assert_int_equal(nbytes, 36 + 6 * 8);
    assert_true(acpi_fixed_hardware(&fixed));
    assert_int_equal(fixed.pm1a_control.address, 0x604);
    assert_true(acpi_sleep_types_s5(&a, &b));
    assert_int_equal(a, 1);
    assert_int_equal(b, 1);
    assert_true(acpi_serial_port(&port));
    assert_int_equal(port.base.address, 0x3f8);
    for (size_t i = 0; i < acpi_table_count(); i++) {
        free((void *)(uintptr_t)acpi_table_at(i, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_1_goes_through_the_rsdt, setup, teardown),
        cmocka_unit_test_setup_teardown(version_2_goes_through_the_xsdt, setup, teardown),
        cmocka_unit_test_setup_teardown(no_rsdp, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_extension_falls_back_to_the_rsdt, setup, teardown),
        cmocka_unit_test_setup_teardown(useless_xsdt_falls_back_to_the_rsdt, setup, teardown),
        cmocka_unit_test_setup_teardown(one_damaged_table_does_not_hide_the_others, setup, teardown),
        cmocka_unit_test_setup_teardown(warnings_are_printable, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_that_changes_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_memory_at_every_table, setup, teardown),
        cmocka_unit_test_setup_teardown(the_fadt_leads_to_the_dsdt, setup, teardown),
        cmocka_unit_test(fadt_of_every_length),
        cmocka_unit_test(s5_packages),
        cmocka_unit_test(madt_entries),
        cmocka_unit_test(spcr_revisions),
        cmocka_unit_test_setup_teardown(the_kernels_questions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
