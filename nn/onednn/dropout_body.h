// Dropout over a span: the body of dropout.c. See versions.h.

#define SIGN 0x80000000u

// op.DropoutKeeps's mix32.
TARGET static inline __attribute__((always_inline)) uint32_t NAME(mix)(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352d;
    x ^= x >> 15;
    x *= 0x846ca68b;
    return x ^ x >> 16;
}

TARGET static inline __attribute__((always_inline)) void NAME(drop)(const dropout *s, const rl_operands *op,
                                                                    int64_t begin, int64_t end, int masked)
{
    float *y = op->dst[0], scale = s->scale;
    const float *x = op->src[0], *mask = op->src[2];
    uint32_t key[2], threshold = s->threshold;
    memcpy(key, op->src[1], sizeof key);
    key[1] += s->layer;
    const float *by = masked ? mask : x; // never read where not masked
#pragma GCC ivdep
    for (int64_t i = begin; i < end; i++) {
        uint32_t bits = NAME(mix)(NAME(mix)((uint32_t)i ^ key[0]) + key[1]);
        // AVX2 compares with a sign only.
        float v = (int32_t)(bits ^ SIGN) >= (int32_t)(threshold ^ SIGN) ? x[i] * scale : 0;
        y[i] = !masked || by[i] > 0 ? v : 0;
    }
}

TARGET static void NAME(dropout)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(drop)((const dropout *)k, op, begin, end, 0);
}

TARGET static void NAME(dropout_masked)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(drop)((const dropout *)k, op, begin, end, 1);
}

#undef SIGN
