// Driver API: streams and events.
#include <algorithm>

#include "capture.h"
#include "context.h"

using namespace emulator;

namespace {

int create_stream(Stream** stream, unsigned flags, int priority) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (stream == nullptr || flags > kStreamNonBlocking) return kInvalidValue;
  auto s = std::make_unique<Stream>();
  s->context = entry.context;
  s->flags = flags;
  s->priority = std::clamp(priority, -5, 0);
  *stream = s.get();
  entry.context->streams.push_back(std::move(s));
  return kSuccess;
}

}  // namespace

EXPORT int cuStreamCreate(Stream** stream, unsigned flags) { return create_stream(stream, flags, 0); }
EXPORT int cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) { return create_stream(stream, flags, priority); }

// cuStreamDestroy returns at once: queued work still runs, and then the stream goes.
EXPORT int cuStreamDestroy_v2(Stream* handle) {
  Entry entry;
  if (entry.failed()) return entry.error;
  Stream* s = handle != nullptr ? find_stream(entry.context, handle) : nullptr;
  if (s == nullptr) return kInvalidHandle;
  if (s->capture) {
    invalidate(s->capture.get());
    return kCaptureUnsupported;
  }
  s->destroyed = true;
  if (s->queue.empty()) {
    auto& all = s->context->streams;
    all.erase(std::find_if(all.begin(), all.end(), [s](const auto& p) { return p.get() == s; }));
  }
  return kSuccess;
}

EXPORT int cuStreamGetFlags(Stream* handle, unsigned* flags) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  *flags = s->flags;
  return kSuccess;
}

EXPORT int cuStreamGetPriority(Stream* handle, int* priority) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  *priority = s->priority;
  return kSuccess;
}

EXPORT int cuStreamSynchronize(Stream* handle) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  if (s->capture) {
    invalidate(s->capture.get());
    return kCaptureUnsupported;
  }
  finish(s);
  return kSuccess;
}

EXPORT int cuStreamQuery(Stream* handle) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  if (s->capture) {
    invalidate(s->capture.get());
    return kCaptureUnsupported;
  }
  if (s->queue.empty()) return kSuccess;
  poll(s);
  return kNotReady;
}

EXPORT int cuStreamWaitEvent(Stream* handle, Event* event, unsigned flags) {
  Entry entry;
  if (entry.failed()) return entry.error;
  Stream* s = find_stream(entry.context, handle);
  Event* e = find_event(event);
  if (s == nullptr || e == nullptr) return kInvalidHandle;
  if (flags > 1) return kInvalidValue;
  return wait_event(s, e);
}

EXPORT int cuEventCreate(Event** event, unsigned flags) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (event == nullptr || flags > (kEventBlockingSync | kEventDisableTiming)) return kInvalidValue;
  auto e = std::make_unique<Event>();
  e->context = entry.context;
  e->flags = flags;
  *event = e.get();
  entry.context->events.push_back(std::move(e));
  return kSuccess;
}

EXPORT int cuEventDestroy_v2(Event* event) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (find_event(event) == nullptr) return kInvalidHandle;
  auto& all = event->context->events;
  all.erase(std::find_if(all.begin(), all.end(), [event](const auto& p) { return p.get() == event; }));
  return kSuccess;
}

EXPORT int cuEventRecord(Event* event, Stream* handle) {
  Entry entry;
  if (entry.failed()) return entry.error;
  Stream* s = find_stream(entry.context, handle);
  Event* e = find_event(event);
  if (s == nullptr || e == nullptr || s->context != e->context) return kInvalidHandle;
  return record_event(s, e);
}

EXPORT int cuEventSynchronize(Event* event) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (find_event(event) == nullptr) return kInvalidHandle;
  if (event->capture) return kCapturedEvent;
  if (event->mark) finish(event->mark, event->context);
  return kSuccess;
}

EXPORT int cuEventQuery(Event* event) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (find_event(event) == nullptr) return kInvalidHandle;
  if (event->capture) return kCapturedEvent;
  if (!event->mark || event->mark->done) return kSuccess;
  poll(event->mark);
  return kNotReady;
}

namespace {

int elapsed(float* milliseconds, Event* begin, Event* end) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (find_event(begin) == nullptr || find_event(end) == nullptr || begin->context != end->context) return kInvalidHandle;
  if (begin->capture || end->capture) return kCapturedEvent;
  if (((begin->flags | end->flags) & kEventDisableTiming) != 0) return kInvalidHandle;
  if (!begin->mark || !end->mark) return kInvalidHandle;
  if (!begin->mark->done || !end->mark->done) return kNotReady;
  *milliseconds = static_cast<float>(end->mark->at - begin->mark->at);
  return kSuccess;
}

}  // namespace

EXPORT int cuEventElapsedTime(float* milliseconds, Event* begin, Event* end) { return elapsed(milliseconds, begin, end); }
EXPORT int cuEventElapsedTime_v2(float* milliseconds, Event* begin, Event* end) { return elapsed(milliseconds, begin, end); }
