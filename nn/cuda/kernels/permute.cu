// Transposed copies: between parameters' order, [o][i][hw], and the convolutions', [o][hw][i], and between images with
// channels last and first. All are batches of matrices, dst [batch][cols][rows] = src [batch][rows][cols]. Bound by
// memory: tiles pass through shared memory, so that both sides are contiguous.

constexpr int tile_elements = 4160; // 64 rows of 64 and a padding

// shape_tile chooses a tile of at most tile_elements, its rows' padding to an odd length included (that spares conflicts
// between banks). Short sides are taken whole, so that even a 3x3 window's tile is long on the other side.
__device__ inline void shape_tile(int rows, int cols, int* tile_rows, int* tile_cols) {
    if (cols <= 127) {
        *tile_cols = cols;
        const int most = tile_elements / (cols | 1);
        *tile_rows = rows <= most ? rows : most >= 32 ? most / 32 * 32 : most;
    } else if (rows <= 127) {
        *tile_rows = rows;
        const int most = tile_elements / rows - 1; // odd or not, it fits
        *tile_cols = cols <= most ? cols : most >= 32 ? most / 32 * 32 : most;
    } else {
        *tile_rows = *tile_cols = 64;
    }
}

// steps follows a thread's index, threadIdx.x, threadIdx.x + blockDim.x, ..., as rows and columns, dividing only at first.
struct steps {
    int row, col, cols, rows_a_step, cols_a_step;
    __device__ inline explicit steps(int cols) : cols(cols) {
        row = threadIdx.x / cols;
        col = threadIdx.x - row * cols;
        rows_a_step = blockDim.x / cols;
        cols_a_step = blockDim.x - rows_a_step * cols;
    }
    __device__ inline void next() {
        row += rows_a_step;
        col += cols_a_step;
        if (col >= cols) {
            col -= cols;
            row++;
        }
    }
};

// transpose calls write(dst index, value) for every element. Blocks take tiles in turn.
template <typename From, typename Write> __device__ inline void transpose(const From* src, int batch, int rows, int cols, Write write) {
    constexpr int reads = 8;
    __shared__ float shared[tile_elements];
    int tile_rows, tile_cols;
    shape_tile(rows, cols, &tile_rows, &tile_cols);
    const int down = (rows + tile_rows - 1) / tile_rows, across = (cols + tile_cols - 1) / tile_cols, stride = tile_cols | 1;
    const long long tiles = (long long)batch * down * across;
    for (long long i = blockIdx.x; i < tiles; i += gridDim.x) {
        const long long matrix = i / (down * across);
        const int place = (int)(i - matrix * (down * across)), top = place / across * tile_rows, left = place % across * tile_cols;
        const int high = rows - top < tile_rows ? rows - top : tile_rows, wide = cols - left < tile_cols ? cols - left : tile_cols;
        const From* from = src + (matrix * rows + top) * cols + left;
        __syncthreads(); // the tile before is written
        const int elements = high * wide;
        steps in(wide), put(wide);
        for (int k = threadIdx.x; k < elements; k += reads * blockDim.x) { // several reads under way at a time
            From v[reads];
#pragma unroll
            for (int u = 0; u < reads; u++, in.next())
                if (k + u * (int)blockDim.x < elements) v[u] = from[(long long)in.row * cols + in.col];
#pragma unroll
            for (int u = 0; u < reads; u++, put.next())
                if (k + u * (int)blockDim.x < elements) shared[put.row * stride + put.col] = widen(v[u]);
        }
        __syncthreads();
        const long long to = (matrix * cols + left) * rows + top;
        steps out(high);
#pragma unroll 2
        for (int k = threadIdx.x; k < elements; k += blockDim.x, out.next()) write(to + (long long)out.row * rows + out.col, shared[out.col * stride + out.row]);
    }
}

// reorder is transpose into dst.
template <typename To, typename From> __device__ inline void reorder(To* dst, const From* src, int batch, int rows, int cols) {
    if (rows == 1 || cols == 1)
        convert(dst, src, (long long)batch * rows * cols);
    else
        transpose(src, batch, rows, cols, [=](long long i, float v) { narrow(dst + i, v); });
}

// pack_entry is one parameter of pack_weights: src [o][i][hw], dst T [o][hw][i]. 32 bytes.
struct pack_entry {
    const float* src;
    void* dst;
    int o, i, hw, pad;
};

// hwc_from_chw delivers a gradient: added to where accumulate is set, then masked.
template <typename T>
__device__ inline void hwc_from_chw(T* dx, const T* y, const T* mask, int accumulate, int n, int hw, int c) {
    auto write = [=](long long i, float v) {
        if (accumulate) v += widen(dx[i]);
        if (mask) v = masked(v, widen(mask[i]));
        narrow(dx + i, v);
    };
    if (hw != 1 && c != 1) {
        transpose(y, n, c, hw, write);
    } else {
        const long long all = (long long)n * hw * c;
        for (long long i = thread_index(); i < all; i += thread_count()) write(i, widen(y[i]));
    }
}

#define PERMUTE_KERNELS(T, suffix)                                                                                                 \
    /* pack_weights: dst T [o][hw][i] = src [o][i][hw] rounded to T, for the entry blockIdx.y of table. */                         \
    extern "C" __global__ void pack_weights_##suffix(const pack_entry* table) {                                                    \
        const pack_entry e = table[blockIdx.y];                                                                                    \
        reorder((T*)e.dst, e.src, e.o, e.i, e.hw);                                                                                 \
    }                                                                                                                              \
    /* unpack_gradient: dst [o][i][hw] = src [o][hw][i]. */                                                                        \
    extern "C" __global__ void unpack_gradient_##suffix(float* dst, const T* src, int o, int i, int hw) {                          \
        reorder(dst, src, o, hw, i);                                                                                               \
    }                                                                                                                              \
    /* chw_from_hwc: y [n][c][hw] = x [n][hw][c]. */                                                                               \
    extern "C" __global__ void chw_from_hwc_##suffix(T* y, const T* x, int n, int hw, int c) { reorder(y, x, n, hw, c); }          \
    /* hwc_from_chw: dx [n][hw][c] = y [n][c][hw], added to dx where accumulate is set, then 0 where mask, if any, is not */       \
    /* positive. */                                                                                                                \
    extern "C" __global__ void hwc_from_chw_##suffix(T* dx, const T* y, const T* mask, int accumulate, int n, int hw, int c) {     \
        hwc_from_chw<T>(dx, y, mask, accumulate, n, hw, c);                                                                        \
    }
PERMUTE_KERNELS(float, f32)
PERMUTE_KERNELS(bf16, bf16)
