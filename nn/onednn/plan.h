// A plan runs one oneDNN primitive between operands in the caller's layout, with the reorders that this takes.
// Errors stick: after the first, every call does nothing and rl_plan_finish returns it.

#ifndef RINGLOOM_ONEDNN_PLAN_H
#define RINGLOOM_ONEDNN_PLAN_H

#include "kernel.h"

#include <oneapi/dnnl/dnnl.h>

enum { RL_OPERANDS = 9, RL_STEPS = 6, RL_ARGS = 6, RL_MEMORIES = 16 };
// Operand numbers: outputs, then inputs.
enum { RL_DST0, RL_DST1, RL_DST2, RL_SRC0, RL_SRC1, RL_SRC2, RL_SRC3, RL_SRC4, RL_SRC5 };

typedef struct rl_step {
    dnnl_primitive_t primitive;
    int nargs;
    dnnl_exec_arg_t args[RL_ARGS];
} rl_step;

typedef struct rl_plan {
    rl_kernel base;
    dnnl_engine_t engine;
    dnnl_stream_t stream; // borrowed from the device
    dnnl_status_t status;
    int nsteps, nmemories, nafter;
    rl_step steps[RL_STEPS], after[2]; // after: reorders of outputs, appended by rl_plan_finish
    dnnl_memory_t memories[RL_MEMORIES];
    dnnl_memory_t operand[RL_OPERANDS]; // set to the caller's pointers at each run; NULL where there is none
} rl_plan;

rl_plan *rl_plan_new(const rl_device *d);

// A descriptor of a tensor of float32 in a layout (dnnl_format_tag_any: the primitive's choice).
dnnl_memory_desc_t rl_plan_desc(rl_plan *p, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag);

// Makes the primitive descriptor, or returns NULL. hint is a forward descriptor or NULL. The caller destroys it.
dnnl_primitive_desc_t rl_plan_primitive(rl_plan *p, const_dnnl_op_desc_t op, dnnl_primitive_desc_t hint);

// The argument arg of the primitive, bound to an operand that the caller lays out as user says; a reorder is added
// where pd wants it otherwise (what/index: how dnnl_primitive_desc_query_md calls the argument).
dnnl_exec_arg_t rl_plan_input(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                              dnnl_query_t what, int index, int arg);
dnnl_exec_arg_t rl_plan_output(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                               dnnl_query_t what, int index, int arg);

// Adds the primitive itself, with its scratchpad.
void rl_plan_compute(rl_plan *p, dnnl_primitive_desc_t pd, int nargs, const dnnl_exec_arg_t *args);

// Hands the plan over as a kernel, or frees it and returns the status. pd and hint are destroyed (NULL is allowed).
int rl_plan_finish(rl_plan *p, dnnl_primitive_desc_t pd, dnnl_primitive_desc_t hint, rl_kernel **out);

#endif
