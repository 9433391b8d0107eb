// What only the CPU has: the loop over tasks that its threads share, and what comes out of it when something fails.
#pragma once

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
#define PUBLIC extern "C" EXPORTED
#define KERNEL PUBLIC void

// For loops that are worth vector instructions: compiled for several processors, of which the loader picks one.
// Bits do not depend on it: nothing is reordered, and -ffp-contract=off keeps products apart from sums.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(FEMTMS_SANITISED)
#define VECTORISED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define VECTORISED
#endif

// Inlines a function into a VECTORISED caller, so that it is compiled for the same processor.
#ifdef _MSC_VER
#define INLINED static __forceinline
#else
#define INLINED static inline __attribute__((always_inline))
#endif

// Promises the compiler that no other pointer reaches this memory.
#define RESTRICT __restrict

// Before a loop whose steps do not read what other steps write, which the compiler cannot see.
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT __pragma(loop(ivdep))
#endif

const long long ROWS = 1024;  // of a task: enough work to hide the scheduling, and the unit of sums over rows

// function(context, task) for task = 0 ... tasks - 1, each once, on all threads; in no order.  What one throws, the
// caller gets when all have ended.
void run_tasks(long long tasks, void (*function)(const void*, long long), const void* context);

// body(task) for task = 0 ... tasks - 1
template <typename Body>
static inline void for_each_task(const long long tasks, const Body& body)
{
    run_tasks(tasks, [](const void* context, long long task) { (*static_cast<const Body*>(context))(task); }, &body);
}

// body(begin, end) for ranges of at most ROWS that make up 0 ... count - 1
template <typename Body>
static inline void for_ranges(const long long count, const Body& body)
{
    for_each_task((count + ROWS - 1) / ROWS, [&](const long long task) {
        body(task * ROWS, count < (task + 1) * ROWS ? count : (task + 1) * ROWS);
    });
}

// body(part, begin, end) for `parts` ranges that make up 0 ... count - 1: for bodies with large memory of their own
template <typename Body>
static inline void for_parts(const long long count, const long long parts, const Body& body)
{
    for_each_task(parts, [&](const long long part) { body(part, part * count / parts, (part + 1) * count / parts); });
}

// body(i) for i = 0 ... count - 1
template <typename Body>
static inline void for_each(const long long count, const Body& body)
{
    for_ranges(count, [&](const long long begin, const long long end) {
        for (long long i = begin; i < end; ++i) body(i);
    });
}

// How many threads there are, and what the last kernel of this thread threw: Python looks at both.
int threads();
void keep_failure();

// A kernel that takes memory:  KERNEL name(...) try { ... } KEEP_FAILURE
// No exception may leave the library, whose callers do not know C++.
#define KEEP_FAILURE    \
    catch (...)         \
    {                   \
        keep_failure(); \
    }
