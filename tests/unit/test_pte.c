/* test_pte.c — page-table entries bit by bit, against the tables of the Intel manual written out as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <neomem/pte.h>

static const struct pte_features all = {.no_execute = true, .global = true, .write_combining = true};
static const struct pte_features none = {0};

#define NX 0x8000000000000000ull

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(pte_level_bytes(PTE_LEVEL_4K), 4096);
    assert_int_equal(pte_level_bytes(PTE_LEVEL_2M), 2u << 20);
    assert_int_equal(pte_level_bytes(PTE_LEVEL_1G), 1u << 30);
    assert_int_equal(pte_level_bytes(PTE_LEVEL_512G), 512ull << 30);
    /* 0xffffffff80201000: entries 511, 510, 1, 1. */
    assert_int_equal(pte_index(0xffffffff80201000, PTE_LEVEL_512G), 511);
    assert_int_equal(pte_index(0xffffffff80201000, PTE_LEVEL_1G), 510);
    assert_int_equal(pte_index(0xffffffff80201000, PTE_LEVEL_2M), 1);
    assert_int_equal(pte_index(0xffffffff80201000, PTE_LEVEL_4K), 1);
    assert_int_equal(pte_index(0xffff800000000000, PTE_LEVEL_512G), 256);
}

static void test_canonical(void **state)
{
    (void)state;
    assert_true(pte_va_is_canonical(0));
    assert_true(pte_va_is_canonical(0x00007fffffffffff));
    assert_false(pte_va_is_canonical(0x0000800000000000));
    assert_false(pte_va_is_canonical(0x0001000000000000));
    assert_false(pte_va_is_canonical(0x7fffffffffffffff));
    assert_false(pte_va_is_canonical(0xffff7fffffffffff));
    assert_false(pte_va_is_canonical(0x8000000000000000));
    assert_true(pte_va_is_canonical(0xffff800000000000));
    assert_true(pte_va_is_canonical(0xffffffffffffffff));
}

/* rights x level, write-back, everything supported: P A + G, W and D together, NX unless executable, PS above 4 KiB. */
static void test_leaf_rights(void **state)
{
    (void)state;
    assert_int_equal(pte_make_leaf(0x5000, 1, VM_READ, VM_WRITE_BACK, all).v, NX | 0x5121);
    assert_int_equal(pte_make_leaf(0x5000, 1, VM_READ_WRITE, VM_WRITE_BACK, all).v, NX | 0x5163);
    assert_int_equal(pte_make_leaf(0x5000, 1, VM_READ_EXECUTE, VM_WRITE_BACK, all).v, 0x5121);
    assert_int_equal(pte_make_leaf(0x200000, 2, VM_READ_WRITE, VM_WRITE_BACK, all).v, NX | 0x2001e3);
    assert_int_equal(pte_make_leaf(0x40000000, 3, VM_READ, VM_WRITE_BACK, all).v, NX | 0x400001a1);
    assert_int_equal(pte_make_leaf(0xffffffffff000, 1, VM_READ, VM_WRITE_BACK, all).v, NX | 0xffffffffff121);
    /* Reserved without support: NX and G stay 0. */
    assert_int_equal(pte_make_leaf(0x5000, 1, VM_READ, VM_WRITE_BACK, none).v, 0x5021);
    assert_int_equal(pte_make_leaf(0x5000, 1, VM_READ_WRITE, VM_WRITE_BACK, none).v, 0x5063);
}

