// The end of op.Gather over a span, and a ReLU over rows: the body of plan_border.c. See versions.h.

TARGET static void NAME(gather)(float *dst, const float *src, const float *mask, int64_t len, int accumulate)
{
    if (mask && accumulate) {
#pragma GCC ivdep
        for (int64_t i = 0; i < len; i++) dst[i] = mask[i] > 0 ? dst[i] + src[i] : 0;
    } else if (mask) {
#pragma GCC ivdep
        for (int64_t i = 0; i < len; i++) dst[i] = mask[i] > 0 ? src[i] : 0;
    } else if (accumulate) {
#pragma GCC ivdep
        for (int64_t i = 0; i < len; i++) dst[i] += src[i];
    } else {
        memcpy(dst, src, (size_t)len * sizeof *dst);
    }
}

TARGET static void NAME(positive_rows)(float *y, int64_t rows, int64_t channels, int64_t pitch)
{
    if (pitch == channels) channels *= rows, pitch = channels, rows = rows > 0;
    for (; rows > 0; rows--, y += pitch) {
        for (int64_t i = 0; i < channels; i++) y[i] = y[i] <= 0 ? 0 : y[i];
    }
}
