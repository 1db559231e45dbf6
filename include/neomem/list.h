/* list.h — intrusive doubly-linked circular list.
 *
 * A list is a head node; a member embeds a node. Invariant of every linked node: next->prev and prev->next are the node
 * itself; a node outside any list has both NULL. Linking and unlinking check this and panic when it is broken, before
 * anything is written: damage does not spread.
 *
 * Locking: the caller's. Cost: O(1) but for list_count. Context: any.
 * Depends on: compiler.h, panic.h, types.h. Used by: kernel/. */
#ifndef NEOMEM_LIST_H
#define NEOMEM_LIST_H

#include <neomem/compiler.h>
#include <neomem/panic.h>
#include <neomem/types.h>

struct list_node {
    struct list_node *next, *prev;
};

/* The structure that embeds a node as `member`. pointer: a non-NULL struct list_node *, not const. */
#ifndef container_of
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#endif

/* Static initialiser of an empty list's head. */
#define LIST_INIT(head) \
    { \
        &(head), &(head) \
    }

/* Walk a list; the body must not unlink `node`. */
#define list_for_each(node, head) for (struct list_node *node = (head)->next; node != (head); node = node->next)

/* Walk a list; the body may unlink (and free) `node`, nothing else. */
#define list_for_each_safe(node, head) \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list_node *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

/* Whether a member node is in some list; the node must have been zeroed, linked or removed before. */
static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

/* Put node, which is in no list, before position. */
static inline void list_insert_before(struct list_node *position, struct list_node *node)
{
    struct list_node *before = position->prev;
    if (NEO_UNLIKELY(before == NULL || before->next != position)) {
        panic("list: damaged link before %p", (void *)position);
    }
    node->next = position;
    node->prev = before;
    before->next = node;
    position->prev = node;
}

static inline void list_add_head(struct list_node *head, struct list_node *node)
{
    list_insert_before(head->next, node);
}

static inline void list_add_tail(struct list_node *head, struct list_node *node)
{
    list_insert_before(head, node);
}

/* Unlink a member. Panics when it is in no list or its neighbours do not know it. */
static inline void list_remove(struct list_node *node)
{
    struct list_node *next = node->next;
    struct list_node *prev = node->prev;
    if (NEO_UNLIKELY(next == NULL || prev == NULL || next->prev != node || prev->next != node)) {
        panic("list: removal of %p, which is not linked", (void *)node);
    }
    prev->next = next;
    next->prev = prev;
    node->next = NULL;
    node->prev = NULL;
}

/* First / last member; NULL when the list is empty. */
static inline struct list_node *list_first(const struct list_node *head)
{
    return head->next == head ? NULL : head->next;
}

static inline struct list_node *list_last(const struct list_node *head)
{
    return head->prev == head ? NULL : head->prev;
}

/* Neighbour of a member; NULL at the end. */
static inline struct list_node *list_next(const struct list_node *head, const struct list_node *node)
{
    return node->next == head ? NULL : node->next;
}

static inline struct list_node *list_prev(const struct list_node *head, const struct list_node *node)
{
    return node->prev == head ? NULL : node->prev;
}

/* Unlink and return the first member; NULL when the list is empty. */
static inline struct list_node *list_pop_head(struct list_node *head)
{
    struct list_node *first = list_first(head);
    if (first != NULL) {
        list_remove(first);
    }
    return first;
}

/* Number of members. Cost: O(n). */
static inline size_t list_count(const struct list_node *head)
{
    size_t count = 0;
    for (const struct list_node *node = head->next; node != head; node = node->next) {
        count++;
    }
    return count;
}

/* Whether every link of the list is mirrored by its neighbour, looking at no more than limit members. Cost: O(n). */
static inline bool list_check(const struct list_node *head, size_t limit)
{
    const struct list_node *node = head;
    for (size_t seen = 0; seen <= limit; seen++) {
        if (node->next == NULL || node->next->prev != node) {
            return false;
        }
        node = node->next;
        if (node == head) {
            return true;
        }
    }
    return false;
}

#endif
