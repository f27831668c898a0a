// Shared by all kernels: the two element types, vectors of 16 bytes at most, and how threads share out elements.
//
// Kernels are templates over T, float or bf16, and extern "C" wrappers name them _f32 and _bf16. Arithmetic is in float
// whatever T is. Every loop strides over the whole grid, so that any grid is right; which one is fast is geometry.go's.

typedef unsigned short bf16; // the upper half of a float
typedef unsigned char byte;

union float_bits {
    float value;
    unsigned bits;
};

__device__ inline float from_bits(unsigned bits) {
    float_bits f;
    f.bits = bits;
    return f.value;
}

// bits of v rounded to a bf16, to nearest, halves to even. What is not a number stays so.
__device__ inline unsigned round_bf16(float v) {
    float_bits f;
    f.value = v;
    unsigned rounded = (f.bits + 0x7fffu + (f.bits >> 16 & 1)) >> 16;
    return v == v ? rounded : f.bits >> 16 | 0x40;
}

__device__ inline float widen(float v) { return v; }
__device__ inline float widen(bf16 v) { return from_bits((unsigned)v << 16); }

__device__ inline void narrow(float* dst, float v) { *dst = v; }
__device__ inline void narrow(bf16* dst, float v) { *dst = (bf16)round_bf16(v); }

// floats are V elements in registers, whatever their type in memory.
template <int V> struct floats {
    float at[V];
};

// words move N*4 bytes in one access. may_alias: they stand for elements of other types.
template <int N> struct __attribute__((may_alias, aligned(4 * N))) words {
    unsigned at[N];
};

// load reads V elements from p, which is aligned to all of them, or to 16 bytes where they take more.
template <int V> __device__ inline floats<V> load(const float* p) {
    constexpr int N = V < 4 ? V : 4;
    floats<V> v;
#pragma unroll
    for (int k = 0; k < V; k += N) {
        const words<N> w = *(const words<N>*)(p + k);
#pragma unroll
        for (int j = 0; j < N; j++) v.at[k + j] = from_bits(w.at[j]);
    }
    return v;
}

template <int V> __device__ inline floats<V> load(const bf16* p) {
    floats<V> v;
    if constexpr (V == 1) {
        v.at[0] = widen(*p);
    } else {
        const words<V / 2> w = *(const words<V / 2>*)p;
#pragma unroll
        for (int j = 0; j < V / 2; j++) {
            v.at[2 * j] = from_bits(w.at[j] << 16);
            v.at[2 * j + 1] = from_bits(w.at[j] & 0xffff0000u);
        }
    }
    return v;
}

// store is load's opposite.
template <int V> __device__ inline void store(float* p, const floats<V>& v) {
    constexpr int N = V < 4 ? V : 4;
#pragma unroll
    for (int k = 0; k < V; k += N) {
        words<N> w;
#pragma unroll
        for (int j = 0; j < N; j++) {
            float_bits f;
            f.value = v.at[k + j];
            w.at[j] = f.bits;
        }
        *(words<N>*)(p + k) = w;
    }
}

template <int V> __device__ inline void store(bf16* p, const floats<V>& v) {
    if constexpr (V == 1) {
        narrow(p, v.at[0]);
    } else {
        words<V / 2> w;
#pragma unroll
        for (int j = 0; j < V / 2; j++) w.at[j] = round_bf16(v.at[2 * j]) | round_bf16(v.at[2 * j + 1]) << 16;
        *(words<V / 2>*)p = w;
    }
}

// widest<T>: elements of 16 bytes.
template <typename T> constexpr int widest = 16 / (int)sizeof(T);

// aligned: every pointer allows accesses of 16 bytes. A null pointer does.
template <typename... P> __device__ inline bool aligned(const P*... p) {
    return ((0 | ... | (unsigned long long)p) & 15) == 0;
}

// relu keeps what is not a number.
__device__ inline float relu(float v) { return v <= 0.0f ? 0.0f : v; }

// masked is what a ReLU's gradient is where its result was by.
__device__ inline float masked(float v, float by) { return by > 0.0f ? v : 0.0f; }

__device__ inline unsigned thread_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline unsigned thread_count() { return gridDim.x * blockDim.x; }

// folded is how many pixels of c channels without gaps between them make up a row that V divides: c = 6 has two pixels
// in three vectors of four. 0: V does not divide c, and there are gaps, or not all pixels find a place in such rows.
template <int V> __device__ inline int folded(long long pixels, int c, bool gaps) {
    int k = V;
    while (k > 1 && c % (V / k * 2) == 0) k /= 2; // V over the greatest common divisor of c and V
    return k == 1 || (!gaps && pixels % k == 0) ? k : 0;
}

// walk is a thread's share of a matrix [rows][lanes] of vectors: one lane, that is the same channels, of every step-th
// row, with neighbouring threads at neighbouring addresses. In a grid with fewer threads than lanes, further ones.
//
//   for (walk w(lanes); w.inside(); w.next())
//       for (long long row = w.row; row < rows; row += w.step)
struct walk {
    unsigned lanes, lane, row, step;
    __device__ inline explicit walk(unsigned lanes) : lanes(lanes) {
        const unsigned thread = thread_index();
        step = thread_count() / lanes;
        row = thread / lanes;
        lane = thread - row * lanes;
        if (step == 0) step = 1;
        if (row >= step) lane = lanes; // the remainder has nothing to do
    }
    __device__ inline bool inside() const { return lane < lanes; }
    __device__ inline void next() { lane += thread_count(); }
};

// channel_values reads V channels' values from channel first on, modulo c: those of a lane where pixels are folded.
template <int V> __device__ inline floats<V> channel_values(const float* values, unsigned first, unsigned c) {
    floats<V> v;
    unsigned channel = first % c;
#pragma unroll
    for (int j = 0; j < V; j++) {
        v.at[j] = values[channel];
        channel = channel + 1 == c ? 0 : channel + 1;
    }
    return v;
}

// in_pairs calls finish(i, read(i)) for i, i + step, ... below n. It reads two before it finishes either: kernels that keep
// many values in registers have too few threads for one access each to hide memory's latency, and the compiler cannot
// know that finish writes nothing that is read next.
template <typename Read, typename Finish> __device__ inline void in_pairs(long long i, long long n, unsigned step, Read read, Finish finish) {
    for (; i + step < n; i += 2ll * step) {
        const auto one = read(i), two = read(i + step);
        finish(i, one);
        finish(i + step, two);
    }
    if (i < n) finish(i, read(i));
}

// convolution is one of NHWC images with filters [oc][kh][kw][c].
struct convolution {
    int n, h, w, c, oh, ow, oc, kh, kw, sh, sw, ph, pw;
};
