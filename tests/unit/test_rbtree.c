/* test_rbtree.c — the red-black tree against a sorted array, with rb_check after every operation; rb_check itself
 * against every kind of damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/rbtree.h>

#include "expect_panic.h"
#include "test_random_source.h"

#define ITEMS 400u

struct item {
    unsigned key;
    unsigned serial; /* order of insertion among equals */
    struct rb_node node;
};

static struct item items[ITEMS];

static const struct item *item_of(const struct rb_node *node)
{
    return (const struct item *)(const void *)((const char *)node - offsetof(struct item, node));
}

static int compare_items(const struct rb_node *left, const struct rb_node *right)
{
    unsigned a = item_of(left)->key;
    unsigned b = item_of(right)->key;
    return (a > b) - (a < b);
}

static int compare_key(const struct rb_node *node, const void *key)
{
    unsigned a = item_of(node)->key;
    unsigned b = *(const unsigned *)key;
    return (a > b) - (a < b);
}

/* ---- the model: members in order, equals by age --------------------------------------------------- */

static struct item *model[ITEMS];
static size_t model_count;

static void model_insert(struct item *item)
{
    size_t at = model_count;
    while (at > 0 && model[at - 1]->key > item->key) {
        model[at] = model[at - 1];
        at--;
    }
    model[at] = item;
    model_count++;
}

static void model_erase(size_t at)
{
    memmove(&model[at], &model[at + 1], (model_count - at - 1) * sizeof(model[0]));
    model_count--;
}

static unsigned height(const struct rb_node *node)
{
    if (node == NULL) {
        return 0;
    }
    unsigned left = height(rb_left(node));
    unsigned right = height(rb_right(node));
    return 1 + (left > right ? left : right);
}

static void compare_with_model(const struct rb_tree *tree)
{
    assert_true(rb_check(tree, compare_items, model_count));
    const struct rb_node *node = rb_first(tree);
    for (size_t i = 0; i < model_count; i++) {
        assert_ptr_equal(node, &model[i]->node);
        node = rb_next(node);
    }
    assert_null(node);
    node = rb_last(tree);
    for (size_t i = model_count; i-- > 0;) {
        assert_ptr_equal(node, &model[i]->node);
        node = rb_prev(node);
    }
    assert_null(node);
    assert_int_equal(rb_count(tree), model_count);
    assert_int_equal(rb_is_empty(tree), model_count == 0);
    /* 2 log2(n + 1), with log2 rounded up */
    unsigned log2 = 0;
    while ((1u << log2) < model_count + 1) {
        log2++;
    }
    assert_true(height(rb_root(tree)) <= 2 * log2);
}

static void check_searches(const struct rb_tree *tree, unsigned key)
{
    const struct rb_node *bound = NULL;
    for (size_t i = 0; i < model_count && bound == NULL; i++) {
        if (model[i]->key >= key) {
            bound = &model[i]->node;
        }
    }
    assert_ptr_equal(rb_lower_bound(tree, compare_key, &key), bound);
    bool exact = bound != NULL && item_of(bound)->key == key;
    assert_ptr_equal(rb_find(tree, compare_key, &key), exact ? bound : NULL);
}

static void run_model(unsigned key_range, unsigned operations, unsigned fill_percent)
{
    struct rb_tree tree = {NULL};
    bool linked[ITEMS] = {false};
    model_count = 0;
    for (unsigned i = 0; i < operations; i++) {
        size_t index = test_random_below(ITEMS);
        if (!linked[index] && test_random_below(100) < fill_percent) {
            items[index].key = (unsigned)test_random_below(key_range);
            rb_insert(&tree, &items[index].node, compare_items);
            model_insert(&items[index]);
            linked[index] = true;
        } else if (linked[index]) {
            size_t at = 0;
            while (model[at] != &items[index]) {
                at++;
            }
            model_erase(at);
            rb_erase(&tree, &items[index].node);
            linked[index] = false;
            assert_true(items[index].node.parent_and_colour == 0);
            assert_null(items[index].node.left);
            assert_null(items[index].node.right);
        }
        compare_with_model(&tree);
        check_searches(&tree, (unsigned)test_random_below(key_range + 1));
    }
    while (model_count > 0) {
        size_t at = test_random_below(model_count);
        struct item *item = model[at];
        model_erase(at);
        rb_erase(&tree, &item->node);
        compare_with_model(&tree);
    }
}

static void test_random_operations(void **state)
{
    (void)state;
    run_model(1000000, 4000, 60);
    run_model(1000000, 4000, 90);
    run_model(20, 3000, 70); /* nearly all equal to another */
    run_model(1, 1000, 70);
}

static void test_small_trees_exhaustively(void **state)
{
    (void)state;
    /* all insertion orders and all removal orders of up to 6 members, by index permutations */
    enum { MOST = 6 };
    for (unsigned count = 1; count <= MOST; count++) {
        unsigned permutations = 1;
        for (unsigned i = 2; i <= count; i++) {
            permutations *= i;
        }
        for (unsigned p = 0; p < permutations * permutations; p++) {
            struct rb_tree tree = {NULL};
            unsigned orders[2] = {p % permutations, p / permutations};
            model_count = 0;
            for (unsigned phase = 0; phase < 2; phase++) {
                unsigned left[MOST] = {0, 1, 2, 3, 4, 5};
                unsigned code = orders[phase];
                for (unsigned n = count; n > 0; n--) {
                    unsigned pick = left[code % n];
                    memmove(&left[code % n], &left[code % n + 1], (MOST - 1 - code % n) * sizeof(left[0]));
                    code /= n;
                    items[pick].key = pick;
                    if (phase == 0) {
                        rb_insert(&tree, &items[pick].node, compare_items);
                    } else {
                        rb_erase(&tree, &items[pick].node);
                    }
                    assert_true(rb_check(&tree, compare_items, count));
                    assert_int_equal(rb_count(&tree), phase == 0 ? count - n + 1 : n - 1);
                }
            }
        }
    }
}

