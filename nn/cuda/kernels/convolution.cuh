// Convolutions as the kernels of this package see them: NHWC images, filters [oc][kh][kw][c].

struct convolution {
    int n, h, w, c, oh, ow, oc, kh, kw, sh, sw, ph, pw;
};

// meets finds the row or column of y whose window has position i of x as its k-th, if there is one.
__device__ inline bool meets(int* o, int i, int k, int stride, int pad, int outputs) {
    const int from = i + pad - k;
    *o = from / stride;
    return from >= 0 && from % stride == 0 && *o < outputs;
}
