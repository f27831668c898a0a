// The C side of the device: what Go sees. A kernel is one struct, prepared once; running it is one call.

#ifndef RINGLOOM_ONEDNN_KERNEL_H
#define RINGLOOM_ONEDNN_KERNEL_H

#include <stdint.h>

// Status codes of this package's own. oneDNN's dnnl_status_t values are small positive numbers; these stay clear.
enum { RL_OK = 0, RL_NO_MEMORY = 100, RL_BAD_LABEL = 101 };

typedef struct rl_device {
    void *engine, *stream; // dnnl_engine_t, dnnl_stream_t
    int threads;
    int avx512;            // 1: the kernels written here may use AVX-512
    int isa;               // dnnl_cpu_isa_t that oneDNN uses
} rl_device;

// The operands of one run, in the order of nn.Kernel.Run: outputs, then inputs.
typedef struct rl_operands {
    float *dst[3];
    const float *src[6];
} rl_operands;

typedef struct rl_kernel rl_kernel;
struct rl_kernel {
    int (*run)(rl_kernel *k, const rl_operands *op);
    void (*destroy)(rl_kernel *k);
    int threads;
    char impl[64]; // what runs, for people: "jit:avx512_core", "grey"
};

// Geometry, as nn.Conv and nn.Pool have it (activations NHWC). pitch is the distance between the output's pixels in
// elements (at least oc); the flags are those of the specs and 0 where a spec has none.
typedef struct rl_window {
    int n, ih, iw, ic, oh, ow, oc, kh, kw, sh, sw, ph, pw, pitch;
    int no_bias, relu, accumulate, mask;
} rl_window;

typedef struct rl_linear {
    int n, h, w, c, out;
} rl_linear;

// Activation layouts that a oneDNN convolution can be asked to work in.
enum { RL_NHWC = 0, RL_BLOCKED = 1 };

int rl_device_open(rl_device *d, int threads);
void rl_device_close(rl_device *d);
void rl_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
int rl_cap_amx(void);

float *rl_alloc(int64_t n);
void rl_free(float *p);

int rl_run(rl_kernel *k, rl_operands op);
void rl_destroy(rl_kernel *k);

// Each creates a kernel, or returns a status and leaves *out alone.
int rl_plan_conv_forward(const rl_device *d, rl_window c, int layout, rl_kernel **out);
int rl_plan_conv_backward_data(const rl_device *d, rl_window c, int layout, rl_kernel **out);
int rl_plan_conv_backward_weights(const rl_device *d, rl_window c, int layout, rl_kernel **out);
int rl_plan_linear_forward(const rl_device *d, rl_linear l, rl_kernel **out);
int rl_plan_linear_backward_data(const rl_device *d, rl_linear l, rl_kernel **out);
int rl_plan_linear_backward_weights(const rl_device *d, rl_linear l, rl_kernel **out);
int rl_plan_avg_pool_forward(const rl_device *d, rl_window p, rl_kernel **out);
int rl_plan_avg_pool_backward(const rl_device *d, rl_window p, rl_kernel **out);

int rl_grey_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_grey_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);
int rl_narrow_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_narrow_backward_data(const rl_device *d, rl_window c, rl_kernel **out);
int rl_narrow_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);
int rl_halve_forward(const rl_device *d, rl_window p, rl_kernel **out);
int rl_halve_backward(const rl_device *d, rl_window p, rl_kernel **out);
int rl_sigmoid_forward(const rl_device *d, int64_t len, rl_kernel **out);
int rl_sigmoid_backward(const rl_device *d, int64_t len, rl_kernel **out);
int rl_softmax_cross_entropy(const rl_device *d, int n, int classes, rl_kernel **out);

#endif
