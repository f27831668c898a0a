//go:build onednn && cgo

// Fully connected layers by oneDNN. Its inner product takes a four-dimensional source, so the flattening in PyTorch's
// C, H, W order is no copy of ours: weights [out, c*h*w] are OIHW with a kernel as large as the image.

#include "plan.h"

typedef struct linear_descs {
    dnnl_memory_desc_t src, weights, bias, dst, wweights;
} linear_descs;

static linear_descs describe(rl_plan *p, rl_linear l)
{
    linear_descs s;
    dnnl_dims_t src4 = { l.n, l.c, l.h, l.w }, weights4 = { l.out, l.c, l.h, l.w };
    dnnl_dims_t bias = { l.out }, dst = { l.n, l.out };
    int flat = l.h == 1 && l.w == 1; // a matrix: the first two dimensions are all
    s.src = rl_plan_desc(p, flat ? 2 : 4, src4, flat ? dnnl_ab : dnnl_nhwc);
    s.weights = rl_plan_desc(p, flat ? 2 : 4, weights4, flat ? dnnl_ab : dnnl_oihw);
    s.wweights = rl_plan_desc(p, flat ? 2 : 4, weights4, dnnl_format_tag_any);
    s.bias = rl_plan_desc(p, 1, bias, dnnl_a);
    s.dst = rl_plan_desc(p, 2, dst, dnnl_ab);
    return s;
}

static dnnl_primitive_desc_t forward_desc(rl_plan *p, linear_descs *s)
{
    dnnl_inner_product_desc_t op;
    if (p->status) return NULL;
    p->status = dnnl_inner_product_forward_desc_init(&op, dnnl_forward_training, &s->src, &s->wweights, &s->bias,
                                                     &s->dst);
    return rl_plan_primitive(p, &op, NULL);
}

int rl_plan_linear_forward(const rl_device *d, rl_linear l, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    linear_descs s = describe(p, l);
    dnnl_primitive_desc_t pd = forward_desc(p, &s);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.src, pd, dnnl_query_src_md, 0, DNNL_ARG_SRC),
        rl_plan_input(p, RL_SRC1, &s.weights, pd, dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS),
        rl_plan_input(p, RL_SRC2, &s.bias, pd, dnnl_query_weights_md, 1, DNNL_ARG_BIAS),
        rl_plan_output(p, RL_DST0, &s.dst, pd, dnnl_query_dst_md, 0, DNNL_ARG_DST),
    };
    rl_plan_compute(p, pd, 4, args);
    return rl_plan_finish(p, pd, NULL, out);
}

int rl_plan_linear_backward_data(const rl_device *d, rl_linear l, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    linear_descs s = describe(p, l);
    dnnl_primitive_desc_t hint = forward_desc(p, &s), pd = NULL;
    dnnl_inner_product_desc_t op;
    if (!p->status) p->status = dnnl_inner_product_backward_data_desc_init(&op, &s.src, &s.wweights, &s.dst);
    pd = rl_plan_primitive(p, &op, hint);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST),
        rl_plan_input(p, RL_SRC1, &s.weights, pd, dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS),
        rl_plan_output(p, RL_DST0, &s.src, pd, dnnl_query_diff_src_md, 0, DNNL_ARG_DIFF_SRC),
    };
    rl_plan_compute(p, pd, 3, args);
    return rl_plan_finish(p, pd, hint, out);
}

int rl_plan_linear_backward_weights(const rl_device *d, rl_linear l, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    linear_descs s = describe(p, l);
    dnnl_primitive_desc_t hint = forward_desc(p, &s), pd = NULL;
    dnnl_inner_product_desc_t op;
    if (!p->status)
        p->status = dnnl_inner_product_backward_weights_desc_init(&op, &s.src, &s.wweights, &s.bias, &s.dst);
    pd = rl_plan_primitive(p, &op, hint);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST),
        rl_plan_input(p, RL_SRC1, &s.src, pd, dnnl_query_src_md, 0, DNNL_ARG_SRC),
        rl_plan_output(p, RL_DST0, &s.weights, pd, dnnl_query_diff_weights_md, 0, DNNL_ARG_DIFF_WEIGHTS),
        rl_plan_output(p, RL_DST1, &s.bias, pd, dnnl_query_diff_weights_md, 1, DNNL_ARG_DIFF_BIAS),
    };
    rl_plan_compute(p, pd, 4, args);
    return rl_plan_finish(p, pd, hint, out);
}
