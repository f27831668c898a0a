// What CUDA C++ has beyond C++, for the kernels to run on the host, one thread at a time: each thread of a block runs
// until its next barrier, in rising order in one launch and falling in the next, so that a missing barrier shows.
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <setjmp.h>
#include <string>
#include <type_traits>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

struct uint3 {
    unsigned x, y, z;
};
static uint3 threadIdx, blockIdx, blockDim, gridDim;

// fiber is a stack. It runs threads one after another; once a thread waits, the fiber is that thread's until it ends.
struct fiber {
    jmp_buf at;
    bool started = false, idle = true;
    std::vector<char> stack = std::vector<char>(32 << 10);
};

enum thread_state { unstarted, ready, at_block_barrier, at_warp_barrier, ended };

struct thread {
    thread_state is;
    fiber* on;
};

static std::vector<std::unique_ptr<fiber>> fibers;
static std::vector<thread> threads;
static std::vector<unsigned> waiting_to_start;
static fiber* running;
static jmp_buf scheduler;
static const std::function<void()>* body;
static unsigned char exchange[1024][8];
static bool falling;

static void serve() {
    for (;;) {
        while (!waiting_to_start.empty()) {
            threadIdx = {waiting_to_start.back(), 0, 0};
            waiting_to_start.pop_back();
            threads[threadIdx.x].on = running;
            (*body)();
            threads[threadIdx.x].is = ended;
        }
        running->idle = true;
        if (!_setjmp(running->at)) _longjmp(scheduler, 1);
    }
}

static void resume(fiber* f) {
    running = f;
    f->idle = false;
    if (_setjmp(scheduler)) return;
    if (f->started) _longjmp(f->at, 1);
    f->started = true;
    static ucontext_t here, there;
    getcontext(&there);
    there.uc_stack.ss_sp = f->stack.data();
    there.uc_stack.ss_size = f->stack.size();
    makecontext(&there, serve, 0);
    swapcontext(&here, &there);
}

static void wait(thread_state barrier) {
    threads[threadIdx.x].is = barrier;
    if (!_setjmp(running->at)) _longjmp(scheduler, 1);
}

static void __syncthreads() { wait(at_block_barrier); }

template <typename V> static V __shfl_xor_sync(unsigned mask, V v, int apart) {
    if (mask != 0xffffffffu) abort();
    memcpy(exchange[threadIdx.x], &v, sizeof v);
    wait(at_warp_barrier);
    memcpy(&v, exchange[threadIdx.x ^ apart], sizeof v);
    wait(at_warp_barrier);
    return v;
}

// release wakes threads [from, to) if all of them are at the barrier.
static bool release(unsigned from, unsigned to, thread_state barrier) {
    for (unsigned i = from; i < to; i++)
        if (threads[i].is != barrier) return false;
    for (unsigned i = from; i < to; i++) threads[i].is = ready;
    return true;
}

static void run_block() {
    const unsigned n = blockDim.x;
    threads.assign(n, {unstarted, nullptr});
    for (unsigned i = 0; i < n; i++) waiting_to_start.push_back(falling ? i : n - 1 - i);
    for (size_t next = 0; !waiting_to_start.empty(); next++) {
        if (next == fibers.size()) fibers.push_back(std::make_unique<fiber>());
        if (fibers[next]->idle) resume(fibers[next].get());
    }
    for (;;) {
        unsigned left = 0;
        for (const thread& t : threads) left += t.is != ended;
        if (left == 0) return;
        bool woken = release(0, n, at_block_barrier);
        for (unsigned warp = 0; warp < n; warp += 32) woken |= release(warp, warp + 32, at_warp_barrier);
        if (!woken) {
            fprintf(stderr, "threads wait for a barrier that others do not reach\n");
            abort();
        }
        for (unsigned k = 0; k < n; k++) {
            const unsigned i = falling ? n - 1 - k : k;
            if (threads[i].is != ready) continue;
            threadIdx = {i, 0, 0};
            resume(threads[i].on);
        }
    }
}

struct launch_shape {
    unsigned x, y, threads;
};

static void launch(launch_shape l, const std::function<void()>& kernel) {
    body = &kernel;
    falling = !falling;
    gridDim = {l.x, l.y, 1};
    blockDim = {l.threads, 1, 1};
    for (unsigned y = 0; y < l.y; y++)
        for (unsigned x = 0; x < l.x; x++) {
            blockIdx = {x, y, 0};
            run_block();
        }
}
