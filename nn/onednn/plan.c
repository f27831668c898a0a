//go:build onednn && cgo

#include "plan.h"

#include <stdlib.h>
#include <string.h>

static dnnl_status_t point_into_arena(rl_plan *p)
{
    if (p->arena_seen == p->arena->data) return dnnl_success;
    char *base = p->arena->data;
    for (int i = 0; i < p->nmemories; i++) {
        if (p->memories[i].offset < 0) continue;
        dnnl_status_t status = dnnl_memory_set_data_handle(p->memories[i].memory, base + p->memories[i].offset);
        if (status != dnnl_success) return status;
    }
    p->arena_seen = base;
    return dnnl_success;
}

static int plan_run(rl_kernel *k, const rl_operands *op)
{
    rl_plan *p = (rl_plan *)k;
    dnnl_status_t status = point_into_arena(p);
    if (status != dnnl_success) return status;
    for (int i = 0; i < RL_OPERANDS; i++) {
        if (!p->operand[i]) continue;
        const void *pointer = i < RL_SRC0 ? op->dst[i] : op->src[i - RL_SRC0];
        status = dnnl_memory_set_data_handle(p->operand[i], (void *)pointer);
        if (status != dnnl_success) return status;
    }
    p->border.around = p->moved == RL_NONE ? op->dst[0] : (float *)p->arena->data + p->moved_offset;
    if (p->moved >= RL_SRC0) {
        p->border.from = op->src[p->moved - RL_SRC0];
        rl_border_put(p, op);
    }
    for (int i = 0; i < p->nsteps; i++) {
        rl_step *s = &p->steps[i];
        status = dnnl_primitive_execute(s->primitive, p->stream, s->nargs, s->args);
        if (status != dnnl_success) return status;
    }
    if (p->gathers) rl_border_take(p, op);
    if (p->positive.relu) rl_positive(p, op);
    return RL_OK;
}

static void plan_destroy(rl_kernel *k)
{
    rl_plan *p = (rl_plan *)k;
    for (int i = 0; i < p->nsteps; i++) dnnl_primitive_destroy(p->steps[i].primitive);
    for (int i = 0; i < p->nafter; i++) dnnl_primitive_destroy(p->after[i].primitive);
    for (int i = 0; i < p->nmemories; i++) dnnl_memory_destroy(p->memories[i].memory);
    free(p);
}

rl_plan *rl_plan_new(const rl_device *d)
{
    // A primitive takes its number of threads from the thread that makes it.
    if (rl_team(d->threads) != RL_OK) return NULL;
    rl_plan *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->base.run = plan_run;
    p->base.destroy = plan_destroy;
    p->base.threads = d->threads;
    p->arena = d->arena;
    p->engine = d->engine;
    p->stream = d->stream;
    p->moved = RL_NONE;
    return p;
}

dnnl_memory_desc_t rl_plan_desc(rl_plan *p, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof md);
    if (!p->status) p->status = dnnl_memory_desc_init_by_tag(&md, ndims, dims, dnnl_f32, tag);
    return md;
}

static dnnl_primitive_attr_t attributes(rl_plan *p)
{
    dnnl_primitive_attr_t attr = NULL;
    if (!p->status) p->status = dnnl_primitive_attr_create(&attr);
    if (!p->status) p->status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    return attr;
}

dnnl_primitive_desc_t rl_plan_primitive(rl_plan *p, const_dnnl_op_desc_t op, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = attributes(p);
    if (!p->status) p->status = dnnl_primitive_desc_create(&pd, op, attr, p->engine, hint);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return p->status ? NULL : pd;
}

// Room in the arena: its offset in bytes.
static int64_t reserve(rl_plan *p, size_t bytes)
{
    int64_t offset = p->bytes;
    p->bytes += ((int64_t)bytes + 63) / 64 * 64;
    return offset;
}

static dnnl_memory_t new_memory(rl_plan *p, const dnnl_memory_desc_t *md, int64_t offset)
{
    dnnl_memory_t m = NULL;
    if (p->status) return NULL;
    if (p->nmemories == RL_MEMORIES) {
        p->status = dnnl_runtime_error;
        return NULL;
    }
    // The handle is set before a run; NONE keeps oneDNN from allocating.
    p->status = dnnl_memory_create(&m, md, p->engine, DNNL_MEMORY_NONE);
    if (p->status) return NULL;
    p->memories[p->nmemories].offset = offset;
    return p->memories[p->nmemories++].memory = m;
}

static dnnl_memory_t arena_memory(rl_plan *p, const dnnl_memory_desc_t *md)
{
    return new_memory(p, md, reserve(p, dnnl_memory_desc_get_size(md)));
}

