/* compiler.h — attributes and compile-time helpers shared by both halves (gcc 12 and clang).
 * Depends on: nothing. Used by: everything. */
#ifndef NEOMEM_COMPILER_H
#define NEOMEM_COMPILER_H

#define NEO_NODISCARD __attribute__((warn_unused_result))
#define NEO_NORETURN __attribute__((noreturn))
#define NEO_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define NEO_PACKED __attribute__((packed))
#define NEO_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define NEO_SECTION(name) __attribute__((section(name), used))
#define NEO_UNUSED __attribute__((unused))
#define NEO_NOINLINE __attribute__((noinline))
#define NEO_ALWAYS_INLINE __attribute__((always_inline))

#define NEO_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define NEO_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Number of elements of a true array (a pointer does not compile under -Wsizeof-pointer-div). */
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
