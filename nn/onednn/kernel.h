// The C side of the device: what Go sees. A kernel is one struct, prepared once; running it is one call.

#ifndef RINGLOOM_ONEDNN_KERNEL_H
#define RINGLOOM_ONEDNN_KERNEL_H

#include <stdint.h>

// Status codes of this package's own. oneDNN's dnnl_status_t values are small positive numbers; these stay clear.
enum { RL_OK = 0, RL_NO_MEMORY = 100, RL_BAD_LABEL = 101, RL_TEAM = 102 };

// Instruction sets that kernels written here come in.
enum { RL_LEVEL_ANY, RL_LEVEL_AVX2, RL_LEVEL_AVX512 };

typedef struct rl_device {
    void *engine, *stream; // dnnl_engine_t, dnnl_stream_t
    int threads;           // that OpenMP gives: no more than were asked for
    int avx512;            // 1: the kernels written here may use AVX-512
    int level;             // RL_LEVEL_: which of their versions run
    int isa;               // dnnl_cpu_isa_t that oneDNN uses
    struct rl_arena *arena;
} rl_device;

// The operands of one run, in the order of op.Kernel.Run: outputs, then inputs.
typedef struct rl_operands {
    float *dst[3];
    const float *src[6];
} rl_operands;

typedef struct rl_kernel rl_kernel;
struct rl_kernel {
    int (*run)(rl_kernel *k, const rl_operands *op);
    void (*destroy)(rl_kernel *k);
    int threads;
    char impl[64]; // what runs, for people: "jit:avx512_core", "conv_5x5_c1"
};

// Geometry, as op.Conv and op.Pool have it (activations NHWC). pitch is the distance between the output's pixels in
// elements (at least oc); the flags are those of the specs and 0 where a spec has none.
typedef struct rl_window {
    int n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, ph, pw, pitch;
    int no_bias, relu, accumulate, mask;
} rl_window;

typedef struct rl_linear {
    int n, h, w, c, out;
    int relu, accumulate, mask;
} rl_linear;

// A batch normalisation of [pixels, channels]. count is that of op.BatchNormForward.
typedef struct rl_norm {
    int64_t pixels, count;
    int channels;
    int relu, accumulate, mask;
} rl_norm;

// Layouts that oneDNN can be asked to work in. Of a convolution: NHWC activations, or those that it prefers. Of a
// linear layer: RL_NHWC is the weights that it prefers, RL_FLAT the weights as they are and the activations flattened.
enum { RL_NHWC, RL_BLOCKED, RL_FLAT };

// The three operations of a layer with weights.
enum { RL_FORWARD, RL_BACKWARD_DATA, RL_BACKWARD_WEIGHTS };
// Poolings, element-wise operations, updates and parts of a batch normalisation: the specs of nn in their order.
enum { RL_MAX_FORWARD, RL_MAX_INFERENCE, RL_MAX_BACKWARD, RL_AVG_FORWARD, RL_AVG_BACKWARD };
enum { RL_RELU_FORWARD, RL_RELU_BACKWARD, RL_ADD, RL_ADD_RELU };
enum { RL_ADAM, RL_SGD, RL_SGD_NESTEROV };
enum { RL_NORM_MOMENTS, RL_NORM_FORWARD, RL_NORM_INFERENCE, RL_NORM_SUMS, RL_NORM_BACKWARD };

// Opens the device with as many of the threads asked for as OpenMP gives.
int rl_device_open(rl_device *d, int threads);
// Has OpenMP give the calling thread a team of exactly so many, whatever OMP_DYNAMIC and the like say, or is RL_TEAM.
int rl_team(int threads);
void rl_device_close(rl_device *d);
void rl_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
int rl_cap_amx(void);

float *rl_alloc(int64_t n);
void rl_free(float *p);

int rl_run(rl_kernel *k, rl_operands op);
void rl_destroy(rl_kernel *k);

// Each creates a kernel, or returns a status and leaves *out alone.
int rl_plan_conv(const rl_device *d, rl_window c, int layout, int pass, rl_kernel **out);
int rl_plan_linear(const rl_device *d, rl_linear l, int layout, int pass, rl_kernel **out);

int rl_conv_5x5_c1_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_5x5_c1_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_5x5_c6_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_5x5_c6_backward_data(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_5x5_c6_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);
int rl_avgpool_2x2_forward(const rl_device *d, rl_window p, rl_kernel **out);
int rl_avgpool_2x2_backward(const rl_device *d, rl_window p, rl_kernel **out);
int rl_sigmoid_forward(const rl_device *d, int64_t len, rl_kernel **out);
int rl_sigmoid_backward(const rl_device *d, int64_t len, rl_kernel **out);
int rl_softmax_cross_entropy(const rl_device *d, int n, int classes, float smoothing, rl_kernel **out);
int rl_pool(const rl_device *d, int what, rl_window p, rl_kernel **out);
int rl_elementwise(const rl_device *d, int what, int64_t len, rl_kernel **out);
// scale is 1/(1-rate), threshold op.DropoutThreshold(rate).
int rl_dropout(const rl_device *d, int64_t len, float scale, uint32_t threshold, uint32_t layer, int mask,
               rl_kernel **out);
// Pitches are in elements.
int rl_channel_copy(const rl_device *d, int64_t pixels, int channels, int src_pitch, int dst_pitch, rl_kernel **out);
int rl_norm_part(const rl_device *d, int what, rl_norm n, rl_kernel **out);
int rl_update(const rl_device *d, int what, int64_t len, rl_kernel **out);
int rl_sum_of_squares(const rl_device *d, int64_t len, rl_kernel **out);

#endif
