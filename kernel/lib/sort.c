/* sort.c — heapsort (J. W. J. Williams, Algorithm 232, CACM 7, 1964; R. W. Floyd's heap construction).
 *
 * Chosen over quicksort for its bound: the maps it sorts come from firmware, which must not be able to choose the worst
 * case, and it needs neither memory nor recursion.
 *
 * Heap invariant: for all i >= 1, element[(i - 1) / 2] >= element[i]. */
#include <neomem/sort.h>
#include <neomem/string.h>

struct sort_job {
    unsigned char *base;
    size_t element_bytes;
    int (*compare)(const void *, const void *);
};

static unsigned char *element(const struct sort_job *job, size_t index)
{
    return job->base + index * job->element_bytes;
}

static void swap_elements(const struct sort_job *job, size_t left, size_t right)
{
    unsigned char *a = element(job, left);
    unsigned char *b = element(job, right);
    size_t rest = job->element_bytes;
    while (rest >= sizeof(uint64_t)) {
        uint64_t x;
        uint64_t y;
        neo_memcpy(&x, a, sizeof(x));
        neo_memcpy(&y, b, sizeof(y));
        neo_memcpy(a, &y, sizeof(y));
        neo_memcpy(b, &x, sizeof(x));
        a += sizeof(uint64_t);
        b += sizeof(uint64_t);
        rest -= sizeof(uint64_t);
    }
    for (; rest > 0; rest--) {
        unsigned char x = *a;
        *a++ = *b;
        *b++ = x;
    }
}

/* Restore the invariant below `hole`, whose subtrees have it, in the first count elements. */
static void sift_down(const struct sort_job *job, size_t hole, size_t count)
{
    while (hole < count / 2) {
        size_t child = 2 * hole + 1;
        if (child + 1 < count && job->compare(element(job, child), element(job, child + 1)) < 0) {
            child++;
        }
        if (job->compare(element(job, hole), element(job, child)) >= 0) {
            return;
        }
        swap_elements(job, hole, child);
        hole = child;
    }
}

void neo_sort(void *base, size_t count, size_t element_bytes, int (*compare)(const void *, const void *))
{
    struct sort_job job = {.base = base, .element_bytes = element_bytes, .compare = compare};
    for (size_t i = count / 2; i-- > 0;) {
        sift_down(&job, i, count);
    }
    while (count > 1) {
        count--;
        swap_elements(&job, 0, count);
        sift_down(&job, 0, count);
    }
}
