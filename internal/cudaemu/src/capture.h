// Stream capture and graphs: work that is recorded with what it comes after, and runs when the graph is launched.
#pragma once

#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "abi.h"
#include "stream.h"

namespace emulator {

// Node is one piece of work and what must have run before it.
struct Node {
  Work work;
  std::set<Node*> after;
};

// Graph's nodes stand in the order in which they were recorded.
struct Graph {
  std::vector<std::shared_ptr<Node>> nodes;
};

// Executable is an instantiated graph; launches in flight share it.
struct Executable {
  Graph graph;
  Context* context = nullptr;
};

// Capture lasts from cuStreamBeginCapture to cuStreamEndCapture and spans the streams that joined it through events.
struct Capture {
  Stream* origin = nullptr;
  CaptureMode mode = kCaptureGlobal;
  std::thread::id thread;
  bool invalid = false;
  Graph graph;
  std::vector<Stream*> streams;
};

int begin_capture(Stream* stream, CaptureMode mode);
// end_capture gives the graph; the capture is over whatever the result.
int end_capture(Stream* stream, std::unique_ptr<Graph>* graph);
int record_node(Stream* stream, Work work);
int record_event(Stream* stream, Event* event);
int wait_event(Stream* stream, Event* event);

// forbidden says whether the calling thread must not synchronise, allocate or load now, since a capture is under way;
// that capture is then lost, as in CUDA.
bool forbidden();
// invalidate marks a capture as lost.
void invalidate(Capture* capture);

// run executes a graph's nodes in an order that their dependencies allow but that nobody should rely on.
void run(const Executable& executable);

}  // namespace emulator
