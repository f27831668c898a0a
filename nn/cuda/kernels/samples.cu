// A convolution's result at a few places, from its definition: what the libraries' ways to compute it are judged by. Sums are in
// double. Runs when a convolution is first prepared, never in a step: nothing here is fast.

constexpr int sample_threads = 128;

// sample_place is the i-th of count places among len elements: all of them, or count/run runs that lie evenly from first to last.
__device__ inline long long sample_place(int i, int count, int run, long long len) {
    if (len <= count) return i;
    return i / run * (len - run) / (count / run - 1) + i % run;
}

// digits takes numbers of the mixed radix off the end of a place.
struct digits {
    long long rest;
    __device__ inline int next(int radix) {
        const int digit = (int)(rest % radix);
        rest /= radix;
        return digit;
    }
};

// tap is one product: of a pixel of x, a weight, and a pixel of y.
struct tap {
    int n, iy, ix, c, oy, ox, oc, ky, kx;
    __device__ inline bool inside(const convolution& s) const { return iy >= 0 && iy < s.h && ix >= 0 && ix < s.w; }
    __device__ inline long long x(const convolution& s) const { return (((long long)n * s.h + iy) * s.w + ix) * s.c + c; }
    __device__ inline long long w(const convolution& s) const { return (((long long)oc * s.kh + ky) * s.kw + kx) * s.c + c; }
    __device__ inline long long y(const convolution& s) const { return (((long long)n * s.oh + oy) * s.ow + ox) * s.oc + oc; }
};

// meets finds the row or column of y whose window has position i of x as its k-th, if there is one.
__device__ inline bool meets(int* o, int i, int k, int stride, int pad, int outputs) {
    const int from = i + pad - k;
    *o = from / stride;
    return from >= 0 && from % stride == 0 && *o < outputs;
}

template <typename T> __device__ inline double forward_terms(const convolution& s, long long place, const T* x, const T* w) {
    digits at{place};
    tap t;
    t.oc = at.next(s.oc), t.ox = at.next(s.ow), t.oy = at.next(s.oh), t.n = (int)at.rest;
    double sum = 0;
    for (long long i = threadIdx.x; i < (long long)s.kh * s.kw * s.c; i += blockDim.x) {
        digits term{i};
        t.c = term.next(s.c), t.kx = term.next(s.kw), t.ky = (int)term.rest;
        t.iy = t.oy * s.sh - s.ph + t.ky, t.ix = t.ox * s.sw - s.pw + t.kx;
        if (t.inside(s)) sum += (double)widen(x[t.x(s)]) * widen(w[t.w(s)]);
    }
    return sum;
}

template <typename T> __device__ inline double data_terms(const convolution& s, long long place, const T* w, const T* y) {
    digits at{place};
    tap t;
    t.c = at.next(s.c), t.ix = at.next(s.w), t.iy = at.next(s.h), t.n = (int)at.rest;
    double sum = 0;
    for (long long i = threadIdx.x; i < (long long)s.kh * s.kw * s.oc; i += blockDim.x) {
        digits term{i};
        t.oc = term.next(s.oc), t.kx = term.next(s.kw), t.ky = (int)term.rest;
        if (meets(&t.oy, t.iy, t.ky, s.sh, s.ph, s.oh) && meets(&t.ox, t.ix, t.kx, s.sw, s.pw, s.ow))
            sum += (double)widen(w[t.w(s)]) * widen(y[t.y(s)]);
    }
    return sum;
}

template <typename T> __device__ inline double weights_terms(const convolution& s, long long place, const T* x, const T* y) {
    digits at{place};
    tap t;
    t.c = at.next(s.c), t.kx = at.next(s.kw), t.ky = at.next(s.kh), t.oc = (int)at.rest;
    double sum = 0;
    for (long long i = threadIdx.x; i < (long long)s.n * s.oh * s.ow; i += blockDim.x) {
        digits term{i};
        t.ox = term.next(s.ow), t.oy = term.next(s.oh), t.n = (int)term.rest;
        t.iy = t.oy * s.sh - s.ph + t.ky, t.ix = t.ox * s.sw - s.pw + t.kx;
        if (t.inside(s)) sum += (double)widen(x[t.x(s)]) * widen(y[t.y(s)]);
    }
    return sum;
}

// conv_samples is described below. Which of x, w and y is null says what is computed.
template <typename T>
__device__ inline void conv_samples(float* dst, const T* x, const T* w, const T* y, const T* old, const float* bias, int relu, const convolution& s, int run, long long len) {
    __shared__ double sums[sample_threads];
    const long long place = sample_place(blockIdx.x, gridDim.x, run, len);
    sums[threadIdx.x] = !y ? forward_terms(s, place, x, w) : !x ? data_terms(s, place, w, y) : weights_terms(s, place, x, y);
    __syncthreads();
    if (threadIdx.x > 0) return;
    double sum = old ? widen(old[place]) : bias ? bias[place % s.oc] : 0;
    for (unsigned i = 0; i < blockDim.x; i++) sum += sums[i];
    dst[blockIdx.x] = relu && sum < 0 ? 0.0f : (float)sum;
}

#define SAMPLE_KERNELS(T, suffix)                                                                                                  \
    /* conv_samples: dst [gridDim.x] = the convolution's y, dx or dw, that of x, y and w which is null, at as many places, in runs \
       of run; of len elements in all. What is at old, if anything, is added, or the bias, if there is one; then ReLU. */         \
    extern "C" __global__ void conv_samples_##suffix(float* dst, const T* x, const T* w, const T* y, const T* old,                 \
                                                     const float* bias, int relu, convolution s, int run, long long len) {         \
        conv_samples(dst, x, w, y, old, bias, relu, s, run, len);                                                                  \
    }
SAMPLE_KERNELS(float, f32)
SAMPLE_KERNELS(bf16, bf16)
