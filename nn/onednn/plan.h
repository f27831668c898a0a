// A plan runs one oneDNN primitive between operands in the caller's layout, with the reorders that this takes, and
// what oneDNN cannot do of op.Gather and of padding. All working memory is in the device's arena.
// Errors stick: after the first, every call does nothing and rl_plan_finish returns it.

#ifndef RINGLOOM_ONEDNN_PLAN_H
#define RINGLOOM_ONEDNN_PLAN_H

#include "kernel_base.h"

#include <oneapi/dnnl/dnnl.h>

enum { RL_OPERANDS = 9, RL_STEPS = 6, RL_ARGS = 6, RL_MEMORIES = 16 };
// Operand numbers: outputs, then inputs. RL_NONE: no operand.
enum { RL_DST0, RL_DST1, RL_DST2, RL_SRC0, RL_SRC1, RL_SRC2, RL_SRC3, RL_SRC4, RL_SRC5, RL_NONE = -1 };

typedef struct rl_step {
    dnnl_primitive_t primitive;
    int nargs;
    dnnl_exec_arg_t args[RL_ARGS];
} rl_step;

typedef struct rl_memory {
    dnnl_memory_t memory;
    int64_t offset; // in the arena, or -1: the caller's
} rl_memory;

// Between an image and the same image with a border around it.
typedef struct rl_border {
    int n, h, w, c;       // the image
    int top, left;        // the border above and below, and on either side; 0: none
    int accumulate, mask; // op.Gather, taking it off
    const float *from;    // putting it on: the image
    float *around;        // the image with its border
    void (*gather)(float *dst, const float *src, const float *mask, int64_t len, int accumulate);
} rl_border;

// A ReLU of the result in place: rows of channels elements, pitch apart. oneDNN's own, fused, makes 0 of what is not a
// number, and hides that a training diverges.
typedef struct rl_rows {
    int relu; // 0: none
    int64_t rows;
    int channels, pitch;
    void (*positive)(float *y, int64_t rows, int64_t channels, int64_t pitch);
} rl_rows;

typedef struct rl_plan {
    rl_kernel base;
    rl_arena *arena;
    const void *arena_seen; // the address that the memories were last told
    int64_t bytes;          // of the arena that this plan uses
    dnnl_engine_t engine;
    dnnl_stream_t stream; // borrowed from the device
    dnnl_status_t status;
    int nsteps, nmemories, nafter;
    rl_step steps[RL_STEPS], after[2]; // after: reorders of outputs, appended by rl_plan_finish
    rl_memory memories[RL_MEMORIES];
    dnnl_memory_t operand[RL_OPERANDS]; // set to the caller's pointers at each run; NULL where there is none
    // The operand that stands in the arena while the primitive runs, or RL_NONE. border fills it (an input) before or
    // empties it (an output) behind. An output whose border only masks need not move.
    int moved, gathers;
    int64_t moved_offset;
    rl_border border;
    rl_rows positive;
} rl_plan;

rl_plan *rl_plan_new(const rl_device *d);

// A descriptor of a tensor of float32 in a layout (dnnl_format_tag_any: the primitive's choice).
dnnl_memory_desc_t rl_plan_desc(rl_plan *p, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag);

// Sets the image of the border.
void rl_plan_border(rl_plan *p, const rl_device *d, int n, int h, int w, int c, int top, int left);
// For an input: around = the image op has, with zeros about it.
void rl_border_put(rl_plan *p, const rl_operands *op);
// dst[0] = around without its border, by accumulate and mask (src[2]). Where there is no border, dst[0] may be around.
void rl_border_take(rl_plan *p, const rl_operands *op);

// Has a ReLU follow, over so many rows of the result.
void rl_plan_relu(rl_plan *p, const rl_device *d, int64_t rows, int channels, int pitch);
// dst[0] = max(0, dst[0]); what is not a number stays so.
void rl_positive(rl_plan *p, const rl_operands *op);

// Makes the primitive descriptor, or returns NULL. hint is a forward descriptor or NULL. The caller destroys it.
dnnl_primitive_desc_t rl_plan_primitive(rl_plan *p, const_dnnl_op_desc_t op, dnnl_primitive_desc_t hint);

// A layer with weights: its tensors as the caller lays them out.
typedef struct rl_tensors {
    dnnl_memory_desc_t src, dst, weights, bias;
    int no_bias;
} rl_tensors;

// Binds the operands of a pass (RL_FORWARD and so on) of a layer with weights, in the order of its spec, adding
// reorders where pd wants them otherwise. Then hands the plan over as a kernel, or frees it and returns the status. pd
// and hint are destroyed; NULL is allowed.
int rl_plan_layer(rl_plan *p, int pass, const rl_tensors *user, dnnl_primitive_desc_t pd, dnnl_primitive_desc_t hint,
                  rl_kernel **out);

#endif
