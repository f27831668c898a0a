//go:build onednn && cgo

#include "plan.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

static int plan_run(rl_kernel *k, const rl_operands *op)
{
    rl_plan *p = (rl_plan *)k;
    for (int i = 0; i < RL_OPERANDS; i++) {
        if (!p->operand[i]) continue;
        const void *pointer = i < RL_SRC0 ? op->dst[i] : op->src[i - RL_SRC0];
        dnnl_status_t status = dnnl_memory_set_data_handle(p->operand[i], (void *)pointer);
        if (status != dnnl_success) return status;
    }
    for (int i = 0; i < p->nsteps; i++) {
        rl_step *s = &p->steps[i];
        dnnl_status_t status = dnnl_primitive_execute(s->primitive, p->stream, s->nargs, s->args);
        if (status != dnnl_success) return status;
    }
    return RL_OK;
}

static void plan_destroy(rl_kernel *k)
{
    rl_plan *p = (rl_plan *)k;
    for (int i = 0; i < p->nsteps; i++) dnnl_primitive_destroy(p->steps[i].primitive);
    for (int i = 0; i < p->nafter; i++) dnnl_primitive_destroy(p->after[i].primitive);
    for (int i = 0; i < p->nmemories; i++) dnnl_memory_destroy(p->memories[i]);
    free(p);
}

rl_plan *rl_plan_new(const rl_device *d)
{
    rl_plan *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->base.run = plan_run;
    p->base.destroy = plan_destroy;
    p->base.threads = d->threads;
    p->engine = d->engine;
    p->stream = d->stream;
    // A primitive takes its number of threads from the thread that makes it.
    omp_set_num_threads(d->threads);
    return p;
}

dnnl_memory_desc_t rl_plan_desc(rl_plan *p, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof md);
    if (!p->status) p->status = dnnl_memory_desc_init_by_tag(&md, ndims, dims, dnnl_f32, tag);
    return md;
}

dnnl_primitive_desc_t rl_plan_primitive(rl_plan *p, const_dnnl_op_desc_t op, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL;
    if (p->status) return NULL;
    p->status = dnnl_primitive_attr_create(&attr);
    if (!p->status) p->status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!p->status) p->status = dnnl_primitive_desc_create(&pd, op, attr, p->engine, hint);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return p->status ? NULL : pd;
}

static dnnl_memory_t new_memory(rl_plan *p, const dnnl_memory_desc_t *md, void *handle)
{
    dnnl_memory_t m = NULL;
    if (p->status) return NULL;
    if (p->nmemories == RL_MEMORIES) {
        p->status = dnnl_runtime_error;
        return NULL;
    }
    p->status = dnnl_memory_create(&m, md, p->engine, handle);
    if (p->status) return NULL;
    return p->memories[p->nmemories++] = m;
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
        dnnl_exec_arg_t arg = { DNNL_ARG_SCRATCHPAD, new_memory(p, scratch, DNNL_MEMORY_ALLOCATE) };
        s->args[s->nargs++] = arg;
    }
}

static void add_reorder(rl_plan *p, rl_step *list, int *count, dnnl_memory_t from, const dnnl_memory_desc_t *from_md,
                        dnnl_memory_t to, const dnnl_memory_desc_t *to_md)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (p->status) return;
    p->status = dnnl_primitive_attr_create(&attr);
    if (!p->status) p->status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (!p->status) p->status = dnnl_reorder_primitive_desc_create(&pd, from_md, p->engine, to_md, p->engine, attr);
    dnnl_exec_arg_t args[2] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    add_step(p, list, count, pd, 2, args);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
}

// The operand's memory object and, where the primitive wants another layout, the one that it works on.
static dnnl_memory_t bind(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                          dnnl_query_t what, int index, const dnnl_memory_desc_t **want)
{
    if (p->status) return NULL;
    *want = dnnl_primitive_desc_query_md(pd, what, index);
    // The handle is set at each run; NONE keeps oneDNN from allocating.
    p->operand[operand] = new_memory(p, user, DNNL_MEMORY_NONE);
    if (dnnl_memory_desc_equal(user, *want)) return p->operand[operand];
    return new_memory(p, *want, DNNL_MEMORY_ALLOCATE);
}

dnnl_exec_arg_t rl_plan_input(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                              dnnl_query_t what, int index, int arg)
{
    const dnnl_memory_desc_t *want = NULL;
    dnnl_memory_t m = bind(p, operand, user, pd, what, index, &want);
    if (m != p->operand[operand]) add_reorder(p, p->steps, &p->nsteps, p->operand[operand], user, m, want);
    dnnl_exec_arg_t out = { arg, m };
    return out;
}

dnnl_exec_arg_t rl_plan_output(rl_plan *p, int operand, const dnnl_memory_desc_t *user, dnnl_primitive_desc_t pd,
                               dnnl_query_t what, int index, int arg)
{
    const dnnl_memory_desc_t *want = NULL;
    dnnl_memory_t m = bind(p, operand, user, pd, what, index, &want);
    if (m != p->operand[operand]) add_reorder(p, p->after, &p->nafter, m, want, p->operand[operand], user);
    dnnl_exec_arg_t out = { arg, m };
    return out;
}

void rl_plan_compute(rl_plan *p, dnnl_primitive_desc_t pd, int nargs, const dnnl_exec_arg_t *args)
{
    const char *impl = NULL;
    if (p->status) return;
    p->status = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    if (impl) strncpy(p->base.impl, impl, sizeof p->base.impl - 1);
    add_step(p, p->steps, &p->nsteps, pd, nargs, args);
}

int rl_plan_finish(rl_plan *p, dnnl_primitive_desc_t pd, dnnl_primitive_desc_t hint, rl_kernel **out)
{
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (!p->status && p->nsteps + p->nafter > RL_STEPS) p->status = dnnl_runtime_error;
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
