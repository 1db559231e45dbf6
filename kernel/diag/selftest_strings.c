/* selftest_strings.c — memcpy, memset_8 and memset_64 of the public API, with a fence on both sides. */

#include "selftest_internal.h"

#include <neomem/memory.h>
#include <neomem/string.h>

#define FENCE 0xEEu
#define ROOM 600u

static bool all_bytes(const uint8_t *bytes, size_t begin, size_t end, uint8_t value)
{
    for (size_t i = begin; i < end; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

enum selftest_result selftest_fill_and_copy(struct selftest_report *report)
{
    static uint8_t target[ROOM] NEO_ALIGNED(8);
    static uint8_t source[ROOM];
    uint64_t wrong = 0;
    uint64_t checked = 0;

    selftest_fill(source, ROOM, 3);
    for (size_t length = 0; length <= 512; length += length < 70 ? 1 : 61) {
        for (size_t offset = 0; offset < 9; offset++) {
            memset(target, FENCE, ROOM);
            memcpy(target + offset, source + 1, length);
            wrong += memcmp(target + offset, source + 1, length) != 0 || !all_bytes(target, 0, offset, FENCE) ||
                     !all_bytes(target, offset + length, ROOM, FENCE);
            memset_8(target + offset, length, 0x5A);
            wrong +=
                !all_bytes(target, offset, offset + length, 0x5A) || !all_bytes(target, offset + length, ROOM, FENCE);
            checked++;
        }
        memset(target, FENCE, ROOM);
        memset_64(target, length / 8, 0x3333333333333333ull);
        wrong += !all_bytes(target, 0, length / 8 * 8, 0x33) || !all_bytes(target, length / 8 * 8, ROOM, FENCE);
    }
    if (wrong != 0) {
        return selftest_fail(report, "%llu of %llu cases wrong", (unsigned long long)wrong,
                             (unsigned long long)checked);
    }
    return selftest_pass(report, "%llu lengths and offsets, nothing written past the end", (unsigned long long)checked);
}
