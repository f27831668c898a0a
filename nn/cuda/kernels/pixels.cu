// A batch of 8-bit images into the network's input, scaled as PIL scales it, bit for bit (data/resize.go).

constexpr unsigned precision_bits = 22, half_up = 1u << (precision_bits - 1);

// resized is one pixel of the image src [from][from] scaled: the horizontal pass, rounded to 8 bits, is computed again for
// each of the few rows that the vertical one needs.
__device__ inline unsigned resized(const byte* src, int from, const int* bounds, const int* coeffs, int taps, int x, int y) {
    const int left = bounds[2 * x], across = bounds[2 * x + 1], top = bounds[2 * y], down = bounds[2 * y + 1];
    unsigned sum = half_up;
    for (int i = 0; i < down; i++) {
        const byte* row = src + (long long)(top + i) * from + left;
        unsigned line = half_up;
        for (int k = 0; k < across; k++) line += (unsigned)coeffs[x * taps + k] * row[k];
        sum += (unsigned)coeffs[y * taps + i] * (line >> precision_bits);
    }
    return sum >> precision_bits;
}

// V pixels a thread, beside each other.
template <int V, typename T>
__device__ inline void load_pixels(T* dst, const byte* src, int n, int from, int to, const int* bounds, const int* coeffs, int taps) {
    const unsigned rows = n * to;
    for (row_walk r(to / V, 1); r.row < rows; r.row += r.step) {
        const unsigned image = r.row / to, y = r.row - image * to;
        const byte* pixels = src + (long long)image * from * from;
        for (r.begin(); r.inside(); r.next()) {
            floats<V> v;
#pragma unroll
            for (int j = 0; j < V; j++) {
                const unsigned x = r.column * V + j;
                v.at[j] = (float)(from == to ? pixels[y * to + x] : resized(pixels, from, bounds, coeffs, taps, x, y)) / 255.0f;
            }
            store<V>(dst + (long long)r.row * to + r.column * V, v);
        }
    }
}

#define PIXEL_KERNELS(T, suffix)                                                                                                    \
    /* load_pixels: dst [n][to][to] = src [n][from][from] scaled, by 255. bounds [to][2]: first tap, number of taps; coeffs */      \
    /* [to][taps]. From equal to to reads neither. Bound by the arithmetic of few pixels. */                                        \
    extern "C" __global__ void load_pixels_##suffix(T* dst, const byte* src, int n, int from, int to, const int* bounds,            \
                                                    const int* coeffs, int taps) {                                                  \
        if (to % 4 == 0 && aligned(dst))                                                                                            \
            load_pixels<4>(dst, src, n, from, to, bounds, coeffs, taps);                                                            \
        else                                                                                                                        \
            load_pixels<1>(dst, src, n, from, to, bounds, coeffs, taps);                                                            \
    }
PIXEL_KERNELS(float, f32)
PIXEL_KERNELS(bf16, bf16)
