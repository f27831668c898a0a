// Batch normalisation's sums over pixels, with the tiles and parts of sums.cu. Bound by memory.
//
// Moments are robust to a large mean: a thread sums differences from its first pixel, and means and sums of squared
// differences of rows, lanes and parts are merged by the formula of Chan, Golub and LeVeque ("Updating formulae and a
// pairwise algorithm for computing sample variances", 1979). Nothing subtracts squares of means, and within a part means
// are kept as differences from the part's first pixel, so that rounding is small against the deviation, not the mean.

// spread is the mean of count values and the sum of their squared differences from it.
struct spread {
    float count, mean, squares;
    __device__ inline void merge(float other_count, float other_mean, float other_squares) {
        if (other_count == 0.0f) return;
        const float both = count + other_count, apart = other_mean - mean, share = other_count / both;
        mean += apart * share;
        squares += other_squares + apart * apart * count * share;
        count = both;
    }
};

template <int V, typename T>
__device__ inline void bn_moments(float* partial, const T* x, long long pixels, int c, int fold) {
    __shared__ float counts[sum_threads], means[sum_threads * V], squares[sum_threads * V], firsts[sum_lanes * V];
    const long long from = part_start(pixels, gridDim.y, blockIdx.y) / fold, to = part_start(pixels, gridDim.y, blockIdx.y + 1) / fold;
    const unsigned lanes = c * fold / V;
    float* result = partial + (long long)blockIdx.y * 2 * c;
    for (unsigned first = blockIdx.x * sum_lanes; first < lanes; first += gridDim.x * sum_lanes) {
        const tile t(lanes, first);
        const long long begin = from + t.row;
        spread mine[V];
        const float count = t.row < t.rows && begin < to ? (float)((to - begin + t.rows - 1) / t.rows) : 0.0f;
        floats<V> base = {}, sum = {}, square = {};
        if (count > 0.0f) {
            const T* at = x + (first + t.lane) * V;
            base = load<V>(at + begin * fold * c);
#pragma unroll 4
            for (long long i = begin + t.rows; i < to; i += t.rows) {
                const floats<V> v = load<V>(at + i * fold * c);
#pragma unroll
                for (int j = 0; j < V; j++) {
                    const float d = v.at[j] - base.at[j];
                    sum.at[j] += d;
                    square.at[j] += d * d;
                }
            }
        }

        const unsigned columns = t.lanes * V, apart = fold > 1 ? c : columns; // a channel's lanes are that far apart
        __syncthreads(); // the tile before is stored
        if (t.row == 0)
#pragma unroll
            for (int j = 0; j < V; j++) firsts[t.lane * V + j] = base.at[j];
        __syncthreads();
        const float share = count > 0.0f ? 1.0f / count : 0.0f;
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float above = sum.at[j] * share, first_pixel = firsts[(t.lane * V + j) % apart];
            mine[j] = spread{count, base.at[j] - first_pixel + above, fmaxf(square.at[j] - above * sum.at[j], 0.0f)};
        }
        const unsigned stride = t.lanes * t.rows, at = t.row * t.lanes + t.lane;
        auto share_mine = [&] {
            counts[at] = mine[0].count;
#pragma unroll
            for (int j = 0; j < V; j++) {
                means[j * stride + at] = mine[j].mean;
                squares[j * stride + at] = mine[j].squares;
            }
        };
        if (t.row < t.rows) share_mine();
        for (unsigned half = tree_start(t.rows); half > 0; half /= 2) {
            __syncthreads();
            if (t.row < half && t.row + half < t.rows) {
                const unsigned other = at + half * t.lanes;
#pragma unroll
                for (int j = 0; j < V; j++) mine[j].merge(counts[other], means[j * stride + other], squares[j * stride + other]);
                share_mine();
            }
        }
        __syncthreads();

        for (unsigned i = threadIdx.x; i < apart; i += blockDim.x) {
            spread all = {counts[i / V], means[i % V * stride + i / V], squares[i % V * stride + i / V]};
            for (unsigned k = i + apart; k < columns; k += apart) all.merge(counts[k / V], means[k % V * stride + k / V], squares[k % V * stride + k / V]);
            result[first * V + i] = firsts[i] + all.mean;
            result[c + first * V + i] = all.squares;
        }
    }
}

