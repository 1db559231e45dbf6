/* fuzz_efi_options.c — arbitrary bytes as neomem.cfg or as LoadOptions: words and notes stay in their buffers and are
 * printable text, whatever comes. The first byte chooses the source and how small the word buffer is. */
#include <stdlib.h>
#include <string.h>

#include "efi/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_lines(const char *bytes, size_t used, size_t capacity, bool may_be_empty)
{
    check(used <= capacity);
    check(used == 0 || bytes[used - 1] == '\0');
    for (size_t at = 0; at < used; at++) {
        check(bytes[at] == '\0' || bytes[at] == '\t' || (bytes[at] >= ' ' && bytes[at] <= '~'));
        check(may_be_empty || bytes[at] != '\0' || (at > 0 && bytes[at - 1] != '\0'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    size_t capacity = OPTIONS_WORDS_BYTES(nbytes);
    char *note_room = malloc(NOTE_BYTES * 4);
    struct option_words words;
    struct option_words none = {NULL, 0, 0};
    struct notes notes;
    uint64_t number;
    char *room;
    int choice;

    if (nbytes == 0) {
        free(note_room);
        return 0;
    }
    if ((data[0] & 2) != 0) {
        capacity = data[0] >> 2;
    }
    room = malloc(capacity + 1);
    notes_init(&notes, note_room, NOTE_BYTES * 4);
    options_init(&words, room, capacity);
    if ((data[0] & 1) != 0) {
        options_from_load_options(&words, data + 1, nbytes - 1, &notes);
    } else {
        options_from_file(&words, data + 1, nbytes - 1, false, &notes);
    }
    check_lines(words.bytes, words.used, capacity, false);
    check_lines(notes.bytes, notes.used, notes.capacity, true);
    choice = options_choice(&words, &none, "kaslr", "off on");
    check(choice >= -1 && choice <= 1);
    (void)options_number(&words, &none, "seed", &number);
    free(room);
    free(note_room);
    return 0;
}
