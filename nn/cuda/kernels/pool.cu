// Pooling, NHWC. Bound by memory: what the windows of one row share comes from the caches. Backward passes gather: each
// element of dx visits the at most ceil(kernel/stride)^2 windows that cover it, in the order that nn/purego adds in.

struct pool {
    int n, h, w, c, oh, ow, kh, kw, sh, sw, ph, pw;
};

// row_walk shares out [rows][width] places so that nothing is divided inside the loops but the row: a block takes one
// row, or several where they are short. A place is a column and a vector of channels, of which there are lanes.
//
//   for (row_walk r(columns, lanes); r.row < rows; r.row += r.step)
//       for (r.begin(); r.inside(); r.next())
struct row_walk {
    unsigned row, step, column, lane; // column and lane are the place
    unsigned place, width, lanes, first, first_column, first_lane, columns_a_step, lanes_a_step;
    __device__ inline row_walk(unsigned columns, unsigned lanes) : width(columns * lanes), lanes(lanes) {
        unsigned together = blockDim.x / width, line = 0;
        first = threadIdx.x;
        if (together > 0) {
            line = threadIdx.x / width;
            first -= line * width;
        } else {
            together = 1;
        }
        if (line >= together) first = width; // the remainder has nothing to do
        row = blockIdx.x * together + line;
        step = gridDim.x * together;
        first_column = first / lanes;
        first_lane = first - first_column * lanes;
        columns_a_step = blockDim.x / lanes;
        lanes_a_step = blockDim.x - columns_a_step * lanes;
    }
    __device__ inline void begin() {
        place = first;
        column = first_column;
        lane = first_lane;
    }
    __device__ inline bool inside() const { return place < width; }
    __device__ inline void next() {
        place += blockDim.x;
        column += columns_a_step;
        lane += lanes_a_step;
        if (lane >= lanes) {
            lane -= lanes;
            column++;
        }
    }
};

// window is the part [from, to) of a window at an output position that lies inside an axis.
struct window {
    int start, from, to;
    __device__ inline window(int out, int stride, int pad, int kernel, int size) {
        start = out * stride - pad;
        from = start > 0 ? start : 0;
        to = start < size - kernel ? start + kernel : size;
    }
};

// covering are the output positions [from, to) whose windows hold an input position.
struct covering {
    int from, to;
    __device__ inline covering(int in, int stride, int pad, int kernel, int places) {
        const unsigned at = in + pad;
        const unsigned last = at / stride + 1;
        from = at < (unsigned)kernel ? 0 : (at - kernel) / stride + 1;
        to = last < (unsigned)places ? last : places;
    }
};

template <int V, typename T> __device__ inline void avgpool(T* y, const T* x, const pool& g) {
    const float share = 1.0f / ((float)g.kh * (float)g.kw);
    const unsigned rows = g.n * g.oh;
    for (row_walk r(g.ow, g.c / V); r.row < rows; r.row += r.step) {
        const unsigned image = r.row / g.oh;
        const window high(r.row - image * g.oh, g.sh, g.ph, g.kh, g.h);
        for (r.begin(); r.inside(); r.next()) {
            const window wide(r.column, g.sw, g.pw, g.kw, g.w);
            floats<V> sum = {};
            for (int h = high.from; h < high.to; h++) {
                const T* at = x + (((long long)image * g.h + h) * g.w + wide.from) * g.c + r.lane * V;
                for (int w = wide.from; w < wide.to; w++, at += g.c) {
                    const floats<V> v = load<V>(at);
#pragma unroll
                    for (int j = 0; j < V; j++) sum.at[j] += v.at[j];
                }
            }
#pragma unroll
            for (int j = 0; j < V; j++) sum.at[j] *= share;
            store<V>(y + ((long long)r.row * g.ow + r.column) * g.c + r.lane * V, sum);
        }
    }
}

// deliver writes a gradient: added to what dx has, if so asked, then masked.
template <int V, typename T> __device__ inline void deliver(T* dx, const T* mask, long long at, floats<V> sum) {
    if (mask) {
        const floats<V> by = load<V>(mask + at);
#pragma unroll
        for (int j = 0; j < V; j++) sum.at[j] = masked(sum.at[j], by.at[j]);
    }
    store<V>(dx + at, sum);
}

