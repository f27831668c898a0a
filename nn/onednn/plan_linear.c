//go:build onednn && cgo

// Fully connected layers by oneDNN. Its inner product takes a four-dimensional source, so the flattening in PyTorch's
// C, H, W order is no copy of ours: weights [out, c*h*w] are OIHW with a kernel as large as the image. Either the
// weights are reordered to what oneDNN likes best, or (RL_FLAT) they stay and the activations are reordered to NCHW:
// that is less to move where the layer is large.

#include "plan.h"

typedef struct layer {
    rl_tensors user;
    dnnl_memory_desc_t src, weights; // as the primitive is asked to
} layer;

static layer describe(rl_plan *p, const rl_linear *l, int layout)
{
    layer s;
    dnnl_dims_t src = { l->n, l->c, l->h, l->w }, weights = { l->out, l->c, l->h, l->w };
    dnnl_dims_t bias = { l->out }, dst = { l->n, l->out };
    int matrix = l->h == 1 && l->w == 1; // the first two dimensions are all
    int dims = matrix ? 2 : 4, flat = layout == RL_FLAT;
    s.user.src = rl_plan_desc(p, dims, src, matrix ? dnnl_ab : dnnl_nhwc);
    s.user.weights = rl_plan_desc(p, dims, weights, matrix ? dnnl_ab : dnnl_oihw);
    s.user.bias = rl_plan_desc(p, 1, bias, dnnl_a);
    s.user.dst = rl_plan_desc(p, 2, dst, dnnl_ab);
    s.user.no_bias = 0;
    s.src = flat && !matrix ? rl_plan_desc(p, 4, src, dnnl_nchw) : s.user.src;
    s.weights = flat ? s.user.weights : rl_plan_desc(p, dims, weights, dnnl_format_tag_any);
    return s;
}

static dnnl_primitive_desc_t primitive(rl_plan *p, const layer *s, int pass, dnnl_primitive_desc_t hint)
{
    dnnl_inner_product_desc_t op;
    const rl_tensors *u = &s->user;
    if (p->status) return NULL;
    switch (pass) {
    case RL_FORWARD:
        p->status = dnnl_inner_product_forward_desc_init(&op, dnnl_forward_training, &s->src, &s->weights, &u->bias,
                                                         &u->dst);
        break;
    case RL_BACKWARD_DATA:
        p->status = dnnl_inner_product_backward_data_desc_init(&op, &s->src, &s->weights, &u->dst);
        break;
    case RL_BACKWARD_WEIGHTS:
        p->status = dnnl_inner_product_backward_weights_desc_init(&op, &s->src, &s->weights, &u->bias, &u->dst);
        break;
    }
    return rl_plan_primitive(p, &op, hint);
}

int rl_plan_linear(const rl_device *d, rl_linear l, int layout, int pass, rl_kernel **out)
{
    rl_plan *p = rl_plan_new(d);
    if (!p) return RL_NO_MEMORY;
    rl_plan_border(p, d, l.n, l.h, l.w, l.c, 0, 0);
    if (pass == RL_BACKWARD_DATA) {
        p->border.accumulate = l.accumulate;
        p->border.mask = l.mask;
        p->gathers = l.accumulate || l.mask;
        if (l.accumulate) p->moved = RL_DST0;
    }
    if (pass == RL_FORWARD && l.relu) rl_plan_relu(p, d, l.n, l.out, l.out);
    layer s = describe(p, &l, layout);
    dnnl_primitive_desc_t hint = pass == RL_FORWARD ? NULL : primitive(p, &s, RL_FORWARD, NULL);
    dnnl_primitive_desc_t pd = primitive(p, &s, pass, hint);
    return rl_plan_layer(p, pass, &s.user, pd, hint, out);
}
