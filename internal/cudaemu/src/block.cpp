#include "block.h"

#include <cstring>
#include <memory>
#include <vector>

#include "fatal.h"
#include "fiber.h"
#include "memory.h"
#include "stream.h"

namespace emulator {
namespace {

using ringloom_abi::Index;

constexpr unsigned kWarp = 32;

enum class State : unsigned char { kUnstarted, kReady, kAtBarrier, kAtExchange, kDone };

struct Thread {
  State state = State::kUnstarted;
  int line = 0;  // where it waits
  int kind = 0;
  unsigned exchanges = 0;  // how many it has taken part in: says which of the two rows of values it uses
  Fiber* fiber = nullptr;
};

struct Warp {
  unsigned arrived = 0;
  unsigned long long values[2][kWarp];  // two rows: lanes may still read one while the next is being filled
};

// Block is the block that runs. There is one: the emulator runs one kernel at a time, under its lock.
class Block {
 public:
  void run(const Launch& launch, bool poison);
  bool synchronised() const { return synchronised_; }  // did any thread wait for another in the last block?

  void barrier(int line);
  const unsigned long long* exchange(unsigned long long value, unsigned mask, int kind, int line);
  [[noreturn]] void fail(const char* file, int line, const char* what);

 private:
  static void body(void* self);
  void select(unsigned index);
  bool take_unstarted();
  void pass();
  bool resume(Fiber* fiber);
  void wait(State state, int line);
  [[noreturn]] void stuck();

