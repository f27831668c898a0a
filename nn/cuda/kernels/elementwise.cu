// Kernels that see one element at a time. All are bound by memory: each thread moves 16 bytes an access where all
// pointers allow it, else one element.

template <int V, typename T, typename F, typename... Vectors> __device__ inline void map_vector(F f, long long i, T* y, const Vectors... v) {
    floats<V> out;
#pragma unroll
    for (int j = 0; j < V; j++) out.at[j] = f(i + j, v.at[j]...);
    store<V>(y + i, out);
}

// map computes y[i] = f(i, sources[i]...) for i below n. y may be one of the sources.
template <typename T, typename F, typename... S> __device__ inline void map(F f, long long n, T* y, const S*... sources) {
    constexpr int V = widest<T>;
    long long done = 0;
    if (aligned(y, sources...)) {
        for (long long i = (long long)thread_index() * V; i + V <= n; i += (long long)thread_count() * V)
            map_vector<V>(f, i, y, load<V>(sources + i)...);
        done = n / V * V;
    }
    for (long long i = done + thread_index(); i < n; i += thread_count()) narrow(y + i, f(i, widen(sources[i])...));
}

__device__ inline unsigned mix32(unsigned x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

// dropout: y[i] = scale x[i] where op.DropoutKeeps(rate, layer, key, i), else 0; threshold is op.DropoutThreshold's.
// Then 0 where mask, which may be null, is not positive. It counts elements in 32 bits, as DropoutKeeps does.
template <typename T>
__device__ inline void dropout(T* y, const T* x, const unsigned* key, const T* mask, long long n, float scale, unsigned threshold, unsigned layer) {
    const unsigned first = key[0], second = key[1] + layer * 0x9E3779B9u;
    auto drop = [=](long long i, float v) { return mix32(mix32((unsigned)i ^ first) + second) >= threshold ? scale * v : 0.0f; };
    if (mask)
        map([=](long long i, float v, float by) { return masked(drop(i, v), by); }, n, y, x, mask);
    else
        map(drop, n, y, x);
}

#define ELEMENTWISE_KERNELS(T, suffix)                                                                                            \
    /* relu: y = max(0, x). [n] each. */                                                                                          \
    extern "C" __global__ void relu_##suffix(T* y, const T* x, long long n) {                                                     \
        map([](long long, float v) { return relu(v); }, n, y, x);                                                                 \
    }                                                                                                                             \
    /* relu_backward: dx = dy where y is positive, else 0. [n] each. */                                                           \
    extern "C" __global__ void relu_backward_##suffix(T* dx, const T* dy, const T* y, long long n) {                              \
        map([](long long, float v, float by) { return masked(v, by); }, n, dx, dy, y);                                            \
    }                                                                                                                             \
    /* mask: dx becomes 0 where mask is not positive. [n] each. */                                                                \
    extern "C" __global__ void mask_##suffix(T* dx, const T* mask, long long n) {                                                 \
        map([](long long, float v, float by) { return masked(v, by); }, n, dx, (const T*)dx, mask);                               \
    }                                                                                                                             \
    /* add: y = a + b, or max(0, a + b). [n] each. */                                                                             \
    extern "C" __global__ void add_##suffix(T* y, const T* a, const T* b, long long n, int with_relu) {                           \
        map([=](long long, float v, float w) { return with_relu ? relu(v + w) : v + w; }, n, y, a, b);                            \
    }                                                                                                                             \
    /* sigmoid: y = 1/(1+exp(-x)). [n] each. */                                                                                   \
    extern "C" __global__ void sigmoid_##suffix(T* y, const T* x, long long n) {                                                  \
        map([](long long, float v) { return 1.0f / (1.0f + expf(-v)); }, n, y, x);                                                \
    }                                                                                                                             \
    /* sigmoid_backward: dx = dy y (1-y). [n] each. */                                                                            \
    extern "C" __global__ void sigmoid_backward_##suffix(T* dx, const T* dy, const T* y, long long n) {                           \
        map([](long long, float v, float y) { return v * y * (1.0f - y); }, n, dx, dy, y);                                        \
    }                                                                                                                             \
    /* dropout: see above. [n] each, key [2]. */                                                                                  \
    extern "C" __global__ void dropout_##suffix(T* y, const T* x, const unsigned* key, const T* mask, long long n, float scale, \
                                                unsigned threshold, unsigned layer) {                                             \
        dropout<T>(y, x, key, mask, n, scale, threshold, layer);                                                                  \
    }
ELEMENTWISE_KERNELS(float, f32)
ELEMENTWISE_KERNELS(bf16, bf16)
