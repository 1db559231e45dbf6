// selftest_cxx.cpp — the C++ operators, used as C++ code uses them: objects with constructors and
// destructors, arrays, over-aligned types, sized and unsized delete.

#include "selftest_internal.h"

#include <neomem/memory.h>

namespace
{

int living;

struct counted {
    explicit counted(uint64_t number = 0x5EED) : value(number), check(~number)
    {
        living++;
    }
    ~counted()
    {
        living--;
    }
    counted(const counted &) = delete;
    counted &operator=(const counted &) = delete;
    bool intact() const
    {
        return check == ~value;
    }
    uint64_t value;
    uint64_t check;
};

struct alignas(128) over_aligned {
    uint8_t bytes[200];
};

class shape
{
  public:
    virtual ~shape() = default;
    virtual uint64_t area() const = 0;
};

class square final : public shape
{
  public:
    explicit square(uint64_t side) : side_(side)
    {
    }
    uint64_t area() const override
    {
        return side_ * side_;
    }

  private:
    uint64_t side_;
};

bool one_object()
{
    counted *object = new counted(42);
    bool ok = object->intact() && object->value == 42 && living == 1;
    delete object;
    return ok && living == 0;
}

bool an_array()
{
    counted *array = new counted[33];
    bool ok = living == 33;
    for (int i = 0; i < 33; i++) {
        ok = ok && array[i].intact() && array[i].value == 0x5EED;
    }
    delete[] array;
    return ok && living == 0;
}

bool over_aligned_object()
{
    over_aligned *object = new over_aligned;
    bool ok = reinterpret_cast<uintptr_t>(object) % alignof(over_aligned) == 0;
    delete object;
    return ok;
}

bool virtual_object()
{
    shape *object = new square(12);
    bool ok = object->area() == 144;
    delete object;
    return ok;
}

uint64_t live_blocks()
{
    memory_stats stats;
    memory_get_stats(&stats);
    return stats.heap_blocks;
}

} // namespace

extern "C" enum selftest_result selftest_cxx(struct selftest_report *report)
{
    uint64_t before = live_blocks();
    bool object = one_object();
    bool array = an_array();
    bool aligned = over_aligned_object();
    bool dispatched = virtual_object();

    if (!object || !array || !aligned || !dispatched || live_blocks() != before) {
        return selftest_fail(report, "object %d, array %d, aligned %d, virtual %d, blocks %llu before, %llu after",
                             object, array, aligned, dispatched, static_cast<unsigned long long>(before),
                             static_cast<unsigned long long>(live_blocks()));
    }
    return selftest_pass(report, "new, new[], over-aligned new, virtual destructors");
}