  const Launch* launch_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber* running_ = nullptr;
  unsigned current_ = 0;
  unsigned unstarted_ = 0;
  unsigned done_ = 0;
  unsigned at_barrier_ = 0;
  bool backwards_ = false;
  bool synchronised_ = false;
};

Block& the_block() {
  static auto& block = *new Block;
  return block;
}

void Block::select(unsigned index) {
  current_ = index;
  const Index d = launch_->block;
  *launch_->file->thread = Index{index % d.x, index / d.x % d.y, index / (d.x * d.y)};
}

bool Block::take_unstarted() {
  if (unstarted_ == 0) return false;
  unstarted_--;
  const auto n = static_cast<unsigned>(threads_.size());
  select(backwards_ ? unstarted_ : n - 1 - unstarted_);
  return true;
}

// body is what a fiber does: it runs unstarted threads one after another. When one of them suspends, the fiber belongs to
// that thread and another fiber goes on; a kernel whose threads never wait needs a single fiber and no switch.
void Block::body(void* self) {
  auto& b = *static_cast<Block*>(self);
  while (b.take_unstarted()) {
    const unsigned index = b.current_;
    b.launch_->kernel->run(b.launch_->arguments);
    b.threads_[index].state = State::kDone;
    b.done_++;
  }
}

void Block::run(const Launch& launch, bool poison) {
  launch_ = &launch;
  const auto n = launch.block.x * launch.block.y * launch.block.z;
  threads_.assign(n, Thread{});
  warps_.resize((n + kWarp - 1) / kWarp);
  for (Warp& w : warps_) w.arrived = 0;
  unstarted_ = n;
  done_ = 0;
  at_barrier_ = 0;
  synchronised_ = false;
  if (poison) std::memset(launch.file->shared_begin, kUnwritten, static_cast<size_t>(launch.file->shared_end - launch.file->shared_begin));
  idle_.clear();
  for (const auto& f : fibers_) idle_.push_back(f.get());
  while (done_ < n) pass();
}

// pass lets each thread that can run go on, in rising or falling order: a race between threads that barriers should have
// prevented is decided both ways.
void Block::pass() {
  backwards_ = choose(2) == 1;
  bool ran = false;
  while (unstarted_ > 0) {
    if (idle_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>());
      idle_.push_back(fibers_.back().get());
    }
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    ran = true;
    if (resume(fiber)) idle_.push_back(fiber);
  }
  const auto n = static_cast<unsigned>(threads_.size());
  for (unsigned i = 0; i < n; i++) {
    const unsigned index = backwards_ ? n - 1 - i : i;
    if (threads_[index].state != State::kReady) continue;
    ran = true;
    select(index);
    Fiber* fiber = threads_[index].fiber;
    if (resume(fiber)) idle_.push_back(fiber);
  }
  if (!ran) stuck();
}

bool Block::resume(Fiber* fiber) {
  running_ = fiber;
  return fiber->resume(&Block::body, this);
}

void Block::stuck() {
  for (unsigned i = 0; i < threads_.size(); i++) {
    const Thread& t = threads_[i];
    if (t.state == State::kAtBarrier) {
      fatal("kernel %s: thread %u waits at the __syncthreads of line %d, which not all threads of its block reach", launch_->kernel->name, i, t.line);
    }
    if (t.state == State::kAtExchange) {
      fatal("kernel %s: thread %u waits at the warp operation of line %d, which not all lanes of its warp reach", launch_->kernel->name, i, t.line);
    }
  }
  fatal("kernel %s: no thread can go on", launch_->kernel->name);
}

void Block::barrier(int line) {
  const unsigned index = current_;
  if (done_ > 0) {
    fatal("kernel %s: thread %u is at the __syncthreads of line %d, but %u threads of its block have returned", launch_->kernel->name, index, line, done_);
  }
  wait(State::kAtBarrier, line);
  if (++at_barrier_ == threads_.size()) {
    at_barrier_ = 0;
    for (unsigned i = 0; i < threads_.size(); i++) {
      if (threads_[i].line != line) {
        fatal("kernel %s: thread %u is at the __syncthreads of line %d and thread %u at that of line %d", launch_->kernel->name, index, line, i, threads_[i].line);
      }
      threads_[i].state = State::kReady;
    }
  }
  // The last to arrive waits as well, so that all begin the next phase in the order of a pass.
  running_->suspend();
}

const unsigned long long* Block::exchange(unsigned long long value, unsigned mask, int kind, int line) {
  const unsigned index = current_;
  const unsigned lane = index % kWarp;
  if (mask != 0xffffffffu) fatal("kernel %s: the warp operation of line %d has mask %08x; only whole warps are emulated", launch_->kernel->name, line, mask);
  if (threads_.size() % kWarp != 0) fatal("kernel %s: a warp operation in a block of %zu threads", launch_->kernel->name, threads_.size());
  Warp& warp = warps_[index / kWarp];
  const unsigned row = threads_[index].exchanges++ % 2;
  warp.values[row][lane] = value;
  wait(State::kAtExchange, line);
  threads_[index].kind = kind;
  if (++warp.arrived == kWarp) {
    warp.arrived = 0;
    for (unsigned i = index - lane; i < index - lane + kWarp; i++) {
      if (threads_[i].line != line || threads_[i].kind != kind) {
        fatal("kernel %s: thread %u is at the warp operation of line %d and thread %u at another, of line %d", launch_->kernel->name, index, line, i, threads_[i].line);
      }
      threads_[i].state = State::kReady;
    }
  }
  running_->suspend();
  return warp.values[row];
}

// wait marks the running thread as waiting; its caller suspends it.
void Block::wait(State state, int line) {
  Thread& t = threads_[current_];
  t.state = state;
  t.line = line;
  t.fiber = running_;
  synchronised_ = true;
}

void Block::fail(const char* file, int line, const char* what) {
  fatal("kernel %s: %s:%d: %s (block %u, thread %u)", launch_->kernel->name, file, line, what, launch_->file->block->x, current_);
}

}  // namespace

const ringloom_abi::Runtime kRuntime = {
    [](int line) { the_block().barrier(line); },
    [](unsigned long long value, unsigned mask, int kind, int line) { return the_block().exchange(value, mask, kind, line); },
    [](const char* file, int line, const char* what) { the_block().fail(file, line, what); },
};

void execute(const Launch& launch) {
  Block& block = the_block();
  *launch.file->block_dim = launch.block;
  *launch.file->grid_dim = launch.grid;
  const bool backwards = choose(2) == 1;  // blocks too come in no order to rely on
  const unsigned long long count = 1ull * launch.grid.x * launch.grid.y * launch.grid.z;
  bool poison = true;  // __shared__ variables begin each block unwritten; a kernel whose threads never wait has no use for them
  for (unsigned long long i = 0; i < count; i++) {
    const unsigned long long index = backwards ? count - 1 - i : i;
    const unsigned long long row = index / launch.grid.x;
    *launch.file->block = Index{static_cast<unsigned>(index % launch.grid.x), static_cast<unsigned>(row % launch.grid.y), static_cast<unsigned>(row / launch.grid.y)};
    block.run(launch, poison);
    poison = block.synchronised();
  }
}

}  // namespace emulator