template <int V, typename T> __device__ inline void avgpool_backward(T* dx, const T* dy, const T* mask, int accumulate, const pool& g) {
    const float share = 1.0f / ((float)g.kh * (float)g.kw);
    const unsigned rows = g.n * g.h;
    for (row_walk r(g.w, g.c / V); r.row < rows; r.row += r.step) {
        const unsigned image = r.row / g.h;
        const covering high(r.row - image * g.h, g.sh, g.ph, g.kh, g.oh);
        for (r.begin(); r.inside(); r.next()) {
            const covering wide(r.column, g.sw, g.pw, g.kw, g.ow);
            const long long at = ((long long)r.row * g.w + r.column) * g.c + r.lane * V;
            floats<V> sum = {}, before = {};
            if (accumulate) before = load<V>(dx + at);
            for (int oh = high.from; oh < high.to; oh++) {
                const T* from = dy + (((long long)image * g.oh + oh) * g.ow + wide.from) * g.c + r.lane * V;
                for (int ow = wide.from; ow < wide.to; ow++, from += g.c) {
                    const floats<V> v = load<V>(from);
#pragma unroll
                    for (int j = 0; j < V; j++) sum.at[j] += v.at[j];
                }
            }
#pragma unroll
            for (int j = 0; j < V; j++) sum.at[j] = before.at[j] + sum.at[j] * share;
            deliver<V>(dx, mask, at, sum);
        }
    }
}

// taps are the V bytes of where of V elements: moved together, as V is 1, 4 or 8.
template <int V> struct taps {
    byte at[V];
};

template <int V> __device__ inline taps<V> load_taps(const byte* p) {
    taps<V> t;
    if constexpr (V == 1) {
        t.at[0] = *p;
    } else {
        const words<V / 4> w = *(const words<V / 4>*)p;
#pragma unroll
        for (int j = 0; j < V; j++) t.at[j] = (byte)(w.at[j / 4] >> (j % 4 * 8));
    }
    return t;
}

template <int V> __device__ inline void store_taps(byte* p, const taps<V>& t) {
    if constexpr (V == 1) {
        *p = t.at[0];
    } else {
        words<V / 4> w = {};
#pragma unroll
        for (int j = 0; j < V; j++) w.at[j / 4] |= (unsigned)t.at[j] << (j % 4 * 8);
        *(words<V / 4>*)p = w;
    }
}

template <int V, typename T> __device__ inline void maxpool(T* y, byte* where, const T* x, const pool& g) {
    const unsigned rows = g.n * g.oh;
    for (row_walk r(g.ow, g.c / V); r.row < rows; r.row += r.step) {
        const unsigned image = r.row / g.oh;
        const window high(r.row - image * g.oh, g.sh, g.ph, g.kh, g.h);
        for (r.begin(); r.inside(); r.next()) {
            const window wide(r.column, g.sw, g.pw, g.kw, g.w);
            floats<V> best;
            taps<V> tap;
            // The first element inside the window, until another is larger: also where all are minus infinity.
            int now = (high.from - high.start) * g.kw + wide.from - wide.start;
#pragma unroll
            for (int j = 0; j < V; j++) {
                best.at[j] = from_bits(0xff800000u);
                tap.at[j] = (byte)now;
            }
            for (int h = high.from; h < high.to; h++) {
                const T* at = x + (((long long)image * g.h + h) * g.w + wide.from) * g.c + r.lane * V;
                now = (h - high.start) * g.kw + wide.from - wide.start;
                for (int w = wide.from; w < wide.to; w++, now++, at += g.c) {
                    const floats<V> v = load<V>(at);
#pragma unroll
                    for (int j = 0; j < V; j++)
                        if (v.at[j] > best.at[j] || v.at[j] != v.at[j]) { // what is not a number wins
                            best.at[j] = v.at[j];
                            tap.at[j] = (byte)now;
                        }
                }
            }
            const long long at = ((long long)r.row * g.ow + r.column) * g.c + r.lane * V;
            store<V>(y + at, best);
            if (where) store_taps<V>(where + at, tap);
        }
    }
    if (where && thread_index() == 0) // where is as long as whole floats
        for (long long at = (long long)rows * g.ow * g.c; at % 4 != 0; at++) where[at] = 0;
}

