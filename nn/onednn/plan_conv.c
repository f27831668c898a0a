//go:build onednn && cgo

// Convolutions by oneDNN. Weights are always in the layout that it chooses (dnnl_format_tag_any): with plain OIHW it
// falls back to reference loops that are hundreds of times slower.

#include "plan.h"

typedef struct conv_descs {
    dnnl_memory_desc_t src, dst, weights, bias;     // as the caller lays them out
    dnnl_memory_desc_t wsrc, wdst, wweights;        // as the primitive is asked to
    dnnl_dims_t strides, padding;
} conv_descs;

static conv_descs describe(rl_plan *p, rl_window c, int layout)
{
    conv_descs s;
    dnnl_dims_t src = { c.n, c.ic, c.ih, c.iw }, dst = { c.n, c.oc, c.oh, c.ow };
    dnnl_dims_t weights = { c.oc, c.ic, c.kh, c.kw }, bias = { c.oc };
    dnnl_format_tag_t act = layout == RL_NHWC ? dnnl_nhwc : dnnl_format_tag_any;
    s.src = rl_plan_desc(p, 4, src, dnnl_nhwc);
    s.dst = rl_plan_desc(p, 4, dst, dnnl_nhwc);
    s.weights = rl_plan_desc(p, 4, weights, dnnl_oihw);
    s.bias = rl_plan_desc(p, 1, bias, dnnl_a);
    s.wsrc = rl_plan_desc(p, 4, src, act);
    s.wdst = rl_plan_desc(p, 4, dst, act);
    s.wweights = rl_plan_desc(p, 4, weights, dnnl_format_tag_any);
    s.strides[0] = c.sh, s.strides[1] = c.sw;
    s.padding[0] = c.ph, s.padding[1] = c.pw;
    return s;
}

static dnnl_primitive_desc_t forward_desc(rl_plan *p, conv_descs *s)
{
    dnnl_convolution_desc_t op;
    if (p->status) return NULL;
    p->status = dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, dnnl_convolution_direct, &s->wsrc,
                                                   &s->wweights, &s->bias, &s->wdst, s->strides, s->padding,
                                                   s->padding);
    return rl_plan_primitive(p, &op, NULL);
}

int rl_plan_conv_forward(const rl_device *d, rl_window c, int layout, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    conv_descs s = describe(p, c, layout);
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

int rl_plan_conv_backward_data(const rl_device *d, rl_window c, int layout, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    conv_descs s = describe(p, c, layout);
    dnnl_primitive_desc_t hint = forward_desc(p, &s), pd = NULL;
    dnnl_convolution_desc_t op;
    if (!p->status)
        p->status = dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &s.wsrc, &s.wweights,
                                                             &s.wdst, s.strides, s.padding, s.padding);
    pd = rl_plan_primitive(p, &op, hint);
    dnnl_exec_arg_t args[] = {
        rl_plan_input(p, RL_SRC0, &s.dst, pd, dnnl_query_diff_dst_md, 0, DNNL_ARG_DIFF_DST),
        rl_plan_input(p, RL_SRC1, &s.weights, pd, dnnl_query_weights_md, 0, DNNL_ARG_WEIGHTS),
        rl_plan_output(p, RL_DST0, &s.src, pd, dnnl_query_diff_src_md, 0, DNNL_ARG_DIFF_SRC),
    };
    rl_plan_compute(p, pd, 3, args);
    return rl_plan_finish(p, pd, hint, out);
}

int rl_plan_conv_backward_weights(const rl_device *d, rl_window c, int layout, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    conv_descs s = describe(p, c, layout);
    dnnl_primitive_desc_t hint = forward_desc(p, &s), pd = NULL;
    dnnl_convolution_desc_t op;
    if (!p->status)
        p->status = dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, &s.wsrc, &s.wweights,
                                                                &s.bias, &s.wdst, s.strides, s.padding, s.padding);
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
