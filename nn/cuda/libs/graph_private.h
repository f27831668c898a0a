// What graph.c and plan.c share: the library's functions, and how descriptors are made.
#ifndef RL_GRAPH_PRIVATE_H
#define RL_GRAPH_PRIVATE_H

#include "graph.h"
#include "try.h"

#define RL_POINTER(result, name, parameters) result(*name) parameters;
extern struct rl_backend { RL_GRAPH_FUNCTIONS(RL_POINTER) } rl_backend;

typedef cudnnBackendDescriptor_t descriptor;

enum { MOST_CONFIGS = 64, MOST_PARTS = 16, MOST_TENSORS = 4 };

struct rl_graph {
    cudnnHandle_t dnn;
    descriptor parts[MOST_PARTS]; // what the graph is made of, and last the graph itself
    int part_count;
    descriptor configs[MOST_CONFIGS];
    int count;
    int64_t ids[MOST_TENSORS]; // of the tensors in memory, in the order of rl_plan_run's addresses
    int tensors;
};

#define RL_CREATE(type, d) RL_TRY(rl_backend, cudnnBackendCreateDescriptor, type, d)
#define RL_SET(d, name, type, count, values) RL_TRY(rl_backend, cudnnBackendSetAttribute, d, name, type, count, values)
#define RL_FINALIZE(d) RL_TRY(rl_backend, cudnnBackendFinalize, d)

// Returns from the caller when a step of its own has failed.
#define RL_DO(step)                      \
    do {                                 \
        rl_result result_ = (step);      \
        if (result_.code != 0)           \
            return result_;              \
    } while (0)

static inline void rl_destroy(descriptor *d, rl_result *result)
{
    if (*d)
        RL_ALSO((*result), rl_backend, cudnnBackendDestroyDescriptor, *d);
    *d = 0;
}

#endif
