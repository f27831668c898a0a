//go:build gpu && cgo

#include "graph_private.h"

#include <stdlib.h>
#include <string.h>

struct rl_plan {
    cudnnHandle_t dnn;
    descriptor plan, pack;
    int64_t ids[MOST_TENSORS];
    int tensors;
    void *addresses[MOST_TENSORS]; // those of pack
    void *workspace;
};

static rl_result build(const rl_graph *g, int index, rl_plan *p, int64_t *workspace_bytes)
{
    int64_t got = 0;
    RL_CREATE(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &p->plan);
    RL_SET(p->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->dnn);
    RL_SET(p->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->configs[index]);
    RL_FINALIZE(p->plan);
    RL_TRY(rl_backend, cudnnBackendGetAttribute, p->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &got,
           workspace_bytes);
    return RL_OK;
}

rl_result rl_plan_open(const rl_graph *graph, int index, rl_plan **plan, int64_t *workspace_bytes)
{
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        abort();
    (*plan)->dnn = graph->dnn;
    (*plan)->tensors = graph->tensors;
    memcpy((*plan)->ids, graph->ids, sizeof graph->ids);
    rl_result result = build(graph, index, *plan, workspace_bytes);
    if (result.code != 0) {
        rl_plan_close(*plan);
        *plan = 0;
    }
    return result;
}

static rl_result pack(rl_plan *p)
{
    RL_CREATE(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &p->pack);
    RL_SET(p->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, p->tensors, p->ids);
    RL_SET(p->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, p->tensors, p->addresses);
    RL_SET(p->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &p->workspace);
    RL_FINALIZE(p->pack);
    return RL_OK;
}

// The pack is kept from run to run while the addresses stay the same, which they do in a planned network.
rl_result rl_plan_run(rl_plan *p, uintptr_t a, uintptr_t b, uintptr_t bias, uintptr_t c, uintptr_t workspace)
{
    void *const addresses[MOST_TENSORS] = {(void *)a, (void *)b, (void *)c, (void *)bias};
    const size_t bytes = (size_t)p->tensors * sizeof *addresses;
    if (!p->pack || p->workspace != (void *)workspace || memcmp(p->addresses, addresses, bytes) != 0) {
        rl_result result = RL_OK;
        memcpy(p->addresses, addresses, bytes);
        p->workspace = (void *)workspace;
        rl_destroy(&p->pack, &result);
        if (result.code == 0)
            result = pack(p);
        if (result.code != 0) {
            rl_result ignored = RL_OK;
            rl_destroy(&p->pack, &ignored);
            return result;
        }
    }
    RL_TRY(rl_backend, cudnnBackendExecute, p->dnn, p->plan, p->pack);
    return RL_OK;
}

rl_result rl_plan_close(rl_plan *p)
{
    rl_result result = RL_OK;
    rl_destroy(&p->pack, &result);
    rl_destroy(&p->plan, &result);
    free(p);
    return result;
}
