// The C side of graph.go: convolutions through cuDNN's backend API.
#ifndef RL_GRAPH_H
#define RL_GRAPH_H

#include "cudnn_graph_api.h"
#include "shim.h"

#define RL_VALUE(name, value) name = value,
enum { RL_GRAPH_VALUES(RL_VALUE) };
#undef RL_VALUE

// rl_graph is one convolution, and what follows it, as cuDNN's operation graph, with the engine configurations that its
// heuristics propose.
typedef struct rl_graph rl_graph;
typedef struct rl_plan rl_plan;

// rl_operation is what is done with a shape: a pass of rl_conv_run, onto what the output holds if accumulate is set; behind
// the forward pass a float32 bias and a ReLU, which keeps NaN.
typedef struct {
    int pass, accumulate, bias, relu;
} rl_operation;

// What is known of a configuration before it is built.
typedef struct {
    int64_t engine; // cuDNN's global index
    unsigned notes; // bit n: cudnnBackendNumericalNote_t n
} rl_config;

// Fills the table; returns null, or the name of a function that the library lacks.
const char *rl_resolve_graph(void *library);

rl_result rl_graph_open(cudnnHandle_t dnn, const rl_shape *shape, const rl_operation *operation, rl_graph **graph);
int rl_graph_configs(const rl_graph *graph);
rl_result rl_graph_config(const rl_graph *graph, int index, rl_config *config);
rl_result rl_graph_close(rl_graph *graph);

// The graph must outlive its plans. a, b and c are those of rl_conv_run; bias is not used where the graph has none.
rl_result rl_plan_open(const rl_graph *graph, int index, rl_plan **plan, int64_t *workspace_bytes);
rl_result rl_plan_run(rl_plan *plan, uintptr_t a, uintptr_t b, uintptr_t bias, uintptr_t c, uintptr_t workspace);
rl_result rl_plan_close(rl_plan *plan);

#endif