static void add_step(rl_plan *p, rl_step *list, int *count, dnnl_primitive_desc_t pd, int nargs,
                     const dnnl_exec_arg_t *args)
{
    if (p->status) return;
    rl_step *s = &list[*count];
    p->status = dnnl_primitive_create(&s->primitive, pd);
    if (p->status) return;
    memcpy(s->args, args, sizeof args[0] * (size_t)nargs);
    s->nargs = nargs;
    (*count)++;
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    if (scratch && dnnl_memory_desc_get_size(scratch) > 0) {
        dnnl_exec_arg_t arg = { DNNL_ARG_SCRATCHPAD, arena_memory(p, scratch) };
        s->args[s->nargs++] = arg;
    }
}

static void add_reorder(rl_plan *p, rl_step *list, int *count, dnnl_memory_t from, const dnnl_memory_desc_t *from_md,
                        dnnl_memory_t to, const dnnl_memory_desc_t *to_md)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = attributes(p);
    if (!p->status) p->status = dnnl_reorder_primitive_desc_create(&pd, from_md, p->engine, to_md, p->engine, attr);
    dnnl_exec_arg_t args[2] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    add_step(p, list, count, pd, 2, args);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
}

// An argument of the primitive, bound to an operand that the caller lays out as user says; what and index are how
// dnnl_primitive_desc_query_md calls it. Where pd wants it otherwise there is a reorder.
static dnnl_exec_arg_t bind(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                            dnnl_query_t what, int index, int arg)
{
    dnnl_exec_arg_t out = { arg, NULL };
    if (p->status) return out;
    const dnnl_memory_desc_t *want = dnnl_primitive_desc_query_md(pd, what, index);
    dnnl_memory_t m;
    if (operand == p->moved) {
        p->moved_offset = p->bytes / (int64_t)sizeof(float);
        m = arena_memory(p, user);
    } else {
        m = p->operand[operand] = new_memory(p, user, -1);
    }
    out.memory = m;
    if (dnnl_memory_desc_equal(user, want)) return out;
    out.memory = arena_memory(p, want);
    if (operand < RL_SRC0) add_reorder(p, p->after, &p->nafter, out.memory, want, m, user);
    else add_reorder(p, p->steps, &p->nsteps, m, user, out.memory, want);
    return out;
}

// Adds the primitive itself.
static void compute(rl_plan *p, dnnl_primitive_desc_t pd, int nargs, const dnnl_exec_arg_t *args)
{
    const char *impl = NULL;
    if (p->status) return;
    p->status = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    if (impl) strncpy(p->base.impl, impl, sizeof p->base.impl - 1);
    add_step(p, p->steps, &p->nsteps, pd, nargs, args);
}

static int finish(rl_plan *p, dnnl_primitive_desc_t pd, dnnl_primitive_desc_t hint, rl_kernel **out)
{
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (!p->status && p->nsteps + p->nafter > RL_STEPS) p->status = dnnl_runtime_error;
    if (!p->status && !rl_arena_reserve(p->arena, p->bytes)) p->status = dnnl_out_of_memory;
    if (p->status) {
        int status = p->status;
        plan_destroy(&p->base);
        return status;
    }
    for (int i = 0; i < p->nafter; i++) p->steps[p->nsteps++] = p->after[i];
    p->nafter = 0;
    *out = &p->base;
    return RL_OK;
}

int rl_plan_layer(rl_plan *p, int pass, const rl_tensors *t, dnnl_primitive_desc_t pd, dnnl_primitive_desc_t hint,
                  rl_kernel **out)
{
    dnnl_exec_arg_t args[4];
    int n = 0;
    switch (pass) {
    case RL_FORWARD:
        args[n++] = bind(p, RL_SRC0, &t->src, pd, dnnl_query_src_md, 0, DNNL_ARG_SRC);
        args[n++] = bind(p, RL_SRC1, &t->weights, pd, dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS);
        if (!t->no_bias) args[n++] = bind(p, RL_SRC2, &t->bias, pd, dnnl_query_weights_md, 1, DNNL_ARG_BIAS);
        args[n++] = bind(p, RL_DST0, &t->dst, pd, dnnl_query_dst_md, 0, DNNL_ARG_DST);
        break;
    case RL_BACKWARD_DATA:
        args[n++] = bind(p, RL_SRC0, &t->dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST);
        args[n++] = bind(p, RL_SRC1, &t->weights, pd, dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS);
        args[n++] = bind(p, RL_DST0, &t->src, pd, dnnl_query_diff_src_md, 0, DNNL_ARG_DIFF_SRC);
        break;
    case RL_BACKWARD_WEIGHTS:
        args[n++] = bind(p, RL_SRC0, &t->dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST);
        args[n++] = bind(p, RL_SRC1, &t->src, pd, dnnl_query_src_md, 0, DNNL_ARG_SRC);
        args[n++] = bind(p, RL_DST0, &t->weights, pd, dnnl_query_diff_weights_md, 0, DNNL_ARG_DIFF_WEIGHTS);
        if (!t->no_bias) args[n++] = bind(p, RL_DST1, &t->bias, pd, dnnl_query_diff_weights_md, 1, DNNL_ARG_DIFF_BIAS);
        break;
    }
    compute(p, pd, n, args);
    return finish(p, pd, hint, out);
}
