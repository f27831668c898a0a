// Softmax and cross entropy over n samples of c classes, as op.SoftmaxCrossEntropyForward has it. One block, so that the
// sums have one order: bound by latency. Exponentials are in float, sums in double.

constexpr int loss_threads = 512;

// softmax_loss: stats [2] = scale times the loss, and the number of samples whose first largest logit is the label's;
// dlogits [n][c] = scale (softmax(logits) - target). L threads share a sample: one, or a warp.
template <int L, typename T>
__device__ inline void softmax_loss(float* stats, T* dlogits, const T* logits, const float* labels, const float* scale, int n, int c, float smoothing) {
    __shared__ double losses[loss_threads];
    __shared__ int hits[loss_threads];
    const float other = smoothing / (float)c, whole = 1.0f - smoothing, by = *scale;
    const int lane = threadIdx.x % L;
    double loss = 0.0;
    int correct = 0;
    for (int sample = threadIdx.x / L; sample < n; sample += blockDim.x / L) {
        const T* row = logits + (long long)sample * c;
        const int label = (int)labels[sample];
        // nothing is larger than what is not a number
        const float first = widen(row[0]);
        float largest = first;
        int best = 0;
        for (int i = lane; i < c; i += L) {
            const float v = widen(row[i]);
            if (v > largest) {
                largest = v;
                best = i;
            }
        }
#pragma unroll
        for (int apart = L / 2; apart > 0; apart /= 2) {
            const float v = __shfl_xor_sync(0xffffffffu, largest, apart);
            const int i = __shfl_xor_sync(0xffffffffu, best, apart);
            if (v > largest || (v == largest && i < best)) {
                largest = v;
                best = i;
            }
        }
        double total = 0.0, below = 0.0; // of the exponentials, of the logits less the largest
        for (int i = lane; i < c; i += L) {
            const float v = widen(row[i]) - largest;
            total += expf(v);
            below += v;
        }
#pragma unroll
        for (int apart = L / 2; apart > 0; apart /= 2) {
            total += __shfl_xor_sync(0xffffffffu, total, apart);
            below += __shfl_xor_sync(0xffffffffu, below, apart);
        }
        if (lane == 0) {
            const double log_total = logf((float)total);
            if (label >= 0 && label < c) loss += whole * (log_total - (widen(row[label]) - largest));
            // Without smoothing other is zero, and so must the product be: logits may be infinite.
            if (other > 0.0f) loss += other * (c * log_total - below);
            correct += best == label;
        }
        const float inverse = (float)(1.0 / total);
        for (int i = lane; i < c; i += L) {
            const float target = i == label ? other + whole : other;
            narrow(dlogits + (long long)sample * c + i, by * (expf(widen(row[i]) - largest) * inverse - target));
        }
    }
    losses[threadIdx.x] = loss;
    hits[threadIdx.x] = correct;
    for (unsigned half = tree_start(blockDim.x); half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && threadIdx.x + half < blockDim.x) {
            losses[threadIdx.x] += losses[threadIdx.x + half];
            hits[threadIdx.x] += hits[threadIdx.x + half];
        }
    }
    if (threadIdx.x == 0) {
        stats[0] = (float)((double)by * losses[0]);
        stats[1] = (float)hits[0];
    }
}

#define LOSS_KERNELS(T, suffix)                                                                                                   \
    /* softmax_loss: see above. logits, dlogits [n][c], labels [n] class numbers, scale [1]. */                                   \
    extern "C" __global__ void softmax_loss_##suffix(float* stats, T* dlogits, const T* logits, const float* labels,              \
                                                     const float* scale, int n, int c, float smoothing) {                         \
        if (c <= 32)                                                                                                              \
            softmax_loss<1>(stats, dlogits, logits, labels, scale, n, c, smoothing);                                              \
        else                                                                                                                      \
            softmax_loss<32>(stats, dlogits, logits, labels, scale, n, c, smoothing);                                             \
    }
LOSS_KERNELS(float, f32)
LOSS_KERNELS(bf16, bf16)
