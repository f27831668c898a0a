//go:build onednn && cgo

// Average pooling by oneDNN, padding counted.

#include "plan.h"

typedef struct pool_descs {
    dnnl_memory_desc_t src, dst;
    dnnl_dims_t strides, kernel, padding;
} pool_descs;

static pool_descs describe(rl_plan *p, rl_window c)
{
    pool_descs s;
    dnnl_dims_t src = { c.n, c.ic, c.ih, c.iw }, dst = { c.n, c.oc, c.oh, c.ow };
    s.src = rl_plan_desc(p, 4, src, dnnl_nhwc);
    s.dst = rl_plan_desc(p, 4, dst, dnnl_nhwc);
    s.strides[0] = c.sh, s.strides[1] = c.sw;
    s.kernel[0] = c.kh, s.kernel[1] = c.kw;
    s.padding[0] = c.ph, s.padding[1] = c.pw;
    return s;
}

static dnnl_primitive_desc_t forward_desc(rl_plan *p, pool_descs *s)
{
    dnnl_pooling_desc_t op;
    if (p->status) return NULL;
    p->status = dnnl_pooling_forward_desc_init(&op, dnnl_forward_training, dnnl_pooling_avg_include_padding, &s->src,
                                               &s->dst, s->strides, s->kernel, s->padding, s->padding);
    return rl_plan_primitive(p, &op, NULL);
}

int rl_plan_avg_pool_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    pool_descs s = describe(p, c);
    dnnl_primitive_desc_t pd = forward_desc(p, &s);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.src, pd, dnnl_query_src_md, 0, DNNL_ARG_SRC),
        rl_plan_output(p, RL_DST0, &s.dst, pd, dnnl_query_dst_md, 0, DNNL_ARG_DST),
    };
    rl_plan_compute(p, pd, 2, args);
    return rl_plan_finish(p, pd, NULL, out);
}

int rl_plan_avg_pool_backward(const rl_device *d, rl_window c, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    pool_descs s = describe(p, c);
    dnnl_primitive_desc_t hint = forward_desc(p, &s), pd = NULL;
    dnnl_pooling_desc_t op;
    if (!p->status)
        p->status = dnnl_pooling_backward_desc_init(&op, dnnl_pooling_avg_include_padding, &s.src, &s.dst, s.strides,
                                                    s.kernel, s.padding, s.padding);
    pd = rl_plan_primitive(p, &op, hint);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST),
        rl_plan_output(p, RL_DST0, &s.src, pd, dnnl_query_diff_src_md, 0, DNNL_ARG_DIFF_SRC),
    };
    rl_plan_compute(p, pd, 2, args);
    return rl_plan_finish(p, pd, hint, out);
}
