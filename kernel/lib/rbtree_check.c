/* rbtree_check.c — proof that a red-black tree is one.
 *
 * Walks the tree in pre-order by parent links, which are themselves under suspicion: a step down is only taken after
 * the child was seen to point back, and the number of steps is bounded, so damage ends the walk instead of catching it. */
#include <neomem/rbtree.h>

#define BLACK 1u

static struct rb_node *parent_of(const struct rb_node *node)
{
    return (struct rb_node *)(node->parent_and_colour & ~(uintptr_t)BLACK);
}

static bool is_black(const struct rb_node *node)
{
    return node == NULL || (node->parent_and_colour & BLACK) != 0;
}

static bool knows_parent(const struct rb_node *child, const struct rb_node *parent)
{
    return child == NULL || parent_of(child) == parent;
}

/* Black nodes from the root down to the first NULL on the left; the measure for every other path. */
static size_t leftmost_black_height(const struct rb_tree *tree, size_t limit)
{
    size_t height = 0;
    size_t steps = 0;
    for (const struct rb_node *node = tree->root; node != NULL && steps <= limit; node = node->left, steps++) {
        height += is_black(node);
    }
    return height;
}

/* Links, colours and black heights, at one node that is `height` black nodes (itself included) below the root. */
static bool node_is_sound(const struct rb_node *node, size_t height, size_t expected)
{
    if (!knows_parent(node->left, node) || !knows_parent(node->right, node)) {
        return false;
    }
    if (node->left != NULL && node->left == node->right) {
        return false;
    }
    if (!is_black(node) && !(is_black(node->left) && is_black(node->right))) {
        return false;
    }
    return (node->left != NULL && node->right != NULL) || height == expected;
}

static bool shape_is_sound(const struct rb_tree *tree, size_t limit)
{
    size_t expected = leftmost_black_height(tree, limit);
    size_t height = 1;
    size_t seen = 0;
    const struct rb_node *node = tree->root;
    while (node != NULL) {
        if (++seen > limit || !node_is_sound(node, height, expected)) {
            return false;
        }
        const struct rb_node *next = node->left != NULL ? node->left : node->right;
        while (next == NULL && parent_of(node) != NULL) {
            /* Back up to the first ancestor whose right subtree is still to be seen. */
            const struct rb_node *parent = parent_of(node);
            height -= is_black(node);
            if (parent->left == node) {
                next = parent->right;
            }
            node = parent;
        }
        if (next != NULL) {
            height += is_black(next);
        }
        node = next;
    }
    return true;
}

bool rb_check(const struct rb_tree *tree, rb_compare_fn compare, size_t limit)
{
    if (tree->root == NULL) {
        return true;
    }
    if (parent_of(tree->root) != NULL || !is_black(tree->root) || !shape_is_sound(tree, limit)) {
        return false;
    }
    /* The links are sound and acyclic now, so the ordinary walk ends. */
    const struct rb_node *node = rb_first(tree);
    for (const struct rb_node *next = rb_next(node); next != NULL; node = next, next = rb_next(next)) {
        if (compare(node, next) > 0) {
            return false;
        }
    }
    return true;
}