// bn_moments_finish: moments [2][c] of all parts: from partial [parts][2][c], each part's means and sums of squared
// differences from them. In double. A block of at most 1024 threads has 32 channels. Bound by latency.
extern "C" __global__ void bn_moments_finish(float* moments, const float* partial, int parts, long long pixels, int c) {
    const int rows = blockDim.x / 32, row = threadIdx.x / 32;
    for (int first = blockIdx.x * 32; first < c; first += gridDim.x * 32) {
        const int channel = first + threadIdx.x % 32;
        const float* at = partial + channel;
        double sum = 0.0;
        if (channel < c)
#pragma unroll 4
            for (int part = row; part < parts; part += rows)
                sum += (double)(part_start(pixels, parts, part + 1) - part_start(pixels, parts, part)) * at[part * 2ll * c];
        const double mean = finish_rows(sum) / (double)pixels;
        sum = 0.0;
        if (channel < c)
#pragma unroll 4
            for (int part = row; part < parts; part += rows) {
                const double count = (double)(part_start(pixels, parts, part + 1) - part_start(pixels, parts, part));
                const double apart = count > 0.0 ? at[part * 2ll * c] - mean : 0.0;
                sum += at[part * 2ll * c + c] + count * apart * apart;
            }
        sum = finish_rows(sum);
        if (threadIdx.x < 32 && channel < c) {
            moments[channel] = (float)mean;
            moments[c + channel] = (float)(sum / (double)pixels);
        }
    }
}

template <int V, typename T>
__device__ inline void bn_sums(float* partial, const T* dy, const T* x, const float* moments, long long pixels, int c, int fold) {
    __shared__ float shared[sum_threads * V * 2];
    const long long from = part_start(pixels, gridDim.y, blockIdx.y) / fold, to = part_start(pixels, gridDim.y, blockIdx.y + 1) / fold;
    const unsigned lanes = c * fold / V;
    for (unsigned first = blockIdx.x * sum_lanes; first < lanes; first += gridDim.x * sum_lanes) {
        const tile t(lanes, first);
        const unsigned channel = (first + t.lane) * V;
        floats<2 * V> sum = {}; // of dy, then of dy u
        if (t.row < t.rows) {
            const floats<V> mean = channel_values<V>(moments, channel, c), variance = channel_values<V>(moments + c, channel, c);
#pragma unroll 4
            for (long long i = from + t.row; i < to; i += t.rows) {
                const floats<V> d = load<V>(dy + i * fold * c + channel), v = load<V>(x + i * fold * c + channel);
#pragma unroll
                for (int j = 0; j < V; j++) {
                    sum.at[j] += d.at[j];
                    sum.at[V + j] += d.at[j] * (v.at[j] - mean.at[j]);
                }
            }
#pragma unroll
            for (int j = 0; j < V; j++) sum.at[V + j] *= inverse_deviation(variance.at[j]);
        }
        sum_rows<2 * V>(t, shared, sum);
        store_folded<V, 2 * V>(partial + (long long)blockIdx.y * 2 * c, c, t, shared, first * V, c * fold, c);
    }
}

// bn_sums_finish: dbeta, dgamma [c] are partial's [parts][2][c] sums over the parts, in double; means [2][c] are both by
// the number of pixels, dbeta's first. A block of at most 1024 threads has 32 channels. Bound by latency.
extern "C" __global__ void bn_sums_finish(float* dgamma, float* dbeta, float* means, const float* partial, int parts, long long pixels, int c) {
    for (int first = blockIdx.x * 32; first < c; first += gridDim.x * 32) {
        const int channel = first + threadIdx.x % 32;
        const double beta = part_sum(partial + channel, 2ll * c, parts, channel < c);
        const double gamma = part_sum(partial + c + channel, 2ll * c, parts, channel < c);
        if (threadIdx.x < 32 && channel < c) {
            dbeta[channel] = (float)beta;
            dgamma[channel] = (float)gamma;
            means[channel] = (float)(beta / (double)pixels);
            means[c + channel] = (float)(gamma / (double)pixels);
        }
    }
}

#define BATCHNORM_SUM_KERNELS(T, suffix)                                                                                              \
    /* bn_moments: partial [gridDim.y][2][c] of x [pixels][c], for bn_moments_finish. gridDim.x shares out c. */                      \
    extern "C" __global__ void bn_moments_##suffix(float* partial, const T* x, long long pixels, int c) {                             \
        const int fold = foldable<4>(pixels, c, false);                                                                               \
        if (fold != 0 && aligned(x))                                                                                                  \
            bn_moments<4>(partial, x, pixels, c, fold);                                                                               \
        else                                                                                                                          \
            bn_moments<1>(partial, x, pixels, c, 1);                                                                                  \
    }                                                                                                                                 \
    /* bn_sums: partial [gridDim.y][2][c]: sums of dy, then of dy (x-mean)/sqrt(variance+eps). dy, x [pixels][c]. */                  \
    extern "C" __global__ void bn_sums_##suffix(float* partial, const T* dy, const T* x, const float* moments, long long pixels, int c) { \
        const int fold = foldable<4>(pixels, c, false);                                                                               \
        if (fold != 0 && aligned(dy, x))                                                                                              \
            bn_sums<4>(partial, dy, x, moments, pixels, c, fold);                                                                     \
        else                                                                                                                          \
            bn_sums<1>(partial, dy, x, moments, pixels, c, 1);                                                                        \
    }
BATCHNORM_SUM_KERNELS(float, f32)
BATCHNORM_SUM_KERNELS(bf16, bf16)