static void test_insert_at_from_own_descent(void **state)
{
    (void)state;
    struct rb_tree tree = {NULL};
    model_count = 0;
    for (unsigned i = 0; i < 100; i++) {
        items[i].key = (unsigned)test_random_below(1000);
        struct rb_node *parent = NULL;
        struct rb_node **link = &tree.root;
        while (*link != NULL) {
            parent = *link;
            link = items[i].key < item_of(parent)->key ? &parent->left : &parent->right;
        }
        rb_insert_at(&tree, parent, link, &items[i].node);
        model_insert(&items[i]);
        compare_with_model(&tree);
    }
}

static void test_empty_tree(void **state)
{
    (void)state;
    struct rb_tree tree = {NULL};
    unsigned key = 3;
    assert_true(rb_check(&tree, compare_items, 0));
    assert_null(rb_first(&tree));
    assert_null(rb_last(&tree));
    assert_null(rb_find(&tree, compare_key, &key));
    assert_null(rb_lower_bound(&tree, compare_key, &key));
    assert_int_equal(rb_count(&tree), 0);
}

static void test_container_of(void **state)
{
    (void)state;
    struct rb_node *node = &items[5].node;
    assert_ptr_equal(container_of(node, struct item, node), &items[5]);
}

static void build(struct rb_tree *tree, unsigned count)
{
    tree->root = NULL;
    for (unsigned i = 0; i < count; i++) {
        items[i].key = i;
        rb_insert(tree, &items[i].node, compare_items);
    }
    assert_true(rb_check(tree, compare_items, count));
}

static void test_check_finds_damage(void **state)
{
    (void)state;
    struct rb_tree tree;
    for (unsigned victim = 0; victim < 30; victim++) {
        struct rb_node *node = &items[victim].node;
        build(&tree, 30);
        node->parent_and_colour ^= 1; /* colour: breaks 2, 3 or 4 */
        assert_false(rb_check(&tree, compare_items, 30));

        build(&tree, 30);
        items[victim].key += 100; /* order */
        bool is_last = rb_next(node) == NULL;
        assert_int_equal(rb_check(&tree, compare_items, 30), is_last);

        build(&tree, 30);
        node->left = rb_root(&tree); /* a cycle */
        assert_false(rb_check(&tree, compare_items, 30));

        build(&tree, 30);
        node->parent_and_colour ^= 0x1000; /* parent link */
        assert_false(rb_check(&tree, compare_items, 30));

        build(&tree, 30);
        if (node->left != NULL && node->right != NULL) {
            node->right = node->left; /* a subtree seen twice */
            assert_false(rb_check(&tree, compare_items, 60));
            build(&tree, 30);
            node->right = NULL; /* a subtree lost */
            assert_false(rb_check(&tree, compare_items, 30));
        }
    }
    build(&tree, 30);
    assert_false(rb_check(&tree, compare_items, 29)); /* more members than there may be */
    build(&tree, 1);
    tree.root->parent_and_colour = (uintptr_t)&items[7].node | 1; /* a root with a parent */
    assert_false(rb_check(&tree, compare_items, 30));
}

static void test_red_red_is_found(void **state)
{
    (void)state;
    /* black 1, red 0 and 2, and a red child below 0: only invariant 3 is broken */
    struct rb_tree tree;
    build(&tree, 3);
    assert_ptr_equal(rb_root(&tree), &items[1].node);
    items[3].key = 0;
    items[3].node = (struct rb_node){.parent_and_colour = (uintptr_t)&items[0].node, .left = NULL, .right = NULL};
    items[0].node.right = &items[3].node;
    assert_false(rb_check(&tree, compare_items, 4));
}

static void test_damaged_removal_panics(void **state)
{
    (void)state;
    static struct rb_tree tree;
    build(&tree, 20);
    static struct item foreign;
    EXPECT_PANIC(rb_erase(&tree, &foreign.node)); /* in no tree */
    build(&tree, 20);
    rb_erase(&tree, &items[3].node);
    EXPECT_PANIC(rb_erase(&tree, &items[3].node)); /* twice */
    assert_true(rb_check(&tree, compare_items, 19));
    build(&tree, 20);
    items[7].node.parent_and_colour = (uintptr_t)&foreign.node | 1; /* its parent is another */
    EXPECT_PANIC(rb_erase(&tree, &items[7].node));
    build(&tree, 20);
    struct rb_node *root = rb_root(&tree);
    static struct item *top;
    top = container_of(root, struct item, node);
    top->node.left->parent_and_colour = (uintptr_t)&foreign.node | 1; /* a child denies it */
    EXPECT_PANIC(rb_erase(&tree, &top->node));
    build(&tree, 20);
    root = rb_root(&tree);
    top = container_of(root, struct item, node);
    top->node.right->parent_and_colour = (uintptr_t)&foreign.node | 1;
    EXPECT_PANIC(rb_erase(&tree, &top->node));
    build(&tree, 20);
    EXPECT_PANIC(rb_insert_at(&tree, NULL, &tree.root, &foreign.node)); /* the link is taken */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_small_trees_exhaustively),
        cmocka_unit_test(test_insert_at_from_own_descent),
        cmocka_unit_test(test_empty_tree),
        cmocka_unit_test(test_container_of),
        cmocka_unit_test(test_check_finds_damage),
        cmocka_unit_test(test_red_red_is_found),
        cmocka_unit_test(test_damaged_removal_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
