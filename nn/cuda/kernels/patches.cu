// A convolution as a product of matrices: row (n, oy, ox) of the matrix of patches, which has kh*kw*c columns, is the window of x that
// pixel (oy, ox) of y comes from.

// patches fills a row's stride, a multiple of 16 bytes: what lies beyond its columns is 0. A thread keeps the same columns for many rows.
template <typename T> __device__ inline void patches(T* dst, const T* x, const convolution& s, int stride) {
    constexpr int V = widest<T>;
    const long long rows = (long long)s.n * s.oh * s.ow;
    for (walk w(stride / V); w.inside(); w.next()) {
        int down[V], right[V], channel[V];
#pragma unroll
        for (int j = 0; j < V; j++) {
            const int column = (int)w.lane * V + j, tap = column / s.c;
            channel[j] = column % s.c;
            down[j] = tap < s.kh * s.kw ? tap / s.kw - s.ph : s.h; // or below every image
            right[j] = tap % s.kw - s.pw;
        }
        for (long long row = w.row; row < rows; row += w.step) {
            const long long line = row / s.ow, image = line / s.oh;
            const int top = (int)(line - image * s.oh) * s.sh, left = (int)(row - line * s.ow) * s.sw;
            const T* from = x + image * s.h * s.w * s.c;
            floats<V> v;
#pragma unroll
            for (int j = 0; j < V; j++) {
                const int iy = top + down[j], ix = left + right[j];
                const bool inside = iy >= 0 && iy < s.h && ix >= 0 && ix < s.w;
                v.at[j] = inside ? widen(from[((long long)iy * s.w + ix) * s.c + channel[j]]) : 0.0f;
            }
            store<V>(dst + row * stride + (long long)w.lane * V, v);
        }
    }
}

// first_tap is the first position in windows at which i stands in one of them. The others are stride apart.
__device__ inline int first_tap(int i, int stride, int pad, int windows) {
    const int from = i + pad, first = from - stride * (windows - 1);
    return first >= 0 ? first : from % stride;
}

// sum_patches is the transpose of patches: each element of dx is the sum of where it stands in them, in a fixed order.
template <typename T> __device__ inline void sum_patches(T* dx, const float* src, const convolution& s, int stride, int accumulate) {
    const long long len = (long long)s.n * s.h * s.w * s.c;
    for (long long i = thread_index(); i < len; i += thread_count()) {
        const long long pixel = i / s.c, line = pixel / s.w, image = line / s.h;
        const int channel = (int)(i - pixel * s.c), ix = (int)(pixel - line * s.w), iy = (int)(line - image * s.h);
        float sum = accumulate ? widen(dx[i]) : 0.0f;
        for (int ky = first_tap(iy, s.sh, s.ph, s.oh); ky < s.kh && ky <= iy + s.ph; ky += s.sh)
            for (int kx = first_tap(ix, s.sw, s.pw, s.ow); kx < s.kw && kx <= ix + s.pw; kx += s.sw) {
                const long long row = (image * s.oh + (iy + s.ph - ky) / s.sh) * s.ow + (ix + s.pw - kx) / s.sw;
                sum += src[row * stride + (ky * s.kw + kx) * s.c + channel];
            }
        narrow(dx + i, sum);
    }
}

#define PATCHES_KERNELS(T, suffix)                                                                                                    \
    /* patches: dst [n*oh*ow, stride] = the windows of x, which lies without gaps. Bound by memory. */                                \
    extern "C" __global__ void patches_##suffix(T* dst, const T* x, convolution s, int stride) { patches(dst, x, s, stride); }        \
    /* sum_patches: dx = the sums of the gradients of patches, src [n*oh*ow, stride], or dx plus those. Bound by memory. */           \
    extern "C" __global__ void sum_patches_##suffix(T* dx, const float* src, convolution s, int stride, int accumulate) {             \
        sum_patches(dx, src, s, stride, accumulate);                                                                                  \
    }
PATCHES_KERNELS(float, f32)
PATCHES_KERNELS(bf16, bf16)
