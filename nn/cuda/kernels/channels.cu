// Pixels of c channels, with gaps between them or not: copies and biases. Bound by memory. A thread keeps its channels
// from pixel to pixel, so it divides once, and holds their biases in registers.

template <int V, typename T>
__device__ inline void copy_channels(T* y, long long ypitch, const T* x, long long xpitch, long long pixels, int c) {
    for (walk w(c / V); w.inside(); w.next())
        in_pairs(
            w.row, pixels, w.step, [&](long long i) { return load<V>(x + i * xpitch + w.lane * V); },
            [&](long long i, const floats<V>& v) { store<V>(y + i * ypitch + w.lane * V, v); });
}

// relu and bias both may be absent. row channels, of which channel i has bias i % c.
template <int V, typename T>
__device__ inline void bias_act(T* y, long long pitch, const T* x, const float* b, long long rows, int row, int c, int with_relu) {
    for (walk w(row / V); w.inside(); w.next()) {
        floats<V> bias = {};
        if (b) bias = channel_values<V>(b, w.lane * V, c);
        in_pairs(
            w.row, rows, w.step, [&](long long i) { return load<V>(x + i * row + w.lane * V); },
            [&](long long i, floats<V> v) {
#pragma unroll
                for (int j = 0; j < V; j++) {
                    v.at[j] += bias.at[j];
                    if (with_relu) v.at[j] = relu(v.at[j]);
                }
                store<V>(y + i * pitch + w.lane * V, v);
            });
    }
}

template <typename T>
__device__ inline void copy_channels_any(T* y, int ypitch, const T* x, int xpitch, long long pixels, int c) {
    constexpr int V = widest<T>;
    if (ypitch == c && xpitch == c) { // one long pixel, but for the remainder of a vector
        convert(y, x, pixels * c);
    } else if (aligned(y, x) && (c | ypitch | xpitch) % V == 0)
        copy_channels<V>(y, ypitch, x, xpitch, pixels, c);
    else
        copy_channels<1>(y, ypitch, x, xpitch, pixels, c);
}

template <typename T>
__device__ inline void bias_act_any(T* y, int pitch, const T* x, const float* b, long long pixels, int c, int with_relu) {
    constexpr int V = widest<T>;
    const int k = folded<V>(pixels, c, pitch != c);
    if (k != 0 && aligned(y, x) && (pitch * k) % V == 0)
        bias_act<V>(y, (long long)pitch * k, x, b, pixels / k, c * k, c, with_relu);
    else
        bias_act<1>(y, pitch, x, b, pixels, c, c, with_relu);
}

#define CHANNEL_KERNELS(T, suffix)                                                                                                    \
    /* copy_channels: y = x, [pixels][c] each, with ypitch and xpitch elements from one pixel to the next. */                         \
    extern "C" __global__ void copy_channels_##suffix(T* y, int ypitch, const T* x, int xpitch, long long pixels, int c) {            \
        copy_channels_any<T>(y, ypitch, x, xpitch, pixels, c);                                                                        \
    }                                                                                                                                 \
    /* bias_act: y = x + b, or its ReLU. y [pixels][c] with pitch, x [pixels][c], b [c] or null. y may be x where pitch is c. */      \
    extern "C" __global__ void bias_act_##suffix(T* y, int pitch, const T* x, const float* b, long long pixels, int c, int with_relu) { \
        bias_act_any<T>(y, pitch, x, b, pixels, c, with_relu);                                                                        \
    }
CHANNEL_KERNELS(float, f32)
CHANNEL_KERNELS(bf16, bf16)
