// A convolution as a product of matrices: row (n, oy, ox) of the matrix of patches, which has kh*kw*c columns, is the window of x that
// pixel (oy, ox) of y comes from.

// pixel is a place in images [n][h][w], or the distance between two in that order: it follows a thread's rows without dividing.
struct pixel {
    unsigned n, y, x;
    __device__ inline pixel(unsigned index, unsigned h, unsigned w) {
        const unsigned line = index / w;
        n = line / h;
        y = line - n * h;
        x = index - line * w;
    }
    __device__ inline void add(const pixel& by, unsigned h, unsigned w) {
        x += by.x;
        y += by.y;
        n += by.n;
        if (x >= w) {
            x -= w;
            y++;
        }
        if (y >= h) {
            y -= h;
            n++;
        }
    }
};

// patches fills a row's stride, a multiple of 16 bytes: what lies beyond its columns is 0. A thread keeps the same columns for many rows.
template <typename T> __device__ inline void patches(T* dst, const T* x, const convolution& s, int stride) {
    constexpr int V = widest<T>;
    const unsigned rows = (unsigned)s.n * s.oh * s.ow; // as all lengths, below 2^31
    for (walk w(stride / V); w.inside(); w.next()) {
        int down[V], right[V], offset[V];
#pragma unroll
        for (int j = 0; j < V; j++) {
            const int column = (int)w.lane * V + j, tap = column / s.c;
            down[j] = tap < s.kh * s.kw ? tap / s.kw - s.ph : s.h; // or below every image
            right[j] = tap % s.kw - s.pw;
            offset[j] = (down[j] * s.w + right[j]) * s.c + column % s.c;
        }
        const pixel step(w.step, s.oh, s.ow);
        pixel at(w.row, s.oh, s.ow);
        for (unsigned row = w.row; row < rows; row += w.step, at.add(step, s.oh, s.ow)) {
            const int top = (int)at.y * s.sh, left = (int)at.x * s.sw;
            const T* from = x + (((long long)at.n * s.h + top) * s.w + left) * s.c;
            floats<V> v;
#pragma unroll
            for (int j = 0; j < V; j++) {
                const bool inside = (unsigned)(top + down[j]) < (unsigned)s.h && (unsigned)(left + right[j]) < (unsigned)s.w;
                v.at[j] = inside ? widen(from[offset[j]]) : 0.0f;
            }
            store<V>(dst + (long long)row * stride + (long long)w.lane * V, v);
        }
    }
}

// standing are the positions in windows at which a place along an axis stands in one of them: from first on, step apart, below end. The
// first one's window is number last, each further one's is one less.
struct standing {
    int first, end, last;
    __device__ inline standing(int place, int stride, int pad, int kernel, int windows) {
        const int at = place + pad, least = at - stride * (windows - 1);
        last = least >= 0 ? windows - 1 : at / stride;
        first = at - last * stride;
        end = at < kernel ? at + 1 : kernel;
    }
};

// sum_patches is the transpose of patches: each element of dx is the sum of where it stands in them, in a fixed order.
template <typename T> __device__ inline void sum_patches(T* dx, const float* src, const convolution& s, int stride, int accumulate) {
    const unsigned len = (unsigned)s.n * s.h * s.w * s.c;
    for (unsigned i = thread_index(); i < len; i += thread_count()) {
        const unsigned place = i / s.c, channel = i - place * s.c;
        const pixel at(place, s.h, s.w);
        const standing down((int)at.y, s.sh, s.ph, s.kh, s.oh), right((int)at.x, s.sw, s.pw, s.kw, s.ow);
        float sum = accumulate ? widen(dx[i]) : 0.0f;
        for (int ky = down.first, oy = down.last; ky < down.end; ky += s.sh, oy--) {
            const float* line = src + ((long long)at.n * s.oh + oy) * s.ow * stride + ky * s.kw * s.c + channel;
            for (int kx = right.first, ox = right.last; kx < right.end; kx += s.sw, ox--) sum += line[(long long)ox * stride + kx * s.c];
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
