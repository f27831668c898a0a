// The optimizers' arithmetic over a span: the body of update.c. See versions.h and nn/op/spec_update.go.

TARGET static void NAME(adam)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    float *value = op->dst[0], *mean = op->dst[1], *square = op->dst[2];
    const float *grad = op->src[0], *hyper = op->src[1];
    float rate = hyper[RATE], scale = hyper[GRAD_SCALE], l2 = hyper[L2], decay = hyper[DECAY];
    float beta1 = hyper[MOMENTUM], beta2 = hyper[BETA2], root = hyper[ROOT], epsilon = hyper[EPSILON];
    (void)k, (void)thread;
    for (int64_t i = begin; i < end; i += LANES) {
        int n = end - i < LANES ? (int)(end - i) : LANES;
        FLOATS v = NAME(load)(value + i, n), g = NAME(load)(grad + i, n) * scale + v * l2;
        FLOATS m = beta1 * NAME(load)(mean + i, n) + (1 - beta1) * g;
        FLOATS s = beta2 * NAME(load)(square + i, n) + (1 - beta2) * g * g;
        NAME(store)(mean + i, m, n);
        NAME(store)(square + i, s, n);
        NAME(store)(value + i, v * decay - rate * m / (NAME(root)(s) * root + epsilon), n);
    }
}

TARGET static inline __attribute__((always_inline)) void NAME(momentum)(const rl_operands *op, int64_t begin,
                                                                        int64_t end, int nesterov)
{
    float *value = op->dst[0], *velocity = op->dst[1];
    const float *grad = op->src[0], *hyper = op->src[1];
    float rate = hyper[RATE], scale = hyper[GRAD_SCALE], l2 = hyper[L2], decay = hyper[DECAY], momentum = hyper[MOMENTUM];
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        float g = grad[i] * scale + value[i] * l2, v = momentum * velocity[i] + g;
        velocity[i] = v;
        value[i] = value[i] * decay - rate * (nesterov ? g + momentum * v : v);
    }
}

TARGET static void NAME(sgd)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)k, (void)thread;
    NAME(momentum)(op, begin, end, 0);
}

TARGET static void NAME(nesterov)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)k, (void)thread;
    NAME(momentum)(op, begin, end, 1);
}

typedef double NAME(doubles) __attribute__((vector_size(8 * LANES)));

TARGET static void NAME(squares)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const float *x = op->src[0];
    NAME(doubles) sum[2] = { { 0 } };
    int64_t i = begin;
    for (; i + 2 * LANES <= end; i += 2 * LANES) {
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            NAME(doubles) v = __builtin_convertvector(*(const FLOATS *)(x + i + j * LANES), NAME(doubles));
            sum[j] += v * v;
        }
    }
    double all = 0;
    for (int lane = 0; lane < LANES; lane++) all += sum[0][lane] + sum[1][lane];
    for (; i < end; i++) all += (double)x[i] * (double)x[i];
    ((update *)k)->sums[thread] = all;
}
