//go:build gpu && cgo

#include "graph_private.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

struct rl_backend rl_backend;

const char *rl_resolve_graph(void *library)
{
#define RL_FILL(result, function, parameters)                   \
    *(void **)&rl_backend.function = dlsym(library, #function); \
    if (!rl_backend.function)                                   \
        return #function;
    RL_GRAPH_FUNCTIONS(RL_FILL)
    return 0;
}

// The unique ids of tensors. CONVOLVED and BIASED stand between two operations.
enum { X = 'x', W = 'w', Y = 'y', BIAS = 'b', CONVOLVED = 'c', BIASED = 's' };

// create makes a descriptor that goes with the graph.
static rl_result create(rl_graph *g, int type, descriptor *d)
{
    RL_CREATE(type, d);
    g->parts[g->part_count++] = *d;
    return RL_OK;
}

// tensor describes [n][h][w][c] in memory, which cuDNN orders n, c, h, w.
static rl_result tensor(rl_graph *g, int64_t id, int type, int64_t n, int64_t h, int64_t w, int64_t c, descriptor *d)
{
    const int64_t dimensions[4] = {n, c, h, w}, strides[4] = {h * w * c, 1, w * c, c}, alignment = 16;
    const bool without_memory = id == CONVOLVED || id == BIASED;
    RL_DO(create(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, d));
    RL_SET(*d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    RL_SET(*d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    RL_SET(*d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dimensions);
    RL_SET(*d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    RL_SET(*d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (without_memory)
        RL_SET(*d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &without_memory);
    RL_FINALIZE(*d);
    return RL_OK;
}

// output describes what an operation makes: y itself, or in float32 what another operation goes on with.
static rl_result output(rl_graph *g, const rl_shape *s, int64_t id, descriptor *d)
{
    return tensor(g, id, id == Y ? s->type : CUDNN_DATA_FLOAT, s->n, s->out_h, s->out_w, s->out_c, d);
}

static rl_result geometry(rl_graph *g, const rl_shape *s, descriptor *d)
{
    const int mode = CUDNN_CROSS_CORRELATION, type = CUDNN_DATA_FLOAT;
    const int64_t dimensions = 2, ones[2] = {1, 1}, strides[2] = {s->stride_h, s->stride_w}, pads[2] = {s->pad_h, s->pad_w};
    RL_DO(create(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, d));
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    RL_SET(*d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones);
    RL_FINALIZE(*d);
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

static rl_result convolution(rl_graph *g, const rl_shape *s, const rl_operation *o, descriptor y, descriptor *d)
{
    const struct pass *p = &passes[o->pass];
    const float one = 1, beta = o->accumulate ? 1 : 0;
    descriptor x, w, conv;
    RL_DO(tensor(g, X, s->type, s->n, s->h, s->w, s->c, &x));
    RL_DO(tensor(g, W, s->type, s->out_c, s->kernel_h, s->kernel_w, s->c, &w));
    RL_DO(geometry(g, s, &conv));
    RL_DO(create(g, p->operation, d));
    RL_SET(*d, p->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
    RL_SET(*d, p->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w);
    RL_SET(*d, p->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
    RL_SET(*d, p->conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv);
    RL_SET(*d, p->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    RL_SET(*d, p->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    RL_FINALIZE(*d);
    return RL_OK;
}

// pointwise is y = x + b or, without b, y = max(x, 0): a ReLU's other bounds stay at cuDNN's defaults, which are none.
static rl_result pointwise(rl_graph *g, descriptor x, descriptor b, descriptor y, descriptor *d)
{
    const int mode = b ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD, type = CUDNN_DATA_FLOAT, nan = CUDNN_PROPAGATE_NAN;
    const float one = 1;
    descriptor what;
    RL_DO(create(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, &what));
    RL_SET(what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    RL_SET(what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    if (!b)
        RL_SET(what, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
    RL_FINALIZE(what);
    RL_DO(create(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, d));
    RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &what);
    RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
    RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
    RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1, CUDNN_TYPE_FLOAT, 1, &one);
    if (b) {
        RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &b);
        RL_SET(*d, CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2, CUDNN_TYPE_FLOAT, 1, &one);
    }
    RL_FINALIZE(*d);
    return RL_OK;
}

// operations describes the convolution and what follows it, each of what the one before it makes.
static rl_result operations(rl_graph *g, const rl_shape *s, const rl_operation *o, descriptor all[3], int *count)
{
    descriptor last, bias, next;
    RL_DO(output(g, s, o->bias || o->relu ? CONVOLVED : Y, &last));
    RL_DO(convolution(g, s, o, last, &all[(*count)++]));
    if (o->bias) {
        RL_DO(tensor(g, BIAS, CUDNN_DATA_FLOAT, 1, 1, 1, s->out_c, &bias));
        RL_DO(output(g, s, o->relu ? BIASED : Y, &next));
        RL_DO(pointwise(g, last, bias, next, &all[(*count)++]));
        last = next;
    }
    if (o->relu) {
        RL_DO(output(g, s, Y, &next));
        RL_DO(pointwise(g, last, 0, next, &all[(*count)++]));
    }
    return RL_OK;
}

// propose appends what one mode of the heuristics proposes, best first. A mode that does not know the operation adds nothing.
static rl_result propose(rl_graph *g, descriptor graph, descriptor *heuristics, int mode)
{
    RL_CREATE(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, heuristics);
    RL_SET(*heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    RL_SET(*heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (rl_backend.cudnnBackendFinalize(*heuristics) != 0)
        return RL_OK;
    int64_t count = 0, got = 0;
    RL_TRY(rl_backend, cudnnBackendGetAttribute, *heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
           &count, 0);
    if (count > MOST_CONFIGS - g->count)
        count = MOST_CONFIGS - g->count;
    descriptor *first = g->configs + g->count; // created before they are asked for, as the API wants
    for (int i = 0; i < count; i++)
        RL_CREATE(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, first + i);
    if (count > 0)
        RL_TRY(rl_backend, cudnnBackendGetAttribute, *heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
               CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &got, first);
    g->count += (int)(got < count ? got : count);
    return RL_OK;
}

static rl_result build(rl_graph *g, const rl_shape *s, const rl_operation *o)
{
    descriptor all[3], graph;
    int count = 0;
    RL_DO(operations(g, s, o, all, &count));
    RL_DO(create(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &graph));
    RL_SET(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &g->dnn);
    RL_SET(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, all);
    RL_FINALIZE(graph);
    for (int i = 0; i < 3; i++)
        g->ids[g->tensors++] = passes[o->pass].ids[i];
    if (o->bias)
        g->ids[g->tensors++] = BIAS;
    const int modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    rl_result result = RL_OK;
    for (int i = 0; i < 2 && result.code == 0; i++) {
        descriptor heuristics = 0;
        result = propose(g, graph, &heuristics, modes[i]);
        rl_destroy(&heuristics, &result);
    }
    return result;
}

rl_result rl_graph_open(cudnnHandle_t dnn, const rl_shape *shape, const rl_operation *operation, rl_graph **graph)
{
    *graph = calloc(1, sizeof **graph);
    if (!*graph)
        abort();
    (*graph)->dnn = dnn;
    rl_result result = build(*graph, shape, operation);
    if (result.code != 0) {
        rl_graph_close(*graph);
        *graph = 0;
    }
    return result;
}

int rl_graph_configs(const rl_graph *g) { return g->count; }

// NOTES is CUDNN_NUMERICAL_NOTE_TYPE_COUNT of cuDNN 9, which cudnn-frontend asks for.
enum { NOTES = 10 };

static rl_result read_engine(descriptor config, descriptor *engine, rl_config *out)
{
    int64_t got = 0;
    int notes[NOTES];
    RL_CREATE(CUDNN_BACKEND_ENGINE_DESCRIPTOR, engine);
    RL_TRY(rl_backend, cudnnBackendGetAttribute, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got,
           engine);
    RL_TRY(rl_backend, cudnnBackendGetAttribute, *engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &got,
           &out->engine);
    RL_TRY(rl_backend, cudnnBackendGetAttribute, *engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, NOTES,
           &got, notes);
    for (int i = 0; i < got && i < NOTES; i++)
        if (notes[i] >= 0 && notes[i] < 32)
            out->notes |= 1u << notes[i];
    return RL_OK;
}

rl_result rl_graph_config(const rl_graph *g, int index, rl_config *config)
{
    descriptor engine = 0;
    *config = (rl_config){0};
    rl_result result = read_engine(g->configs[index], &engine, config);
    rl_destroy(&engine, &result);
    return result;
}

rl_result rl_graph_close(rl_graph *g)
{
    rl_result result = RL_OK;
    for (int i = 0; i < MOST_CONFIGS; i++)
        rl_destroy(&g->configs[i], &result);
    while (g->part_count > 0)
        rl_destroy(&g->parts[--g->part_count], &result);
    free(g);
    return result;
}
