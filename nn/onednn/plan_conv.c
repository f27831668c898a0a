//go:build onednn && cgo

// Convolutions by oneDNN. Weights are always in the layout that it chooses (dnnl_format_tag_any): with plain OIHW it
// falls back to reference loops that are hundreds of times slower. It does the same for an image with gaps between its
// pixels, so a result with a pitch is made dense and then copied, and for a padding as large as the kernel, so the
// input gets such a border before.

#include "plan.h"

typedef struct conv {
    rl_tensors user;
    dnnl_memory_desc_t src, dst, weights; // as the primitive is asked to
    dnnl_dims_t strides, padding;
} conv;

// The caller's layout of the output: its pixels have a pitch.
static dnnl_memory_desc_t pitched(rl_plan *p, const rl_window *c, const dnnl_dims_t dims)
{
    dnnl_memory_desc_t md = rl_plan_desc(p, 4, dims, dnnl_nhwc);
    dnnl_dims_t strides = { (dnnl_dim_t)c->oh * c->ow * c->pitch, 1, (dnnl_dim_t)c->ow * c->pitch, c->pitch };
    if (c->pitch != c->oc && !p->status) p->status = dnnl_memory_desc_init_by_strides(&md, 4, dims, dnnl_f32, strides);
    return md;
}

static conv describe(rl_plan *p, const rl_window *c, int layout)
{
    conv s;
    dnnl_dims_t src = { c->n, c->ic, c->ih, c->iw }, dst = { c->n, c->oc, c->oh, c->ow };
    dnnl_dims_t weights = { c->oc, c->ic, c->kh, c->kw }, bias = { c->oc };
    dnnl_format_tag_t act = layout == RL_BLOCKED ? dnnl_format_tag_any : dnnl_nhwc;
    s.user.src = rl_plan_desc(p, 4, src, dnnl_nhwc);
    s.user.dst = pitched(p, c, dst);
    s.user.weights = rl_plan_desc(p, 4, weights, dnnl_oihw);
    s.user.bias = rl_plan_desc(p, 1, bias, dnnl_a);
    s.user.no_bias = c->no_bias;
    s.src = rl_plan_desc(p, 4, src, act);
    s.dst = rl_plan_desc(p, 4, dst, act);
    s.weights = rl_plan_desc(p, 4, weights, dnnl_format_tag_any);
    s.strides[0] = c->sh, s.strides[1] = c->sw;
    s.padding[0] = c->ph, s.padding[1] = c->pw;
    return s;
}

static dnnl_primitive_desc_t primitive(rl_plan *p, const conv *s, int pass, dnnl_primitive_desc_t hint)
{
    dnnl_convolution_desc_t op;
    const dnnl_memory_desc_t *bias = s->user.no_bias ? NULL : &s->user.bias;
    if (p->status) return NULL;
    switch (pass) {
    case RL_FORWARD:
        p->status = dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, dnnl_convolution_direct, &s->src,
                                                       &s->weights, bias, &s->dst, s->strides, s->padding, s->padding);
        break;
    case RL_BACKWARD_DATA:
        p->status = dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &s->src, &s->weights,
                                                             &s->dst, s->strides, s->padding, s->padding);
        break;
    case RL_BACKWARD_WEIGHTS:
        p->status = dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, &s->src, &s->weights,
                                                                bias, &s->dst, s->strides, s->padding, s->padding);
        break;
    }
    return rl_plan_primitive(p, &op, hint);
}

int rl_plan_conv(const rl_device *d, rl_window c, int layout, int pass, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    int top = c.ph >= c.kh ? c.ph : 0, left = c.pw >= c.kw ? c.pw : 0;
    rl_plan_border(p, d, c.n, c.ih, c.iw, c.ic, top, left);
    c.ih += 2 * top, c.iw += 2 * left;
    c.ph -= top, c.pw -= left;
    int bordered = top > 0 || left > 0;
    if (pass == RL_BACKWARD_DATA) {
        p->border.accumulate = c.accumulate;
        p->border.mask = c.mask;
        p->gathers = bordered || c.accumulate || c.mask;
        if (bordered || c.accumulate) p->moved = RL_DST0;
    } else if (bordered) {
        p->moved = pass == RL_FORWARD ? RL_SRC0 : RL_SRC1;
    }
    if (pass == RL_FORWARD && c.relu) rl_plan_relu(p, d, (int64_t)c.n * c.oh * c.ow, c.oc, c.pitch);
    conv s = describe(p, &c, layout);
    dnnl_primitive_desc_t hint = pass == RL_FORWARD ? NULL : primitive(p, &s, RL_FORWARD, NULL);
    dnnl_primitive_desc_t pd = primitive(p, &s, pass, hint);
    return rl_plan_layer(p, pass, &s.user, pd, hint, out);
}
