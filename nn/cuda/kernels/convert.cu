// Between float and the activations' type T.

// convert copies n elements. Four an access: a bf16 then has 8 bytes, a float 16, and both are contiguous over a warp.
template <typename To, typename From> __device__ inline void convert(To* dst, const From* src, long long n) {
    constexpr int V = 4;
    long long done = 0;
    if (aligned(dst, src)) {
        for (long long i = (long long)thread_index() * V; i + V <= n; i += (long long)thread_count() * V)
            store<V>(dst + i, load<V>(src + i));
        done = n / V * V;
    }
    for (long long i = done + thread_index(); i < n; i += thread_count()) narrow(dst + i, widen(src[i]));
}

#define CONVERT_KERNELS(T, suffix)                                                                     \
    /* cast: dst = src rounded to T. [n] each. Bound by memory. */                                     \
    extern "C" __global__ void cast_##suffix(T* dst, const float* src, long long n) { convert(dst, src, n); } \
    /* uncast: dst = src, exactly. [n] each. Bound by memory. */                                       \
    extern "C" __global__ void uncast_##suffix(float* dst, const T* src, long long n) { convert(dst, src, n); }
CONVERT_KERNELS(float, f32)
CONVERT_KERNELS(bf16, bf16)
