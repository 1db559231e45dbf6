/* rbtree.h — intrusive red-black tree.
 *
 * A member embeds a struct rb_node (24 bytes, any 2-aligned address). The tree knows no keys: the order is what the
 * caller's compare function says, and searches with a rule of their own (best fit) descend by hand through rb_root,
 * rb_left and rb_right. Equal members are legal; a new one comes after those that are there.
 * Theory and invariants: at the head of rbtree.c.
 *
 * Unlinking checks that the neighbours know the node and panics when they do not, before anything is written.
 * Locking: the caller's. Context: any. Cost: O(log n), no recursion, unless said otherwise.
 * Depends on: types.h. Used by: kernel/mm. */
#ifndef NEOMEM_RBTREE_H
#define NEOMEM_RBTREE_H

#include <neomem/compiler.h>
#include <neomem/types.h>

struct rb_node {
    uintptr_t parent_and_colour; /* bit 0: black */
    struct rb_node *left, *right;
};

struct rb_tree {
    struct rb_node *root; /* NULL: empty; a zeroed struct is an empty tree */
};

/* The structure that embeds a node as `member`. pointer: a non-NULL struct rb_node *, not const. */
#ifndef container_of
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#endif

/* Order of two members: < 0 when left comes first, 0 when they are equal, > 0. */
typedef int (*rb_compare_fn)(const struct rb_node *left, const struct rb_node *right);
/* Order of a member and a key: < 0 when the member comes before the key, 0 when it matches, > 0. */
typedef int (*rb_compare_key_fn)(const struct rb_node *node, const void *key);

static inline struct rb_node *rb_root(const struct rb_tree *tree)
{
    return tree->root;
}

static inline struct rb_node *rb_left(const struct rb_node *node)
{
    return node->left;
}

static inline struct rb_node *rb_right(const struct rb_node *node)
{
    return node->right;
}

static inline bool rb_is_empty(const struct rb_tree *tree)
{
    return tree->root == NULL;
}

/* Insert a node that is in no tree. */
void rb_insert(struct rb_tree *tree, struct rb_node *node, rb_compare_fn compare);

/* Insert where the caller's own descent ended: *link is the NULL child pointer of parent that was reached
 * (&tree->root and parent NULL for an empty tree). */
void rb_insert_at(struct rb_tree *tree, struct rb_node *parent, struct rb_node **link, struct rb_node *node);

/* Unlink a member; its fields are cleared. Panics when the tree does not know it. */
void rb_erase(struct rb_tree *tree, struct rb_node *node);

/* Smallest / greatest member; NULL when the tree is empty. */
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_last(const struct rb_tree *tree);

/* In-order neighbours; NULL at the end. Cost: O(log n), O(1) amortised over a walk. */
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* First member that matches key; NULL when there is none. */
struct rb_node *rb_find(const struct rb_tree *tree, rb_compare_key_fn compare, const void *key);
/* First member that does not come before key (best fit: the smallest that is large enough); NULL when there is none. */
struct rb_node *rb_lower_bound(const struct rb_tree *tree, rb_compare_key_fn compare, const void *key);

/* Number of members. Cost: O(n). */
size_t rb_count(const struct rb_tree *tree);

/* Whether all invariants hold: order, colours, black height, parent links. Looks at no more than limit members and
 * returns false when there are more, so damage that makes a cycle is found too. Cost: O(n). */
bool rb_check(const struct rb_tree *tree, rb_compare_fn compare, size_t limit);

#endif
