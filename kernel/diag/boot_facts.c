/* boot_facts.c — what the loader told us, copied to the heap before the loader's memory is reclaimed. */

#include <neomem/boot_facts.h>
#include <neomem/compiler.h>
#include <neomem/kernel_image.h>
#include <neomem/memory.h>
#include <neomem/string.h>

#define BUILD_ID_BYTES_MAX 20u

static struct {
    struct boot_info info;
    struct boot_milestones milestones;
    char build_id[2 * BUILD_ID_BYTES_MAX + 1];
} facts;

/* Replace *pointer by a heap copy of the nbytes it points to. Without memory it becomes NULL. */
static bool keep_blob(const void **pointer, uint64_t nbytes)
{
    const void *original = *pointer;
    *pointer = NULL;
    if (original == NULL || nbytes == 0) {
        return true;
    }
    void *copy = kmalloc(nbytes);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, original, nbytes);
    *pointer = copy;
    return true;
}

bool boot_facts_keep(const struct boot_info *info)
{
    facts.info = *info;
    struct boot_info *b = &facts.info;
    const struct {
        const void **pointer;
        uint64_t *count;
        uint64_t element_bytes;
    } blobs[] = {
        {(const void **)&b->memmap, &b->memmap_count, sizeof(*b->memmap)},
        {(const void **)&b->trims, &b->trim_count, sizeof(*b->trims)},
        {&b->efi_memmap, &b->efi_memmap_bytes, 1},
        {&b->smbios, &b->smbios_bytes, 1},
        {&b->mat, &b->mat_bytes, 1},
        {(const void **)&b->config_words, &b->config_words_bytes, 1},
        {(const void **)&b->command_words, &b->command_words_bytes, 1},
        {(const void **)&b->notes, &b->notes_bytes, 1},
    };
    bool complete = true;

    for (size_t i = 0; i < ARRAY_COUNT(blobs); i++) {
        if (!keep_blob(blobs[i].pointer, *blobs[i].count * blobs[i].element_bytes)) {
            *blobs[i].count = 0;
            complete = false;
        }
    }
    b->refusal = NULL; /* the kernel would not have come this far */
    return complete;
}

const struct boot_info *boot_facts(void)
{
    return &facts.info;
}

struct boot_milestones *boot_milestones(void)
{
    return &facts.milestones;
}

const char *boot_build_id(void)
{
    static const char digits[] = "0123456789abcdef";
    size_t nbytes;
    const uint8_t *id = kernel_image_build_id(&nbytes);

    if (nbytes > BUILD_ID_BYTES_MAX) {
        nbytes = BUILD_ID_BYTES_MAX;
    }
    for (size_t i = 0; i < nbytes; i++) {
        facts.build_id[2 * i] = digits[id[i] >> 4];
        facts.build_id[2 * i + 1] = digits[id[i] & 15];
    }
    facts.build_id[2 * nbytes] = '\0';
    return facts.build_id;
}
