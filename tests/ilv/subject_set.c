/* subject_set.c — see subject_set.h. */

#include "subject_set.h"

#include "../../kernel/mm/frames_set.h"

#define MEMBERS 128u
#define MEMORY_WORDS 8u
#define SECOND_WORD 64u

static struct {
    struct frames_set set;
    atomic_word memory[MEMORY_WORDS];
} subject;

void subject_set_start(void)
{
    set_init(&subject.set, subject.memory, MEMBERS);
    (void)set_add(&subject.set, SECOND_WORD);
    (void)set_remove(&subject.set, SECOND_WORD);
}

void subject_set_add(unsigned thread)
{
    (void)set_add(&subject.set, SECOND_WORD + thread);
}

void subject_set_take(void)
{
    uint64_t member = set_find(&subject.set, 0, 0, MEMBERS);
    if (member != SET_NONE) {
        (void)set_remove(&subject.set, member);
    }
}

bool subject_set_is_sound(void)
{
    uint64_t left = word_load_sc(&subject.memory[1]);
    for (uint64_t member; (member = set_find(&subject.set, 0, 0, MEMBERS)) != SET_NONE; left &= left - 1) {
        if (member / 64 != 1 || !set_remove(&subject.set, member)) {
            return false;
        }
    }
    return left == 0;
}
