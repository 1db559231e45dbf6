/* cxx_operators.cpp — C++ operator new and delete in all their forms, on the kernel heap.
 *
 * There are no exceptions: plain new that finds no memory panics with its caller, the nothrow forms return nullptr. As in
 * standard C++ a size of 0 gives a block of its own, and deleting nullptr is legal. Sized and aligned delete need
 * neither number: the heap knows its blocks. Alignments above 2 MiB count as no memory.
 * Source: ISO C++17 [new.delete.single], [new.delete.array]. Declarations are spelled out because a
 * freestanding build has no <new>. */

#include "heap_entry.h"

extern "C" {
#include <neomem/heap.h>
#include <neomem/panic.h>
}

namespace std
{
using ::size_t;
enum class align_val_t : size_t {};
struct nothrow_t {
    explicit nothrow_t() = default;
};
extern const nothrow_t nothrow;
const nothrow_t nothrow{};
} // namespace std

namespace
{
constexpr size_t default_align = 16;

void *allocate(size_t size, size_t align, const void *caller)
{
    if (align > HEAP_ALIGN_MAX) {
        return nullptr;
    }
    return heap_allocate(size == 0 ? 1 : size, align, caller);
}

void *allocate_or_panic(size_t size, size_t align, const void *caller)
{
    void *block = allocate(size, align, caller);
    if (block == nullptr) {
        panic("operator new of %zu bytes by %p: no memory", size, caller);
    }
    return block;
}

void release(void *block, const void *caller)
{
    if (block != nullptr) {
        heap_release(block, caller, "operator delete");
    }
}
} // namespace

#define CALLER __builtin_return_address(0)

void *operator new(size_t size)
{
    return allocate_or_panic(size, default_align, CALLER);
}

void *operator new[](size_t size)
{
    return allocate_or_panic(size, default_align, CALLER);
}

void *operator new(size_t size, const std::nothrow_t &) noexcept
{
    return allocate(size, default_align, CALLER);
}

void *operator new[](size_t size, const std::nothrow_t &) noexcept
{
    return allocate(size, default_align, CALLER);
}

void *operator new(size_t size, std::align_val_t align)
{
    return allocate_or_panic(size, static_cast<size_t>(align), CALLER);
}

void *operator new[](size_t size, std::align_val_t align)
{
    return allocate_or_panic(size, static_cast<size_t>(align), CALLER);
}

void *operator new(size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return allocate(size, static_cast<size_t>(align), CALLER);
}

void *operator new[](size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return allocate(size, static_cast<size_t>(align), CALLER);
}

void operator delete(void *block) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block) noexcept
{
    release(block, CALLER);
}

void operator delete(void *block, size_t) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block, size_t) noexcept
{
    release(block, CALLER);
}

void operator delete(void *block, std::align_val_t) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block, std::align_val_t) noexcept
{
    release(block, CALLER);
}

void operator delete(void *block, size_t, std::align_val_t) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block, size_t, std::align_val_t) noexcept
{
    release(block, CALLER);
}

void operator delete(void *block, const std::nothrow_t &) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block, const std::nothrow_t &) noexcept
{
    release(block, CALLER);
}

void operator delete(void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    release(block, CALLER);
}

void operator delete[](void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    release(block, CALLER);
}
