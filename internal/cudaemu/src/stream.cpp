#include "stream.h"

#include <algorithm>
#include <cstdio>

#include "abi.h"
#include "capture.h"
#include "context.h"
#include "settings.h"

namespace emulator {
namespace {

bool ready(const Stream* s) { return !s->queue.empty() && (!s->queue.front().wait || s->queue.front().wait->done); }

// needed follows the waits from a stream's first entry to a stream that can advance. Waits refer to what was recorded
// before them, so that there is no cycle.
Stream* needed(Stream* s) {
  while (!ready(s)) s = s->queue.front().wait->stream;
  return s;
}

void drop_if_done(Stream* s) {
  if (!s->destroyed || !s->queue.empty()) return;
  auto& streams = s->context->streams;
  streams.erase(std::find_if(streams.begin(), streams.end(), [s](const auto& p) { return p.get() == s; }));
}

void step(Stream* s) {
  Work work = std::move(s->queue.front());
  s->queue.pop_front();
  if (work.run) {
    if (settings().trace) std::fprintf(stderr, "ringloom emulator: device %d: %s\n", s->context->ordinal, work.what.c_str());
    work.run();
    if (settings().check_each) s->context->memory.check_guards(work.what.c_str());
    s->context->last_work = std::move(work.what);
    s->context->clock += work.milliseconds;
  }
  if (work.record) {
    work.record->done = true;
    work.record->at = s->context->clock;
  }
  drop_if_done(s);
}

// next chooses what advances while target is waited for.
Stream* next(Stream* target, Context* context) {
  Stream* must = needed(target);
  if (settings().seed == 0) return must;
  std::vector<Stream*> candidates{must};
  for (const auto& s : context->streams) {
    if (s.get() != must && ready(s.get())) candidates.push_back(s.get());
  }
  return candidates[choose(candidates.size())];
}

void advance_any(Context* context) {
  std::vector<Stream*> candidates;
  for (const auto& s : context->streams) {
    if (ready(s.get())) candidates.push_back(s.get());
  }
  if (!candidates.empty()) step(candidates[choose(candidates.size())]);
}

void check(Context* context) { context->memory.check_guards(context->last_work.c_str()); }

}  // namespace

size_t choose(size_t n) {
  static uint64_t state = settings().seed * 0x9E3779B97F4A7C15u + 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<size_t>((state >> 11) % n);
}

int submit(Stream* stream, Work work) {
  if (stream->capture) return record_node(stream, std::move(work));
  stream->queue.push_back(std::move(work));
  // Hardware may also begin at once, while the host still does what it should have done before.
  if (settings().seed != 0 && choose(4) == 0) advance_any(stream->context);
  return kSuccess;
}

void finish(const std::shared_ptr<Mark>& mark, Context* context) {
  while (!mark->done) step(next(mark->stream, context));
  check(context);
}

void finish(Stream* stream) {
  Context* context = stream->context;
  auto end = std::make_shared<Mark>();
  end->stream = stream;
  Work last;
  last.record = end;
  stream->queue.push_back(std::move(last));
  finish(end, context);
}

void finish(Context* context) {
  for (;;) {
    const auto& streams = context->streams;
    const auto busy = std::find_if(streams.begin(), streams.end(), [](const auto& s) { return !s->queue.empty(); });
    if (busy == streams.end()) break;
    step(next(busy->get(), context));
  }
  check(context);
}

void poll(const std::shared_ptr<Mark>& mark) {
  if (!mark->done) step(needed(mark->stream));
}

void poll(Stream* stream) {
  if (!stream->queue.empty()) step(needed(stream));
}

const char* pending_copy(Context* context, const void* host, size_t bytes) {
  const auto* begin = static_cast<const char*>(host);
  for (const auto& s : context->streams) {
    for (const auto& w : s->queue) {
      const auto* from = static_cast<const char*>(w.host);
      if (from != nullptr && from < begin + bytes && begin < from + w.host_bytes) return w.what.c_str();
    }
  }
  return nullptr;
}

}  // namespace emulator
