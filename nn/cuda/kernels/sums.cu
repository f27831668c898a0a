// Sums over pixels for each channel, of [pixels][c]: gradients of biases. Bound by memory. Two launches, no atomics: the
// first has gridDim.y parts, each a contiguous range of pixels, the second adds the parts up in double, in fixed order.
//
// A block of 256 threads is a matrix of rows, each of which takes every rows-th pixel of the part, and up to 32 lanes, each
// of V channels. Where V does not divide c, pixels may be folded (common.cuh), and a channel has several lanes.

constexpr int sum_threads = 256, sum_lanes = 32, finish_threads = 1024;

// part_pixels is how many pixels each part has but the last ones: a multiple of eight, so that folding never crosses
// from part to part. The finishing kernels compute the same.
__device__ inline long long part_pixels(long long pixels, int parts) { return ((pixels + 7) / 8 + parts - 1) / parts * 8; }

__device__ inline long long part_start(long long pixels, int parts, int part) {
    const long long start = part * part_pixels(pixels, parts);
    return start < pixels ? start : pixels;
}

// tile is a thread's place in its block's matrix, for lanes from first on.
struct tile {
    unsigned lanes, rows, lane, row; // lane of this tile; row is at least rows where a thread has nothing to do
    __device__ inline tile(unsigned all, unsigned first) {
        lanes = all - first < sum_lanes ? all - first : sum_lanes;
        rows = blockDim.x / lanes;
        row = threadIdx.x / lanes;
        lane = threadIdx.x - row * lanes;
    }
};

// tree_start is the smallest power of two that is at least half of rows: how far apart the first pairs of a sum are.
__device__ inline unsigned tree_start(unsigned rows) {
    unsigned half = 1;
    while (half * 2 < rows) half *= 2;
    return rows > 1 ? half : 0;
}

// sum_rows adds up the rows of K*V values a thread. The result is in row 0's, and in shared [K*V][lanes] afterwards.
template <int N> __device__ inline void sum_rows(const tile& t, float* shared, floats<N>& v) {
    __syncthreads();
    const unsigned stride = t.lanes * t.rows, at = t.row * t.lanes + t.lane;
    if (t.row < t.rows)
#pragma unroll
        for (int j = 0; j < N; j++) shared[j * stride + at] = v.at[j];
    for (unsigned half = tree_start(t.rows); half > 0; half /= 2) {
        __syncthreads();
        if (t.row < half && t.row + half < t.rows)
#pragma unroll
            for (int j = 0; j < N; j++) {
                v.at[j] += shared[j * stride + at + half * t.lanes];
                shared[j * stride + at] = v.at[j];
            }
    }
    __syncthreads();
}

// store_folded writes a tile's sums to dst [c], N/V arrays of which begin stride apart: those of a channel's lanes added
// up. first is the tile's first channel; with folding a tile has all lanes.
template <int V, int N>
__device__ inline void store_folded(float* dst, int stride, const tile& t, const float* shared, unsigned first, unsigned row, unsigned c) {
    const unsigned apart = t.lanes * t.rows, columns = t.lanes * V;
    if (row == c) { // a lane's channels are its own
        for (unsigned i = threadIdx.x; i < columns; i += blockDim.x)
#pragma unroll
            for (int k = 0; k < N / V; k++) dst[k * stride + first + i] = shared[(k * V + i % V) * apart + i / V];
        return;
    }
    for (unsigned channel = threadIdx.x; channel < c; channel += blockDim.x)
#pragma unroll
        for (int k = 0; k < N / V; k++) {
            float sum = 0.0f;
            for (unsigned i = channel; i < columns; i += c) sum += shared[(k * V + i % V) * apart + i / V];
            dst[k * stride + channel] = sum;
        }
}

// foldable is folded for sums: all lanes of folded pixels must fit one tile.
template <int V> __device__ inline int foldable(long long pixels, int c, bool gaps) {
    const int k = folded<V>(pixels, c, gaps);
    return k > 1 && k * c > sum_lanes * V ? 0 : k;
}

template <int V, typename T>
__device__ inline void column_sums(float* partial, const T* x, long long pixels, int c, long long pitch, int fold) {
    __shared__ float shared[sum_threads * V];
    const long long from = part_start(pixels, gridDim.y, blockIdx.y) / fold, to = part_start(pixels, gridDim.y, blockIdx.y + 1) / fold;
    const unsigned lanes = c * fold / V;
    for (unsigned first = blockIdx.x * sum_lanes; first < lanes; first += gridDim.x * sum_lanes) {
        const tile t(lanes, first);
        const T* at = x + (first + t.lane) * V;
        floats<V> sum = {};
        if (t.row < t.rows)
#pragma unroll 4
            for (long long i = from + t.row; i < to; i += t.rows) {
                const floats<V> v = load<V>(at + i * fold * pitch);
#pragma unroll
                for (int j = 0; j < V; j++) sum.at[j] += v.at[j];
            }
        sum_rows<V>(t, shared, sum);
        store_folded<V, V>(partial + (long long)blockIdx.y * c, 0, t, shared, first * V, c * fold, c);
    }
}

// finish_rows adds up a double of all rows of a block, where thread i has lane i%32 of row i/32, for each lane.
__device__ inline double finish_rows(double v) {
    __shared__ double shared[finish_threads];
    const unsigned rows = blockDim.x / 32, row = threadIdx.x / 32;
    __syncthreads();
    shared[threadIdx.x] = v;
    for (unsigned half = tree_start(rows); half > 0; half /= 2) {
        __syncthreads();
        if (row < half && row + half < rows) shared[threadIdx.x] += shared[threadIdx.x + half * 32];
    }
    __syncthreads();
    return shared[threadIdx.x % 32];
}

// part_sum is a channel's sum over the parts: of partial[part*stride]. The threads of a lane share them out.
__device__ inline double part_sum(const float* partial, long long stride, int parts, bool inside) {
    double sum = 0.0;
    if (inside)
#pragma unroll 4
        for (int part = threadIdx.x / 32; part < parts; part += blockDim.x / 32) sum += partial[part * stride];
    return finish_rows(sum);
}

// column_sums_finish: dst [c] = the sum of partial [parts][c] over the parts. A block has 32 channels. Bound by latency.
extern "C" __global__ void column_sums_finish(float* dst, const float* partial, int parts, int c) {
    for (int first = blockIdx.x * 32; first < c; first += gridDim.x * 32) {
        const int channel = first + threadIdx.x % 32;
        const double sum = part_sum(partial + channel, c, parts, channel < c);
        if (threadIdx.x < 32 && channel < c) dst[channel] = (float)sum;
    }
}

#define SUM_KERNELS(T, suffix)                                                                                                   \
    /* column_sums: partial [gridDim.y][c] = sums over the part's pixels of x [pixels][c] with pitch. gridDim.x shares out c. */ \
    extern "C" __global__ void column_sums_##suffix(float* partial, const T* x, long long pixels, int c, int pitch) {            \
        const int fold = foldable<4>(pixels, c, pitch != c);                                                                     \
        if (fold != 0 && aligned(x) && pitch * fold % 4 == 0)                                                                    \
            column_sums<4>(partial, x, pixels, c, pitch, fold);                                                                  \
        else                                                                                                                     \
            column_sums<1>(partial, x, pixels, c, pitch, 1);                                                                     \
    }
SUM_KERNELS(float, f32)
SUM_KERNELS(bf16, bf16)
