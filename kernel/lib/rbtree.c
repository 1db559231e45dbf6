/* rbtree.c — red-black tree (L. J. Guibas and R. Sedgewick, "A dichromatic framework for balanced trees", FOCS 1978;
 * deletion by cases as in T. H. Cormen et al., "Introduction to Algorithms", chapter 13).
 *
 * Invariants, all of them checked by rb_check:
 *   1. in-order, every member compares <= its successor;
 *   2. every node is red or black; the root is black; NULL counts as black;
 *   3. a red node has no red child;
 *   4. every path from a node down to NULL meets the same number of black nodes (black height).
 * From 3 and 4: height <= 2 log2(n + 1).
 *
 * "side" names a child so that each mirrored pair of cases is written once: LEFT or RIGHT, and !side is its twin. */
#include <neomem/panic.h>
#include <neomem/rbtree.h>

#define BLACK 1u

enum side {
    LEFT,
    RIGHT,
};

static struct rb_node *parent_of(const struct rb_node *node)
{
    return (struct rb_node *)(node->parent_and_colour & ~(uintptr_t)BLACK);
}

static bool is_red(const struct rb_node *node)
{
    return node != NULL && (node->parent_and_colour & BLACK) == 0;
}

static void set_parent(struct rb_node *node, struct rb_node *parent)
{
    node->parent_and_colour = (uintptr_t)parent | (node->parent_and_colour & BLACK);
}

static void set_red(struct rb_node *node)
{
    node->parent_and_colour &= ~(uintptr_t)BLACK;
}

static void set_black(struct rb_node *node)
{
    node->parent_and_colour |= BLACK;
}

static enum side other(enum side side)
{
    return side == LEFT ? RIGHT : LEFT;
}

static struct rb_node *child(const struct rb_node *node, enum side side)
{
    return side == LEFT ? node->left : node->right;
}

static enum side side_of(const struct rb_node *parent, const struct rb_node *node)
{
    return parent->left == node ? LEFT : RIGHT;
}

/* The pointer that leads to a child of parent; parent NULL: to the root. */
static struct rb_node **link_to(struct rb_tree *tree, struct rb_node *parent, const struct rb_node *node)
{
    if (parent == NULL) {
        return &tree->root;
    }
    return parent->left == node ? &parent->left : &parent->right;
}

/* Let the child on the other side take node's place; node becomes its child on `side`. Keeps the order.
 *
 *      node              up
 *     /    \            /  \
 *    a      up   ==>  node  c      (side LEFT)
 *          /  \       /  \
 *         b    c     a    b                            */
static void rotate(struct rb_tree *tree, struct rb_node *node, enum side side)
{
    struct rb_node *up = child(node, other(side));
    struct rb_node *inner = child(up, side);
    struct rb_node *parent = parent_of(node);
    *link_to(tree, parent, node) = up;
    set_parent(up, parent);
    if (side == LEFT) {
        up->left = node;
        node->right = inner;
    } else {
        up->right = node;
        node->left = inner;
    }
    set_parent(node, up);
    if (inner != NULL) {
        set_parent(inner, node);
    }
}

void rb_insert_at(struct rb_tree *tree, struct rb_node *parent, struct rb_node **link, struct rb_node *node)
{
    BUG_ON(*link != NULL);
    node->parent_and_colour = (uintptr_t)parent; /* red */
    node->left = NULL;
    node->right = NULL;
    *link = node;

    /* Invariant 3 may be broken between node and its parent, nowhere else. A red parent is never the root. */
    while (parent != NULL && is_red(parent)) {
        struct rb_node *grand = parent_of(parent);
        enum side side = side_of(grand, parent);
        struct rb_node *uncle = child(grand, other(side));
        if (is_red(uncle)) {
            set_black(parent);
            set_black(uncle);
            set_red(grand);
            node = grand;
            parent = parent_of(node);
            continue;
        }
        if (child(parent, other(side)) == node) {
            rotate(tree, parent, side);
            parent = node;
        }
        set_black(parent);
        set_red(grand);
        rotate(tree, grand, other(side));
        break;
    }
    set_black(tree->root);
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_compare_fn compare)
{
    struct rb_node *parent = NULL;
    struct rb_node **link = &tree->root;
    while (*link != NULL) {
        parent = *link;
        link = compare(node, parent) < 0 ? &parent->left : &parent->right;
    }
    rb_insert_at(tree, parent, link, node);
}

