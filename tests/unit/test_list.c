/* test_list.c — the doubly-linked list against an array, and the panics that its damage must raise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/list.h>

#include "expect_panic.h"
#include "test_random_source.h"

#define NODES 40u

struct entry {
    unsigned value;
    struct list_node node;
};

static struct entry entries[NODES];
static struct list_node *model[NODES];
static size_t model_count;

static void compare_with_model(struct list_node *head)
{
    size_t at = 0;
    list_for_each(node, head)
    {
        assert_ptr_equal(node, model[at++]);
    }
    assert_int_equal(at, model_count);
    for (const struct list_node *node = list_last(head); node != NULL; node = list_prev(head, node)) {
        assert_ptr_equal(node, model[--at]);
    }
    assert_int_equal(at, 0);
    for (const struct list_node *node = list_first(head); node != NULL; node = list_next(head, node)) {
        assert_ptr_equal(node, model[at++]);
    }
    assert_int_equal(at, model_count);
    assert_int_equal(list_count(head), model_count);
    assert_int_equal(list_is_empty(head), model_count == 0);
    assert_true(list_check(head, model_count));
}

static void model_insert(size_t at, struct list_node *node)
{
    memmove(&model[at + 1], &model[at], (model_count - at) * sizeof(model[0]));
    model[at] = node;
    model_count++;
}

static void model_remove(size_t at)
{
    memmove(&model[at], &model[at + 1], (model_count - at - 1) * sizeof(model[0]));
    model_count--;
}

static void test_random_operations(void **state)
{
    (void)state;
    struct list_node head = LIST_INIT(head);
    memset(entries, 0, sizeof(entries));
    model_count = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct list_node *node = &entries[test_random_below(NODES)].node;
        size_t at;
        if (list_is_linked(node)) {
            for (at = 0; model[at] != node; at++) {
            }
            list_remove(node);
            model_remove(at);
            assert_false(list_is_linked(node));
        } else {
            switch (test_random_below(3)) {
            case 0:
                list_add_head(&head, node);
                model_insert(0, node);
                break;
            case 1:
                list_add_tail(&head, node);
                model_insert(model_count, node);
                break;
            default:
                at = test_random_below(model_count + 1);
                list_insert_before(at < model_count ? model[at] : &head, node);
                model_insert(at, node);
                break;
            }
            assert_true(list_is_linked(node));
        }
        compare_with_model(&head);
    }
    while (model_count > 0) {
        assert_ptr_equal(list_pop_head(&head), model[0]);
        model_remove(0);
        compare_with_model(&head);
    }
    assert_null(list_pop_head(&head));
}

static void test_safe_walk_may_unlink(void **state)
{
    (void)state;
    struct list_node head;
    list_init(&head);
    assert_null(list_first(&head));
    assert_null(list_last(&head));
    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < 10; i++) {
        entries[i].value = i;
        list_add_tail(&head, &entries[i].node);
    }
    list_for_each_safe(node, &head)
    {
        struct entry *entry = container_of(node, struct entry, node);
        if (entry->value % 2 == 0) {
            list_remove(node);
            memset(node, 0xEE, sizeof(*node));
        }
    }
    unsigned expected = 1;
    list_for_each(node, &head)
    {
        assert_int_equal(container_of(node, struct entry, node)->value, expected);
        expected += 2;
    }
    assert_int_equal(list_count(&head), 5);
}

static struct list_node damaged_head;

static void build(void)
{
    list_init(&damaged_head);
    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < 5; i++) {
        list_add_tail(&damaged_head, &entries[i].node);
    }
}

static void test_damage_panics_before_it_spreads(void **state)
{
    (void)state;
    build();
    EXPECT_PANIC(list_remove(&entries[9].node)); /* never linked */
    list_remove(&entries[2].node);
    EXPECT_PANIC(list_remove(&entries[2].node)); /* twice */
    assert_int_equal(list_count(&damaged_head), 4);

    build();
    entries[1].node.prev = &entries[4].node;
    struct list_node before[5];
    for (unsigned i = 0; i < 5; i++) {
        before[i] = entries[i].node;
    }
    assert_false(list_check(&damaged_head, 5));
    EXPECT_PANIC(list_remove(&entries[1].node)); /* its neighbour does not know it */
    EXPECT_PANIC(list_remove(&entries[0].node)); /* the other way round */
    EXPECT_PANIC(list_insert_before(&entries[1].node, &entries[9].node));
    for (unsigned i = 0; i < 5; i++) {
        assert_memory_equal(&before[i], &entries[i].node, sizeof(before[i]));
    }
    build();
    entries[3].node.prev = NULL;
    EXPECT_PANIC(list_insert_before(&entries[3].node, &entries[9].node));
    EXPECT_PANIC(list_remove(&entries[3].node));
}

static void test_check_finds_damage(void **state)
{
    (void)state;
    build();
    assert_true(list_check(&damaged_head, 5));
    assert_false(list_check(&damaged_head, 4)); /* longer than it may be */
    entries[2].node.next = NULL;
    assert_false(list_check(&damaged_head, 5));
    build();
    entries[3].node.next = &entries[1].node; /* a cycle */
    assert_false(list_check(&damaged_head, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_safe_walk_may_unlink),
        cmocka_unit_test(test_damage_panics_before_it_spreads),
        cmocka_unit_test(test_check_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
