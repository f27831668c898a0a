#include "capture.h"

#include <algorithm>

#include "context.h"
#include "settings.h"

namespace emulator {
namespace {

std::vector<Capture*>& under_way() {
  static std::vector<Capture*> captures;
  return captures;
}

// joined says whether all that was recorded comes before the origin's end: no node that nothing follows lies elsewhere.
bool joined(const Capture& capture) {
  std::set<const Node*> leaves;
  for (const auto& n : capture.graph.nodes) leaves.insert(n.get());
  for (const auto& n : capture.graph.nodes) {
    for (const Node* before : n->after) leaves.erase(before);
  }
  return std::all_of(leaves.begin(), leaves.end(),
                     [&](const Node* n) { return capture.origin->tips.count(const_cast<Node*>(n)) != 0; });
}

}  // namespace

int begin_capture(Stream* stream, CaptureMode mode) {
  if (stream->capture) return kInvalidValue;
  auto capture = std::make_shared<Capture>();
  capture->origin = stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->streams.push_back(stream);
  stream->capture = capture;
  stream->tips.clear();
  under_way().push_back(capture.get());
  return kSuccess;
}

int end_capture(Stream* stream, std::unique_ptr<Graph>* graph) {
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return kInvalidValue;
  if (capture->mode != kCaptureRelaxed && capture->thread != std::this_thread::get_id()) return kCaptureWrongThread;
  if (capture->origin != stream) {
    invalidate(capture.get());
    return kCaptureUnmatched;
  }
  int result = kSuccess;
  if (capture->invalid) {
    result = kCaptureInvalidated;
  } else if (!joined(*capture)) {
    result = kCaptureUnjoined;
  }
  for (Stream* s : capture->streams) {
    s->capture.reset();
    s->tips.clear();
  }
  auto& all = under_way();
  all.erase(std::find(all.begin(), all.end(), capture.get()));
  if (result == kSuccess) *graph = std::make_unique<Graph>(std::move(capture->graph));
  return result;
}

int record_node(Stream* stream, Work work) {
  Capture* capture = stream->capture.get();
  if (capture->invalid) return kCaptureInvalidated;
  auto node = std::make_shared<Node>();
  node->work = std::move(work);
  node->after = stream->tips;
  stream->tips = {node.get()};
  capture->graph.nodes.push_back(std::move(node));
  return kSuccess;
}

int record_event(Stream* stream, Event* event) {
  if (stream->capture) {
    if (stream->capture->invalid) return kCaptureInvalidated;
    event->mark.reset();
    event->capture = stream->capture;
    event->tips = stream->tips;
    return kSuccess;
  }
  event->capture.reset();
  event->tips.clear();
  event->mark = std::make_shared<Mark>();
  event->mark->stream = stream;
  Work work;
  work.what = "event";
  work.record = event->mark;
  return submit(stream, std::move(work));
}

int wait_event(Stream* stream, Event* event) {
  if (stream->capture && stream->capture->invalid) return kCaptureInvalidated;
  if (event->capture) {
    const bool over = std::find(under_way().begin(), under_way().end(), event->capture.get()) == under_way().end();
    if (over || event->capture->invalid) return kCapturedEvent;
    if (!stream->capture) {  // the stream joins the capture
      stream->capture = event->capture;
      stream->capture->streams.push_back(stream);
      stream->tips.clear();
    }
    if (stream->capture != event->capture) {
      invalidate(stream->capture.get());
      invalidate(event->capture.get());
      return kCaptureMerge;
    }
    stream->tips.insert(event->tips.begin(), event->tips.end());
    return kSuccess;
  }
  if (stream->capture) {  // work outside of the graph can't be waited for by a node
    invalidate(stream->capture.get());
    return kCaptureIsolation;
  }
  if (!event->mark) return kSuccess;
  Work work;
  work.what = "wait";
  work.wait = event->mark;
  return submit(stream, std::move(work));
}

bool forbidden() {
  bool lost = false;
  for (Capture* c : under_way()) {
    const bool ours = c->thread == std::this_thread::get_id();
    if (c->mode == kCaptureRelaxed || (c->mode == kCaptureThreadLocal && !ours)) continue;
    invalidate(c);
    lost = true;
  }
  return lost;
}

void invalidate(Capture* capture) { capture->invalid = true; }

void run(const Executable& executable) {
  std::vector<const Node*> waiting;
  for (const auto& n : executable.graph.nodes) waiting.push_back(n.get());
  std::set<const Node*> done;
  while (!waiting.empty()) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < waiting.size(); i++) {
      const auto& after = waiting[i]->after;
      if (std::all_of(after.begin(), after.end(), [&](const Node* n) { return done.count(n) != 0; })) ready.push_back(i);
    }
    // Seed 0 takes what was recorded last, so that a dependency that is missing is also violated.
    const size_t i = settings().seed == 0 ? ready.back() : ready[choose(ready.size())];
    const Node* node = waiting[i];
    waiting.erase(waiting.begin() + static_cast<long>(i));
    node->work.run();
    if (settings().check_each) executable.context->memory.check_guards(node->work.what.c_str());
    done.insert(node);
  }
}

}  // namespace emulator
