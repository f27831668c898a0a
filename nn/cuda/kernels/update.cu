// The optimizers of nn/op/spec_update.go, in place over n floats of the flat parameter memory, and the gradients' norm.
// Bound by memory: 28 bytes an element for Adam, 20 for SGD.

// hyper's indices, as in nn/op/spec_update.go
enum { hyper_rate, hyper_grad_scale, hyper_l2, hyper_decay, hyper_momentum, hyper_beta2, hyper_root, hyper_epsilon };

// adam_vector is Adam of V elements from i on.
struct adam_vector {
    float *value, *mean, *square;
    const float* grad;
    float rate, grad_scale, l2, decay, beta1, beta2, root, epsilon;
    template <int V> __device__ inline void step(long long i) const {
        const floats<V> g = load<V>(grad + i);
        floats<V> w = load<V>(value + i), m = load<V>(mean + i), s = load<V>(square + i);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float d = g.at[j] * grad_scale + w.at[j] * l2;
            m.at[j] = beta1 * m.at[j] + (1.0f - beta1) * d;
            s.at[j] = beta2 * s.at[j] + (1.0f - beta2) * d * d;
            w.at[j] = w.at[j] * decay - rate * m.at[j] / (sqrtf(s.at[j]) * root + epsilon);
        }
        store<V>(value + i, w);
        store<V>(mean + i, m);
        store<V>(square + i, s);
    }
};

// sgd_vector is SGD of V elements from i on.
struct sgd_vector {
    float *value, *velocity;
    const float* grad;
    float rate, grad_scale, l2, decay, momentum;
    int nesterov;
    template <int V> __device__ inline void step(long long i) const {
        const floats<V> g = load<V>(grad + i);
        floats<V> w = load<V>(value + i), v = load<V>(velocity + i);
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float d = g.at[j] * grad_scale + w.at[j] * l2;
            v.at[j] = momentum * v.at[j] + d;
            w.at[j] = w.at[j] * decay - rate * (nesterov ? d + momentum * v.at[j] : v.at[j]);
        }
        store<V>(value + i, w);
        store<V>(velocity + i, v);
    }
};

// update steps over n elements, four at a time where the pointers allow it.
template <typename Step> __device__ inline void update(const Step& s, long long n, bool aligned) {
    long long done = 0;
    if (aligned) {
        for (long long i = thread_index() * 4ll; i + 4 <= n; i += thread_count() * 4ll) s.template step<4>(i);
        done = n / 4 * 4;
    }
    for (long long i = done + thread_index(); i < n; i += thread_count()) s.template step<1>(i);
}

// adam: one step of Adam or AdamW. [n] each, hyper [8].
extern "C" __global__ void adam(float* value, float* mean, float* square, const float* grad, const float* hyper, long long n) {
    const adam_vector s = {value, mean, square, grad, hyper[hyper_rate], hyper[hyper_grad_scale], hyper[hyper_l2], hyper[hyper_decay],
                           hyper[hyper_momentum], hyper[hyper_beta2], hyper[hyper_root], hyper[hyper_epsilon]};
    update(s, n, aligned(value, mean, square, grad));
}

// sgd: one step of SGD with momentum, plain or Nesterov's. [n] each, hyper [8].
extern "C" __global__ void sgd(float* value, float* velocity, const float* grad, const float* hyper, long long n, int nesterov) {
    const sgd_vector s = {value, velocity, grad, hyper[hyper_rate], hyper[hyper_grad_scale], hyper[hyper_l2], hyper[hyper_decay],
                          hyper[hyper_momentum], nesterov};
    update(s, n, aligned(value, velocity, grad));
}

// block_sum adds up a double of all threads of a block: thread 0 gets the sum.
__device__ inline double block_sum(double v) {
    __shared__ double shared[finish_threads];
    shared[threadIdx.x] = v;
    for (unsigned half = tree_start(blockDim.x); half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && threadIdx.x + half < blockDim.x) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    return shared[threadIdx.x];
}

// sum_of_squares: partial [gridDim.x] = sums of x[i]^2 in double, x [n]. Bound by memory.
extern "C" __global__ void sum_of_squares(double* partial, const float* x, long long n) {
    double sum = 0.0;
    long long done = 0;
    if (aligned(x)) {
#pragma unroll 4
        for (long long i = thread_index() * 4ll; i < n / 4 * 4; i += thread_count() * 4ll) {
            const floats<4> v = load<4>(x + i);
            sum += ((double)v.at[0] * v.at[0] + (double)v.at[1] * v.at[1]) + ((double)v.at[2] * v.at[2] + (double)v.at[3] * v.at[3]);
        }
        done = n / 4 * 4;
    }
    for (long long i = done + thread_index(); i < n; i += thread_count()) sum += (double)x[i] * x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// sum_of_squares_finish: sum [1] of partial [parts]. One block. Bound by latency.
extern "C" __global__ void sum_of_squares_finish(float* sum, const double* partial, int parts) {
    double mine = 0.0;
    for (int i = threadIdx.x; i < parts; i += blockDim.x) mine += partial[i];
    mine = block_sum(mine);
    if (threadIdx.x == 0) *sum = (float)mine;
}
