//go:build gpu && cgo

#include "graph.h"
#include "try.h"

#include <dlfcn.h>
#include <stdlib.h>

#define RL_POINTER(result, name, parameters) result(*name) parameters;
static struct { RL_GRAPH_FUNCTIONS(RL_POINTER) } api;

const char *rl_resolve_graph(void *library)
{
#define RL_FILL(result, function, parameters)            \
    *(void **)&api.function = dlsym(library, #function); \
    if (!api.function)                                   \
        return #function;
    RL_GRAPH_FUNCTIONS(RL_FILL)
    return 0;
}

typedef cudnnBackendDescriptor_t descriptor;

enum { MOST_CONFIGS = 64, KEPT = 6 };

struct rl_graph {
    cudnnHandle_t dnn;
    descriptor x, w, y, conv, operation, graph;
    descriptor configs[MOST_CONFIGS];
    int count;
    int64_t ids[3]; // of the three addresses, in the order of the pass
};

struct rl_plan {
    cudnnHandle_t dnn;
    descriptor plan, pack;
    int64_t ids[3];
    void *addresses[3]; // those of pack
    void *workspace;
};

enum { X = 'x', W = 'w', Y = 'y' };

#define CREATE(type, d) RL_TRY(api, cudnnBackendCreateDescriptor, type, d)
#define SET(d, name, type, count, values) RL_TRY(api, cudnnBackendSetAttribute, d, name, type, count, values)
#define FINALIZE(d) RL_TRY(api, cudnnBackendFinalize, d)

static void destroy(descriptor *d, rl_result *result)
{
    if (*d)
        RL_ALSO((*result), api, cudnnBackendDestroyDescriptor, *d);
    *d = 0;
}

// tensor describes [n][h][w][c] in memory, which cuDNN orders n, c, h, w.
static rl_result tensor(descriptor *d, int64_t id, int type, int64_t n, int64_t h, int64_t w, int64_t c)
{
    const int64_t dimensions[4] = {n, c, h, w}, strides[4] = {h * w * c, 1, w * c, c}, alignment = 16;
    CREATE(CUDNN_BACKEND_TENSOR_DESCRIPTOR, d);
    SET(*d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    SET(*d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    SET(*d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dimensions);
    SET(*d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    SET(*d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    FINALIZE(*d);
    return RL_OK;
}

static rl_result convolution(descriptor *d, const rl_shape *s)
{
    const int mode = CUDNN_CROSS_CORRELATION, type = CUDNN_DATA_FLOAT;
    const int64_t dimensions = 2, ones[2] = {1, 1}, strides[2] = {s->stride_h, s->stride_w}, pads[2] = {s->pad_h, s->pad_w};
    CREATE(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, d);
    SET(*d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions);
    SET(*d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    SET(*d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    SET(*d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    SET(*d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    SET(*d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    SET(*d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones);
    FINALIZE(*d);
    return RL_OK;
}

// The three operations have the same attributes under different numbers. ids: in the order that rl_conv_run takes them.
static const struct pass {
    int operation, x, w, y, conv, alpha, beta;
    int64_t ids[3];
} passes[] = {
    [RL_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, {X, W, Y}},
    [RL_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
                          {W, Y, X}},
    [RL_BACKWARD_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, {X, Y, W}},
};

// propose appends what one mode of the heuristics proposes, best first. A mode that does not know the operation adds nothing.
static rl_result propose(rl_graph *g, descriptor *heuristics, int mode)
{
    CREATE(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, heuristics);
    SET(*heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->graph);
    SET(*heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (api.cudnnBackendFinalize(*heuristics) != 0)
        return RL_OK;
    int64_t count = 0, got = 0;
    RL_TRY(api, cudnnBackendGetAttribute, *heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
           &count, 0);
    if (count > MOST_CONFIGS - g->count)
        count = MOST_CONFIGS - g->count;
    descriptor *first = g->configs + g->count; // created before they are asked for, as the API wants
    for (int i = 0; i < count; i++)
        CREATE(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, first + i);
    if (count > 0)
        RL_TRY(api, cudnnBackendGetAttribute, *heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
               count, &got, first);
    g->count += (int)(got < count ? got : count);
    return RL_OK;
}

static rl_result build(rl_graph *g, const rl_shape *s, int pass, float beta)
{
    const struct pass *p = &passes[pass];
    const float one = 1;
    rl_result result;
    if ((result = tensor(&g->x, X, s->type, s->n, s->h, s->w, s->c)).code != 0 ||
        (result = tensor(&g->w, W, s->type, s->out_c, s->kernel_h, s->kernel_w, s->c)).code != 0 ||
        (result = tensor(&g->y, Y, s->type, s->n, s->out_h, s->out_w, s->out_c)).code != 0 ||
        (result = convolution(&g->conv, s)).code != 0)
        return result;
    for (int i = 0; i < 3; i++)
        g->ids[i] = p->ids[i];
    CREATE(p->operation, &g->operation);
    SET(g->operation, p->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->x);
    SET(g->operation, p->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->w);
    SET(g->operation, p->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->y);
    SET(g->operation, p->conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->conv);
    SET(g->operation, p->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    SET(g->operation, p->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    FINALIZE(g->operation);
    CREATE(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &g->graph);
    SET(g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->dnn);
    SET(g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->operation);
    FINALIZE(g->graph);
    const int modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    for (int i = 0; i < 2 && result.code == 0; i++) {
        descriptor heuristics = 0;
        result = propose(g, &heuristics, modes[i]);
        destroy(&heuristics, &result);
    }
    return result;
}

rl_result rl_graph_open(cudnnHandle_t dnn, const rl_shape *shape, int pass, float beta, rl_graph **graph)
{
    *graph = calloc(1, sizeof **graph);
    if (!*graph)
        abort();
    (*graph)->dnn = dnn;
    rl_result result = build(*graph, shape, pass, beta);
    if (result.code != 0) {
        rl_graph_close(*graph);
        *graph = 0;
    }
    return result;
}

int rl_graph_configs(const rl_graph *g) { return g->count; }

static rl_result read_engine(descriptor config, descriptor *engine, rl_config *out)
{
    int64_t got = 0;
    int notes[32];
    CREATE(CUDNN_BACKEND_ENGINE_DESCRIPTOR, engine);
    RL_TRY(api, cudnnBackendGetAttribute, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got, engine);
    RL_TRY(api, cudnnBackendGetAttribute, *engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &got, &out->engine);
    RL_TRY(api, cudnnBackendGetAttribute, *engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, 32, &got,
           notes);
    for (int i = 0; i < got && i < 32; i++)
        if (notes[i] >= 0 && notes[i] < 32)
            out->notes |= 1u << notes[i];
    return RL_OK;
}

rl_result rl_graph_config(const rl_graph *g, int index, rl_config *config)
{
    descriptor engine = 0;
    *config = (rl_config){0};
    rl_result result = read_engine(g->configs[index], &engine, config);
    destroy(&engine, &result);
    return result;
}

rl_result rl_graph_close(rl_graph *g)
{
    rl_result result = RL_OK;
    for (int i = 0; i < MOST_CONFIGS; i++)
        destroy(&g->configs[i], &result);
    descriptor *rest[KEPT] = {&g->graph, &g->operation, &g->conv, &g->y, &g->w, &g->x};
    for (int i = 0; i < KEPT; i++)
        destroy(rest[i], &result);
    free(g);
    return result;
}

static rl_result build_plan(const rl_graph *g, int index, rl_plan *p, int64_t *workspace_bytes)
{
    int64_t got = 0;
    CREATE(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &p->plan);
    SET(p->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->dnn);
    SET(p->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->configs[index]);
    FINALIZE(p->plan);
    RL_TRY(api, cudnnBackendGetAttribute, p->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &got,
           workspace_bytes);
    return RL_OK;
}

rl_result rl_plan_open(const rl_graph *graph, int index, rl_plan **plan, int64_t *workspace_bytes)
{
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        abort();
    (*plan)->dnn = graph->dnn;
    for (int i = 0; i < 3; i++)
        (*plan)->ids[i] = graph->ids[i];
    rl_result result = build_plan(graph, index, *plan, workspace_bytes);
    if (result.code != 0) {
        rl_plan_close(*plan);
        *plan = 0;
    }
    return result;
}

static rl_result pack(rl_plan *p)
{
    CREATE(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &p->pack);
    SET(p->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, p->ids);
    SET(p->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, p->addresses);
    SET(p->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &p->workspace);
    FINALIZE(p->pack);
    return RL_OK;
}

// The pack is kept from run to run while the addresses stay the same, which they do in a planned network.
rl_result rl_plan_run(rl_plan *p, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t workspace)
{
    void *const addresses[3] = {(void *)a, (void *)b, (void *)c};
    rl_result result = RL_OK;
    int same = p->pack && p->workspace == (void *)workspace;
    for (int i = 0; i < 3; i++) {
        same = same && p->addresses[i] == addresses[i];
        p->addresses[i] = addresses[i];
    }
    p->workspace = (void *)workspace;
    if (!same) {
        destroy(&p->pack, &result);
        if (result.code == 0)
            result = pack(p);
        if (result.code != 0) {
            rl_result ignored = RL_OK;
            destroy(&p->pack, &ignored);
            return result;
        }
    }
    RL_TRY(api, cudnnBackendExecute, p->dnn, p->plan, p->pack);
    return RL_OK;
}

rl_result rl_plan_close(rl_plan *p)
{
    rl_result result = RL_OK;
    destroy(&p->pack, &result);
    destroy(&p->plan, &result);
    free(p);
    return result;
}