template <int V, typename T>
__device__ inline void maxpool_backward(T* dx, const T* dy, const byte* where, const T* mask, int accumulate, const pool& g) {
    const unsigned rows = g.n * g.h;
    for (row_walk r(g.w, g.c / V); r.row < rows; r.row += r.step) {
        const unsigned image = r.row / g.h;
        const int h = r.row - image * g.h;
        const covering high(h, g.sh, g.ph, g.kh, g.oh);
        for (r.begin(); r.inside(); r.next()) {
            const covering wide(r.column, g.sw, g.pw, g.kw, g.ow);
            const long long at = ((long long)r.row * g.w + r.column) * g.c + r.lane * V;
            floats<V> sum = {};
            if (accumulate) sum = load<V>(dx + at);
            for (int oh = high.from; oh < high.to; oh++) {
                long long from = (((long long)image * g.oh + oh) * g.ow + wide.from) * g.c + r.lane * V;
                int now = (h + g.ph - oh * g.sh) * g.kw + (int)r.column + g.pw - wide.from * g.sw;
                for (int ow = wide.from; ow < wide.to; ow++, now -= g.sw, from += g.c) {
                    const taps<V> tap = load_taps<V>(where + from);
                    const floats<V> v = load<V>(dy + from);
#pragma unroll
                    for (int j = 0; j < V; j++)
                        if (tap.at[j] == now) sum.at[j] += v.at[j];
                }
            }
            deliver<V>(dx, mask, at, sum);
        }
    }
}

#define POOL_KERNELS(T, suffix)                                                                                                       \
    /* avgpool: y [n][oh][ow][c] = the mean of x [n][h][w][c] over each window, padding counted as zeros. */                          \
    extern "C" __global__ void avgpool_##suffix(T* y, const T* x, pool g) {                                                           \
        if (g.c % widest<T> == 0 && aligned(y, x))                                                                                    \
            avgpool<widest<T>>(y, x, g);                                                                                              \
        else                                                                                                                          \
            avgpool<1>(y, x, g);                                                                                                      \
    }                                                                                                                                 \
    /* avgpool_backward: dx = its gradient, added to dx where accumulate is set, then 0 where mask, if any, is not positive. */       \
    extern "C" __global__ void avgpool_backward_##suffix(T* dx, const T* dy, const T* mask, int accumulate, pool g) {                 \
        if (g.c % widest<T> == 0 && aligned(dx, dy, mask))                                                                            \
            avgpool_backward<widest<T>>(dx, dy, mask, accumulate, g);                                                                 \
        else                                                                                                                          \
            avgpool_backward<1>(dx, dy, mask, accumulate, g);                                                                         \
    }                                                                                                                                 \
    /* maxpool: y = the largest of each window, where (may be null) its tap kw*row + column, the first of equals. A byte an */        \
    /* element of y, and zeros up to a multiple of four. */                                                                           \
    extern "C" __global__ void maxpool_##suffix(T* y, byte* where, const T* x, pool g) {                                              \
        if (g.c % widest<T> == 0 && aligned(y, x, where))                                                                             \
            maxpool<widest<T>>(y, where, x, g);                                                                                       \
        else                                                                                                                          \
            maxpool<1>(y, where, x, g);                                                                                               \
    }                                                                                                                                 \
    /* maxpool_backward: dx = the sum of dy over the windows that an element won; accumulate and mask as above. */                    \
    extern "C" __global__ void maxpool_backward_##suffix(T* dx, const T* dy, const byte* where, const T* mask, int accumulate, pool g) { \
        if (g.c % widest<T> == 0 && aligned(dx, dy, where, mask))                                                                     \
            maxpool_backward<widest<T>>(dx, dy, where, mask, accumulate, g);                                                          \
        else                                                                                                                          \
            maxpool_backward<1>(dx, dy, where, mask, accumulate, g);                                                                  \
    }
POOL_KERNELS(float, f32)
POOL_KERNELS(bf16, bf16)
