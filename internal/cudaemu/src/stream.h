// Streams as queues whose work runs late: nothing runs before something waits for it (seed 0), or ready streams advance
// in a seeded random order (other seeds). A wait that the program forgot thus gives wrong data instead of passing by luck.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace emulator {

struct Capture;
struct Context;
struct Node;
struct Stream;

// Mark is one recording of an event: the place in a stream's queue that waiting work refers to.
struct Mark {
  Stream* stream = nullptr;  // where it lies; valid while it isn't done, since a stream lives until its queue is empty
  bool done = false;
  double at = 0;             // the context's clock when it was done
};

// Work is one entry of a queue. record and wait entries run nothing.
struct Work {
  std::string what;  // for messages
  std::function<void()> run;
  std::shared_ptr<Mark> record;
  std::shared_ptr<Mark> wait;
  double milliseconds = 0.001;  // by how much running it puts the clock forward
  const void* host = nullptr;  // host memory that a copy reads or writes when it runs
  size_t host_bytes = 0;
};

struct Stream {
  Context* context = nullptr;
  unsigned flags = 0;
  int priority = 0;
  std::deque<Work> queue;
  bool destroyed = false;             // it goes when its queue is empty
  std::shared_ptr<Capture> capture;   // while work is recorded instead of queued
  std::set<Node*> tips;               // what the next recorded node comes after
};

struct Event {
  Context* context = nullptr;
  unsigned flags = 0;
  std::shared_ptr<Mark> mark;         // the latest recording; null before the first
  std::shared_ptr<Capture> capture;   // if that recording was into a capture
  std::set<Node*> tips;
};

// submit queues work on a stream, or adds it to the graph that is being captured from it. The result is a Result.
int submit(Stream* stream, Work work);

// finish runs work until the mark is reached, until the stream is empty, or until all streams of a context are.
void finish(const std::shared_ptr<Mark>& mark, Context* context);
void finish(Stream* stream);
void finish(Context* context);

// poll runs at most one piece of work that the mark, or the stream, waits for: a program that polls gets on, late.
void poll(const std::shared_ptr<Mark>& mark);
void poll(Stream* stream);

// pending_copy returns the name of a queued copy that will touch the host memory, or null.
const char* pending_copy(Context* context, const void* host, size_t bytes);

// choose returns a number below n from the seeded generator.
size_t choose(size_t n);

}  // namespace emulator