/* The subtree below parent on `side` has one black node too few on every path: give it one, or pass the lack upwards. */
static void repair_black_height(struct rb_tree *tree, struct rb_node *parent, enum side side)
{
    for (;;) {
        struct rb_node *sibling = child(parent, other(side));
        if (is_red(sibling)) {
            set_black(sibling);
            set_red(parent);
            rotate(tree, parent, side);
            sibling = child(parent, other(side));
        }
        /* By 4 the other side has a black node more than this one. */
        BUG_ON(sibling == NULL);
        struct rb_node *near = child(sibling, side);
        struct rb_node *far = child(sibling, other(side));
        if (!is_red(near) && !is_red(far)) {
            set_red(sibling);
            if (is_red(parent)) {
                set_black(parent);
                return;
            }
            struct rb_node *node = parent;
            parent = parent_of(node);
            if (parent == NULL) {
                return;
            }
            side = side_of(parent, node);
            continue;
        }
        if (!is_red(far)) {
            set_black(near);
            set_red(sibling);
            rotate(tree, sibling, other(side));
            far = sibling;
            sibling = near;
        }
        sibling->parent_and_colour =
            (sibling->parent_and_colour & ~(uintptr_t)BLACK) | (parent->parent_and_colour & BLACK);
        set_black(parent);
        set_black(far);
        rotate(tree, parent, side);
        return;
    }
}

static void check_neighbours(struct rb_tree *tree, struct rb_node *node)
{
    bool known = *link_to(tree, parent_of(node), node) == node;
    known = known && (node->left == NULL || parent_of(node->left) == node);
    known = known && (node->right == NULL || parent_of(node->right) == node);
    if (NEO_UNLIKELY(!known)) {
        panic("rbtree: removal of %p, which its neighbours do not know", (void *)node);
    }
}

/* Unlink a node that has at most one child, which takes its place. */
static void unlink_simple(struct rb_tree *tree, struct rb_node *node)
{
    struct rb_node *parent = parent_of(node);
    struct rb_node *orphan = node->left != NULL ? node->left : node->right;
    enum side side = parent != NULL ? side_of(parent, node) : LEFT;
    *link_to(tree, parent, node) = orphan;
    if (orphan != NULL) {
        /* By 3 and 4 an only child is red and its parent black: it takes over the colour. */
        set_parent(orphan, parent);
        set_black(orphan);
    } else if (!is_red(node) && parent != NULL) {
        repair_black_height(tree, parent, side);
    }
}

void rb_erase(struct rb_tree *tree, struct rb_node *node)
{
    check_neighbours(tree, node);
    if (node->left == NULL || node->right == NULL) {
        unlink_simple(tree, node);
    } else {
        /* The successor has no left child: take it out, then put it, as it is, where node was. */
        struct rb_node *successor = node->right;
        while (successor->left != NULL) {
            successor = successor->left;
        }
        check_neighbours(tree, successor);
        unlink_simple(tree, successor);
        *link_to(tree, parent_of(node), node) = successor;
        *successor = *node;
        /* The repair may have rotated node down and left it with one child, or none. */
        if (successor->left != NULL) {
            set_parent(successor->left, successor);
        }
        if (successor->right != NULL) {
            set_parent(successor->right, successor);
        }
    }
    node->parent_and_colour = 0;
    node->left = NULL;
    node->right = NULL;
}

static struct rb_node *outermost(struct rb_node *node, enum side side)
{
    while (node != NULL && child(node, side) != NULL) {
        node = child(node, side);
    }
    return node;
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
    return outermost(tree->root, LEFT);
}

struct rb_node *rb_last(const struct rb_tree *tree)
{
    return outermost(tree->root, RIGHT);
}

/* Neighbour on `side`: the nearest one below there, or else the first ancestor that has us on its other side. */
static struct rb_node *neighbour(const struct rb_node *node, enum side side)
{
    struct rb_node *below = child(node, side);
    if (below != NULL) {
        return outermost(below, other(side));
    }
    struct rb_node *parent = parent_of(node);
    while (parent != NULL && child(parent, side) == node) {
        node = parent;
        parent = parent_of(node);
    }
    return parent;
}

struct rb_node *rb_next(const struct rb_node *node)
{
    return neighbour(node, RIGHT);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
    return neighbour(node, LEFT);
}

struct rb_node *rb_lower_bound(const struct rb_tree *tree, rb_compare_key_fn compare, const void *key)
{
    struct rb_node *best = NULL;
    struct rb_node *node = tree->root;
    while (node != NULL) {
        if (compare(node, key) < 0) {
            node = node->right;
        } else {
            best = node;
            node = node->left;
        }
    }
    return best;
}

struct rb_node *rb_find(const struct rb_tree *tree, rb_compare_key_fn compare, const void *key)
{
    struct rb_node *node = rb_lower_bound(tree, compare, key);
    return node != NULL && compare(node, key) == 0 ? node : NULL;
}

size_t rb_count(const struct rb_tree *tree)
{
    size_t count = 0;
    for (const struct rb_node *node = rb_first(tree); node != NULL; node = rb_next(node)) {
        count++;
    }
    return count;
}
