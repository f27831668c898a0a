// Element-wise operations over a span: the body of elementwise.c. See versions.h.

TARGET static void NAME(relu_forward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    float *y = op->dst[0];
    const float *x = op->src[0];
    (void)k, (void)thread;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

TARGET static void NAME(relu_backward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    float *dx = op->dst[0];
    const float *dy = op->src[0], *y = op->src[1];
    (void)k, (void)thread;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

TARGET static void NAME(add)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    float *y = op->dst[0];
    const float *a = op->src[0], *b = op->src[1];
    (void)k, (void)thread;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) y[i] = a[i] + b[i];
}

TARGET static void NAME(add_relu)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    float *y = op->dst[0];
    const float *a = op->src[0], *b = op->src[1];
    (void)k, (void)thread;
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        float v = a[i] + b[i];
        y[i] = v <= 0 ? 0 : v;
    }
}
