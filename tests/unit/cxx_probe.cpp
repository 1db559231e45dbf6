/* cxx_probe.cpp — every form of new and delete, as a C++ program writes them. */
#include "cxx_probe.h"

#include <new>

/* clang declares the sized forms only when it is told to use them. */
#ifndef __cpp_sized_deallocation
void operator delete(void *block, size_t) noexcept;
void operator delete[](void *block, size_t) noexcept;
void operator delete(void *block, size_t, std::align_val_t) noexcept;
void operator delete[](void *block, size_t, std::align_val_t) noexcept;
#endif

namespace
{
int alive;
int sum;

struct Plain {
    int value;
    explicit Plain(int v = 3) : value(v)
    {
        alive++;
    }
    ~Plain()
    {
        alive--;
        sum += value;
    }
    Plain(const Plain &) = delete;
    Plain &operator=(const Plain &) = delete;
};

struct alignas(256) Wide {
    char bytes[300];
    Wide()
    {
        alive++;
        bytes[0] = 1;
    }
    ~Wide()
    {
        alive--;
    }
    Wide(const Wide &) = delete;
    Wide &operator=(const Wide &) = delete;
};

struct Base {
    virtual ~Base()
    {
        sum += 100;
    }
    Base() = default;
    Base(const Base &) = delete;
    Base &operator=(const Base &) = delete;
};

struct Derived : Base {
    Plain part;
    char more[5000];
    Derived()
    {
        more[0] = 1;
    }
};

bool is_aligned_to(const void *pointer, size_t align)
{
    return reinterpret_cast<uintptr_t>(pointer) % align == 0;
}
} // namespace

const char *cxx_probe_round_trip(void)
{
    alive = 0;
    sum = 0;
    Plain *one = new Plain(5);
    Plain *many = new Plain[10];
    Plain *maybe = new (std::nothrow) Plain(7);
    Plain *maybe_many = new (std::nothrow) Plain[2];
    Wide *wide = new Wide;
    Wide *wide_many = new Wide[3];
    Wide *maybe_wide = new (std::nothrow) Wide;
    Wide *maybe_wide_many = new (std::nothrow) Wide[2];
    Base *base = new Derived;
    char *nothing = new char[0];
    if (alive != 1 + 10 + 1 + 2 + 1 + 3 + 1 + 2 + 1) {
        return "constructors";
    }
    if (!is_aligned_to(one, 16) || !is_aligned_to(wide, 256) || !is_aligned_to(wide_many, 256) ||
        !is_aligned_to(maybe_wide, 256) || !is_aligned_to(maybe_wide_many, 256)) {
        return "alignment";
    }
    if (nothing == nullptr) {
        return "size 0";
    }
    delete one;
    delete[] many;
    delete maybe;
    delete[] maybe_many;
    delete wide;
    delete[] wide_many;
    delete maybe_wide;
    delete[] maybe_wide_many;
    delete base;
    delete[] nothing;
    delete static_cast<Plain *>(nullptr);
    delete[] static_cast<char *>(nullptr);
    /* Called as the compiler does where a nothrow constructor throws, and sized or not. */
    ::operator delete(::operator new(10), std::nothrow);
    ::operator delete[](::operator new[](10), std::nothrow);
    ::operator delete (::operator new(10), size_t{10});
    ::operator delete[](::operator new[](10), size_t{10});
    ::operator delete (::operator new (10, std::align_val_t{64}), size_t{10}, std::align_val_t{64});
    ::operator delete[](::operator new[](10, std::align_val_t{64}), size_t{10}, std::align_val_t{64});
    ::operator delete (::operator new (10, std::align_val_t{64}), std::align_val_t{64}, std::nothrow);
    ::operator delete[](::operator new[](10, std::align_val_t{64}), std::align_val_t{64}, std::nothrow);
    if (alive != 0) {
        return "destructors";
    }
    return sum == 5 + 30 + 7 + 6 + 100 + 3 ? nullptr : "values";
}

const char *cxx_probe_nothrow_without_memory(size_t nbytes)
{
    /* More than the heap aligns to; no constant, because compilers look at those. */
    volatile size_t align = size_t{1} << 40;
    void *blocks[] = {::operator new(nbytes, std::nothrow), ::operator new[](nbytes, std::nothrow),
                      ::operator new (nbytes, std::align_val_t{64}, std::nothrow),
                      ::operator new[](nbytes, std::align_val_t{64}, std::nothrow),
                      ::operator new (8, std::align_val_t{align}, std::nothrow)};
    for (void *block : blocks) {
        if (block != nullptr) {
            return "nothrow new is not null";
        }
    }
    return nullptr;
}

void cxx_probe_plain_without_memory(unsigned form, size_t nbytes)
{
    void *block = nullptr;
    if (form == 0) {
        block = ::operator new(nbytes);
    } else if (form == 1) {
        block = ::operator new[](nbytes);
    } else if (form == 2) {
        block = ::operator new (nbytes, std::align_val_t{64});
    } else {
        block = ::operator new[](nbytes, std::align_val_t{64});
    }
    ::operator delete(block);
}

void cxx_probe_delete(void *block)
{
    ::operator delete(block);
}
