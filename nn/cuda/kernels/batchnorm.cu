// Batch normalisation of x [pixels][c], in the pieces of nn/op/spec_norm.go. moments and running are [2][c]: means, then
// variances. Bound by memory. Passes over all elements keep their channels' factors in registers (walk, common.cuh).

constexpr float bn_epsilon = 1e-5f, bn_momentum = 0.1f; // op.BatchNormEpsilon, op.BatchNormMomentum

__device__ inline float inverse_deviation(float variance) { return 1.0f / sqrtf(variance + bn_epsilon); }

// y = gamma (x-mean)/sqrt(variance+eps) + beta, where row is c channels or several times c.
template <int V, typename T>
__device__ inline void normalize(T* y, const T* x, const float* gamma, const float* beta, const float* moments, long long rows, int row, int c, int with_relu) {
    for (walk w(row / V); w.inside(); w.next()) {
        floats<V> factor = channel_values<V>(gamma, w.lane * V, c);
        const floats<V> shift = channel_values<V>(beta, w.lane * V, c), mean = channel_values<V>(moments, w.lane * V, c);
        const floats<V> variance = channel_values<V>(moments + c, w.lane * V, c);
#pragma unroll
        for (int j = 0; j < V; j++) factor.at[j] *= inverse_deviation(variance.at[j]);
        in_pairs(
            w.row, rows, w.step, [&](long long i) { return load<V>(x + i * row + w.lane * V); },
            [&](long long i, floats<V> v) {
#pragma unroll
                for (int j = 0; j < V; j++) {
                    v.at[j] = factor.at[j] * (v.at[j] - mean.at[j]) + shift.at[j];
                    if (with_relu) v.at[j] = relu(v.at[j]);
                }
                store<V>(y + i * row + w.lane * V, v);
            });
    }
}

template <typename T>
__device__ inline void normalize_any(T* y, const T* x, const float* gamma, const float* beta, const float* moments, long long pixels, int c, int with_relu) {
    constexpr int V = widest<T>;
    const int k = folded<V>(pixels, c, false);
    if (k != 0 && aligned(y, x))
        normalize<V>(y, x, gamma, beta, moments, pixels / k, c * k, c, with_relu);
    else
        normalize<1>(y, x, gamma, beta, moments, pixels, c, c, with_relu);
}

// update_running moves the running moments a tenth of the way to the batch's, whose variance is made unbiased first.
__device__ inline void update_running(float* running, const float* moments, int c, long long count) {
    const float unbiased = count > 1 ? (float)((double)count / (double)(count - 1)) : 1.0f;
    for (unsigned i = thread_index(); i < 2 * (unsigned)c; i += thread_count())
        running[i] += bn_momentum * ((i < (unsigned)c ? moments[i] : moments[i] * unbiased) - running[i]);
}

// dx = gamma/sqrt(variance+eps) (dy - means[0] - u means[1]) with u = (x-mean)/sqrt(variance+eps).
template <int V, typename T>
__device__ inline void bn_backward(T* dx, const T* dy, const T* x, const float* gamma, const float* moments, const float* means, const T* mask, int accumulate,
                                   long long rows, int row, int c) {
    for (walk w(row / V); w.inside(); w.next()) {
        const unsigned first = w.lane * V;
        floats<V> factor = channel_values<V>(gamma, first, c), slope = channel_values<V>(means + c, first, c);
        const floats<V> mean = channel_values<V>(moments, first, c), level = channel_values<V>(means, first, c);
        const floats<V> variance = channel_values<V>(moments + c, first, c);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float inverse = inverse_deviation(variance.at[j]);
            factor.at[j] *= inverse;
            slope.at[j] *= inverse;
        }
        for (long long i = w.row; i < rows; i += w.step) {
            const long long at = i * row + first;
            floats<V> d = load<V>(dy + at);
            const floats<V> v = load<V>(x + at);
            floats<V> before = {};
            if (accumulate) before = load<V>(dx + at);
#pragma unroll
            for (int j = 0; j < V; j++)
                d.at[j] = before.at[j] + factor.at[j] * (d.at[j] - level.at[j] - (v.at[j] - mean.at[j]) * slope.at[j]);
            deliver<V>(dx, mask, at, d);
        }
    }
}

template <typename T>
__device__ inline void bn_backward_any(T* dx, const T* dy, const T* x, const float* gamma, const float* moments, const float* means, const T* mask,
                                       int accumulate, long long pixels, int c) {
    constexpr int V = widest<T>;
    const int k = folded<V>(pixels, c, false);
    if (k != 0 && aligned(dx, dy, x, mask))
        bn_backward<V>(dx, dy, x, gamma, moments, means, mask, accumulate, pixels / k, c * k, c);
    else
        bn_backward<1>(dx, dy, x, gamma, moments, means, mask, accumulate, pixels, c, c);
}

#define BATCHNORM_KERNELS(T, suffix)                                                                                                   \
    /* bn_forward: y, and running's update. x, y [pixels][c], gamma, beta [c]; count is the moments' number of pixels. */              \
    extern "C" __global__ void bn_forward_##suffix(T* y, float* running, const T* x, const float* gamma, const float* beta,            \
                                                   const float* moments, long long pixels, int c, long long count, int with_relu) {    \
        update_running(running, moments, c, count);                                                                                    \
        normalize_any<T>(y, x, gamma, beta, moments, pixels, c, with_relu);                                                            \
    }                                                                                                                                  \
    /* bn_inference: y by the running moments. Shapes as above. */                                                                     \
    extern "C" __global__ void bn_inference_##suffix(T* y, const T* x, const float* gamma, const float* beta, const float* running,    \
                                                     long long pixels, int c, int with_relu) {                                         \
        normalize_any<T>(y, x, gamma, beta, running, pixels, c, with_relu);                                                            \
    }                                                                                                                                  \
    /* bn_backward: dx [pixels][c], added to where accumulate is set, then 0 where mask, if any, is not positive; means [2][c]. */     \
    extern "C" __global__ void bn_backward_##suffix(T* dx, const T* dy, const T* x, const float* gamma, const float* moments,          \
                                                    const float* means, const T* mask, int accumulate, long long pixels, int c) {      \
        bn_backward_any<T>(dx, dy, x, gamma, moments, means, mask, accumulate, pixels, c);                                             \
    }
BATCHNORM_KERNELS(float, f32)
BATCHNORM_KERNELS(bf16, bf16)
