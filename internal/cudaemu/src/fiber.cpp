#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>

#include "fatal.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {
namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr size_t kGuardBytes = 4096;

}  // namespace

#if defined(__x86_64__)

// ringloom_switch saves the registers that a function must keep on the current stack, stores its stack pointer in *from
// and goes on where the stack to was left.
asm(R"(
.text
.type ringloom_switch, @function
ringloom_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ringloom_switch, . - ringloom_switch
)");
extern "C" void ringloom_switch(void** from, void* to);

struct Fiber::State {
  unsigned char* stack;
  void* inside = nullptr;  // stack pointer of the suspended body; null when none has begun
  void* outside = nullptr;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  bool returned = true;
  void begin();
  void enter() { ringloom_switch(&outside, inside); }
  void leave() { ringloom_switch(&inside, outside); }
};

namespace {
thread_local void* starting = nullptr;
}

#else

struct Fiber::State {
  unsigned char* stack;
  ucontext_t inside, outside;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  bool returned = true;
  void begin();
  void enter() { swapcontext(&outside, &inside); }
  void leave() { swapcontext(&inside, &outside); }
};

namespace {
thread_local void* starting = nullptr;
}

#endif

namespace {

// main runs one body after another: a fiber's stack is set up once.
template <typename State>
void main_loop() {
  auto* s = static_cast<State*>(starting);
  for (;;) {
    s->body(s->argument);
    s->returned = true;
    s->leave();
  }
}

}  // namespace

#if defined(__x86_64__)

void Fiber::State::begin() {
  auto* top = reinterpret_cast<void**>(stack + kGuardBytes + kStackBytes);
  *--top = nullptr;  // the return address of main_loop, which doesn't return: aligns its stack as a call does
  *--top = reinterpret_cast<void*>(&main_loop<State>);
  for (int i = 0; i < 6; i++) *--top = nullptr;
  inside = top;
}

#else

void Fiber::State::begin() {
  getcontext(&inside);
  inside.uc_stack.ss_sp = stack + kGuardBytes;
  inside.uc_stack.ss_size = kStackBytes;
  inside.uc_link = nullptr;
  makecontext(&inside, &main_loop<State>, 0);
}

#endif

Fiber::Fiber() : state_(new State) {
  void* p = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fatal("no memory for the stack of a thread");
  mprotect(p, kGuardBytes, PROT_NONE);
  state_->stack = static_cast<unsigned char*>(p);
  state_->begin();
}

Fiber::~Fiber() {
  munmap(state_->stack, kGuardBytes + kStackBytes);
  delete state_;
}

bool Fiber::resume(void (*body)(void*), void* argument) {
  if (state_->returned) {
    state_->body = body;
    state_->argument = argument;
    state_->returned = false;
    starting = state_;
  }
  state_->enter();
  return state_->returned;
}

void Fiber::suspend() { state_->leave(); }

}  // namespace emulator
