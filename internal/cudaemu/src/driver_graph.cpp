// Driver API: stream capture and graphs.
#include <unordered_map>

#include "capture.h"
#include "context.h"

using namespace emulator;

namespace {

std::unordered_map<Graph*, std::unique_ptr<Graph>>& graphs() {
  static auto& all = *new std::unordered_map<Graph*, std::unique_ptr<Graph>>;
  return all;
}

std::unordered_map<Executable*, std::shared_ptr<Executable>>& executables() {
  static auto& all = *new std::unordered_map<Executable*, std::shared_ptr<Executable>>;
  return all;
}

int instantiate(Executable** executable, Graph* graph) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (executable == nullptr || graphs().count(graph) == 0) return kInvalidValue;
  auto e = std::make_shared<Executable>();
  e->graph = *graph;
  e->context = entry.context;
  *executable = e.get();
  executables()[e.get()] = std::move(e);
  return kSuccess;
}

}  // namespace

EXPORT int cuStreamBeginCapture_v2(Stream* handle, int mode) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (mode < kCaptureGlobal || mode > kCaptureRelaxed) return kInvalidValue;
  if (handle == nullptr) return kCaptureUnsupported;
  Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  return begin_capture(s, static_cast<CaptureMode>(mode));
}

EXPORT int cuStreamEndCapture(Stream* handle, Graph** graph) {
  Entry entry;
  if (entry.failed()) return entry.error;
  Stream* s = handle != nullptr ? find_stream(entry.context, handle) : nullptr;
  if (s == nullptr) return kInvalidHandle;
  std::unique_ptr<Graph> captured;
  const int result = end_capture(s, &captured);
  *graph = captured.get();
  if (captured) graphs()[*graph] = std::move(captured);
  return result;
}

EXPORT int cuStreamIsCapturing(Stream* handle, int* status) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Stream* s = find_stream(entry.context, handle);
  if (s == nullptr) return kInvalidHandle;
  *status = !s->capture ? 0 : s->capture->invalid ? 2 : 1;
  return kSuccess;
}

EXPORT int cuGraphGetNodes(Graph* graph, void** nodes, size_t* count) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (count == nullptr || graphs().count(graph) == 0) return kInvalidValue;
  if (nodes != nullptr) {
    for (size_t i = 0; i < *count; i++) nodes[i] = i < graph->nodes.size() ? graph->nodes[i].get() : nullptr;
  }
  if (nodes == nullptr || *count > graph->nodes.size()) *count = graph->nodes.size();
  return kSuccess;
}

EXPORT int cuGraphDestroy(Graph* graph) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  return graphs().erase(graph) != 0 ? kSuccess : kInvalidValue;
}

EXPORT int cuGraphInstantiateWithFlags(Executable** executable, Graph* graph, unsigned long long flags) {
  if (flags != 0) return kNotSupported;
  return instantiate(executable, graph);
}

EXPORT int cuGraphInstantiate_v2(Executable** executable, Graph* graph, void** error_node, char* log, size_t log_bytes) {
  if (error_node != nullptr) *error_node = nullptr;
  if (log != nullptr && log_bytes != 0) *log = 0;
  return instantiate(executable, graph);
}

EXPORT int cuGraphExecDestroy(Executable* executable) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  return executables().erase(executable) != 0 ? kSuccess : kInvalidValue;
}

EXPORT int cuGraphUpload(Executable* executable, Stream* handle) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (executables().count(executable) == 0) return kInvalidValue;
  return find_stream(entry.context, handle) != nullptr ? kSuccess : kInvalidHandle;
}

EXPORT int cuGraphLaunch(Executable* executable, Stream* handle) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const auto found = executables().find(executable);
  if (found == executables().end()) return kInvalidValue;
  Stream* s = find_stream(entry.context, handle);
  if (s == nullptr || s->context != executable->context) return kInvalidHandle;
  if (s->capture) {  // child graphs are not emulated
    invalidate(s->capture.get());
    return kNotSupported;
  }
  Work work;
  work.what = "graph of " + std::to_string(executable->graph.nodes.size()) + " nodes";
  work.milliseconds = 0;
  for (const auto& node : executable->graph.nodes) work.milliseconds += node->work.milliseconds;
  work.run = [graph = found->second] { run(*graph); };
  return submit(s, std::move(work));
}
