// The threads of the CPU: they wait until there are tasks, and take one after the other.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <thread>

#include "cpu.h"

#ifndef _WIN32
#include <pthread.h>
#endif

extern "C" {
EXPORTED const char* core_digest = FEMTMS_DIGEST;  // of the sources: see __init__.py
EXPORTED std::atomic<int> core_failures{0};        // that nobody has asked for
}

namespace
{

// How long a thread looks before it sleeps: loops of a solver follow each other within microseconds, and to wake up
// takes longer than many of them.
const auto PATIENCE = std::chrono::microseconds(300);

const int MOST_SHARES = 256;  // more threads begin with the shares of others

// The tasks that a thread begins with: in each loop the same, as far as may be, so that it finds its part of the arrays
// in its cache.  Then it helps the others.
struct alignas(64) Share {
    std::atomic<long long> next{0};
    long long end = 0;
};

struct Pool {
    std::mutex busy;  // held by the caller whose loop the threads are at

    std::mutex mutex;  // of what follows
    std::condition_variable work, done;
    int started = 0;
    int at_work = 0;  // threads that may still take a task
    std::exception_ptr thrown;

    std::atomic<int> wanted{1};      // threads, with the caller
    std::atomic<long long> loop{0};  // number of the loop: it changes when there is a new one
    std::atomic<int> left{0};        // threads that have not left the loop
    int shares = 0;
    Share share[MOST_SHARES];
    void (*function)(const void*, long long) = nullptr;
    const void* context = nullptr;
};

Pool* pool = new Pool;             // never destroyed: its threads outlive whatever a program destroys at its end
thread_local bool inside = false;  // a loop within a task runs in its thread
thread_local int failure = 0;

template <typename Condition>
void look_for(const Condition& condition)
{
    const auto end = std::chrono::steady_clock::now() + PATIENCE;
    do {
        for (int i = 0; i < 200; ++i)
            if (condition()) return;
        std::this_thread::yield();  // another process may need this core
    } while (std::chrono::steady_clock::now() < end);
}

void take_tasks(Pool& p, const int own)
{
    inside = true;
    try {
        for (int i = 0; i < p.shares; ++i) {
            Share& share = p.share[(own + i) % p.shares];
            for (;;) {
                const long long task = share.next.fetch_add(1, std::memory_order_relaxed);
                if (task >= share.end) break;
                p.function(p.context, task);
            }
        }
    } catch (...) {
        for (int i = 0; i < p.shares; ++i) p.share[i].next.store(p.share[i].end, std::memory_order_relaxed);
        const std::lock_guard<std::mutex> lock(p.mutex);
        if (!p.thrown) p.thrown = std::current_exception();
    }
    inside = false;
}

void serve(Pool& p, const int own, long long seen)
{
    for (;;) {
        look_for([&] { return p.loop.load(std::memory_order_acquire) != seen; });
        {
            std::unique_lock<std::mutex> lock(p.mutex);
            p.work.wait(lock, [&] { return p.loop.load(std::memory_order_relaxed) != seen; });
            seen = p.loop.load(std::memory_order_relaxed);
            if (p.at_work == 0) continue;  // more threads than are wanted now
            --p.at_work;
        }
        take_tasks(p, own);
        if (p.left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            const std::lock_guard<std::mutex> lock(p.mutex);
            p.done.notify_one();
        }
    }
}

// as many threads as are wanted besides the caller, or as the system gives
void start_threads(Pool& p)
{
    while (p.started < p.wanted - 1) {
        try {
            std::thread(serve, std::ref(p), p.started + 1, p.loop.load()).detach();
        } catch (const std::exception&) {  // no thread or no memory for it: kernels do not expect to hear of that
            p.wanted = p.started + 1;
            return;
        }
        ++p.started;
    }
}

// a share of the tasks for each thread
void divide(Pool& p, const long long tasks)
{
    p.shares = p.wanted < MOST_SHARES ? p.wanted.load() : MOST_SHARES;
    for (int i = 0; i < p.shares; ++i) {
        p.share[i].next.store(i * tasks / p.shares, std::memory_order_relaxed);
        p.share[i].end = (i + 1) * tasks / p.shares;
    }
}

void run_alone(const long long tasks, void (*function)(const void*, long long), const void* context)
{
    for (long long task = 0; task < tasks; ++task) function(context, task);
}

#ifndef _WIN32
// A child of fork() has the memory of the threads, but not the threads.
void after_fork()
{
    const int wanted = pool->wanted;
    pool = new Pool;
    pool->wanted = wanted;
}
const int registered = pthread_atfork(nullptr, nullptr, after_fork);
#endif

}  // namespace

void run_tasks(const long long tasks, void (*function)(const void*, long long), const void* context)
{
    Pool& p = *pool;
    if (tasks <= 1 || p.wanted <= 1 || inside) return run_alone(tasks, function, context);
    const std::unique_lock<std::mutex> mine(p.busy, std::try_to_lock);
    if (!mine) return run_alone(tasks, function, context);  // another thread of Python is in a loop of its own
    {
        const std::lock_guard<std::mutex> lock(p.mutex);
        start_threads(p);
        p.function = function, p.context = context, p.thrown = nullptr;
        divide(p, tasks);
        p.at_work = static_cast<int>(tasks - 1 < p.wanted - 1 ? tasks - 1 : p.wanted - 1);
        p.left.store(p.at_work, std::memory_order_relaxed);
        p.loop.fetch_add(1, std::memory_order_release);
    }
    p.work.notify_all();
    take_tasks(p, 0);
    {
        // who has not begun has nothing left to do
        std::unique_lock<std::mutex> lock(p.mutex);
        p.left.fetch_sub(p.at_work, std::memory_order_acq_rel);
        p.at_work = 0;
    }
    look_for([&] { return p.left.load(std::memory_order_acquire) == 0; });
    if (p.left.load(std::memory_order_acquire) > 0) {
        std::unique_lock<std::mutex> lock(p.mutex);
        p.done.wait(lock, [&] { return p.left.load(std::memory_order_acquire) == 0; });
    }
    if (p.thrown) std::rethrow_exception(p.thrown);
}

int threads()
{
    return pool->wanted;
}

void keep_failure()
{
    if (failure == 0) ++core_failures;
    try {
        throw;
    } catch (const std::bad_alloc&) {
        failure = 1;
    } catch (...) {
        failure = 2;
    }
}

PUBLIC void set_threads(const int count)
{
    pool->wanted = count < 1 ? 1 : count;
}

PUBLIC int get_threads()
{
    return threads();
}

// what failed in this thread since the last look: 0 nothing, 1 there was no memory, 2 anything else
PUBLIC int take_failure()
{
    const int what = failure;
    failure = 0;
    if (what) --core_failures;
    return what;
}