/* index = PAT:PCD:PWT; PAT is bit 7 in a 4 KiB leaf, bit 12 in larger ones. WB 0, WT 1, UC 3, WC 5. */
static void test_memory_types(void **state)
{
    (void)state;
    static const struct {
        enum vm_memory_type type;
        uint64_t index, bits_4k, bits_large;
    } rows[] = {{VM_WRITE_BACK, 0, 0, 0},
                {VM_WRITE_THROUGH, 1, 0x8, 0x8},
                {VM_UNCACHED, 3, 0x18, 0x18},
                {VM_WRITE_COMBINING, 5, 0x88, 0x1008}};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pte_pat_index(rows[i].type, all), rows[i].index);
        uint64_t small = pte_make_leaf(0, 1, VM_READ, rows[i].type, none).v;
        uint64_t large = pte_make_leaf(0, 2, VM_READ, rows[i].type, all).v & ~(NX | PTE_GLOBAL);
        if (rows[i].type != VM_WRITE_COMBINING) {
            assert_int_equal(small, 0x21 | rows[i].bits_4k);
        }
        assert_int_equal(large, 0xa1 | rows[i].bits_large);
        for (unsigned level = 1; level <= 3; level++) {
            pte_t leaf = pte_make_leaf(0, level, VM_READ_WRITE, rows[i].type, all);
            assert_int_equal(pte_leaf_pat_index(leaf, level), rows[i].index);
            assert_int_equal(pte_memory_type(pte_leaf_pat_index(leaf, level)), rows[i].type);
            assert_int_equal(pte_leaf_address(leaf, level), 0);
        }
    }
    assert_int_equal(pte_make_leaf(0, 1, VM_READ, VM_WRITE_COMBINING, all).v, NX | 0x1a9);
    /* Without WC in the PAT: strongly uncached. */
    assert_int_equal(pte_pat_index(VM_WRITE_COMBINING, none), 3);
    /* Indices that only a foreign table has. */
    assert_int_equal(pte_memory_type(2), VM_UNCACHED);
    assert_int_equal(pte_memory_type(4), VM_WRITE_THROUGH);
    assert_int_equal(pte_memory_type(6), VM_UNCACHED);
    assert_int_equal(pte_memory_type(7), VM_UNCACHED);
}

static void test_tables_and_leaves(void **state)
{
    (void)state;
    pte_t table = pte_make_table(0x7000);
    assert_int_equal(table.v, 0x7023);
    assert_true(pte_is_present(table));
    assert_false(pte_is_leaf(table, 4));
    assert_false(pte_is_leaf(table, 3));
    assert_false(pte_is_leaf(table, 2));
    assert_int_equal(pte_table_address(table), 0x7000);
    assert_true(pte_is_leaf(pte_make_leaf(0, 1, VM_READ, VM_WRITE_BACK, all), 1));
    assert_true(pte_is_leaf(pte_make_leaf(0, 2, VM_READ, VM_WRITE_BACK, all), 2));
    assert_true(pte_is_leaf(pte_make_leaf(0, 3, VM_READ, VM_WRITE_BACK, all), 3));
    /* Bit 7 is reserved in the top level, never a leaf. */
    assert_false(pte_is_leaf((pte_t){0x80 | 1}, 4));
    assert_false(pte_is_present((pte_t){~1ull}));
}

static void test_changing_rights(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 3; level++) {
        for (unsigned from = VM_READ; from <= VM_READ_EXECUTE; from++) {
            for (unsigned to = VM_READ; to <= VM_READ_EXECUTE; to++) {
                pte_t before = pte_make_leaf(0x40000000, level, (enum vm_rights)from, VM_WRITE_COMBINING, all);
                pte_t after = pte_make_leaf(0x40000000, level, (enum vm_rights)to, VM_WRITE_COMBINING, all);
                assert_int_equal(pte_with_rights(before, (enum vm_rights)to, all).v, after.v);
            }
        }
    }
}

/* A split must not change what a byte is mapped to: every child is the leaf one would have made there. */
static void test_split(void **state)
{
    (void)state;
    for (unsigned level = 2; level <= 3; level++) {
        for (unsigned rights = VM_READ; rights <= VM_READ_EXECUTE; rights++) {
            for (unsigned type = VM_WRITE_BACK; type <= VM_WRITE_THROUGH; type++) {
                pte_t leaf =
                    pte_make_leaf(0x1234c0000000, level, (enum vm_rights)rights, (enum vm_memory_type)type, all);
                for (unsigned i = 0; i < PTE_ENTRIES; i++) {
                    pte_t expected = pte_make_leaf(0x1234c0000000 + i * pte_level_bytes(level - 1), level - 1,
                                                   (enum vm_rights)rights, (enum vm_memory_type)type, all);
                    assert_int_equal(pte_split_child(leaf, level, i).v, expected.v);
                }
            }
        }
    }
    /* A and D as the CPU left them, user bit, protection key. */
    pte_t odd = {0x0880000000200087ull};
    assert_int_equal(pte_split_child(odd, 2, 3).v, 0x0880000000203007ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_leaf_rights),
        cmocka_unit_test(test_memory_types),
        cmocka_unit_test(test_tables_and_leaves),
        cmocka_unit_test(test_changing_rights),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
