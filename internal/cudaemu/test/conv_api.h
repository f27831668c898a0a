// The emulated cuDNN as the tests call it.
#pragma once

#include "api.h"

struct Performance {
  int algorithm, status;
  float milliseconds;
  size_t bytes;
  int determinism, math, reserved[3];
};

extern "C" {
int cudnnCreate(Handle*);
int cudnnSetStream(Handle, Handle);
int cudnnCreateTensorDescriptor(Handle*);
int cudnnCreateFilterDescriptor(Handle*);
int cudnnCreateConvolutionDescriptor(Handle*);
int cudnnCreateActivationDescriptor(Handle*);
int cudnnDestroyTensorDescriptor(Handle);
int cudnnSetTensor4dDescriptorEx(Handle, int, int, int, int, int, int, int, int, int);
int cudnnSetFilter4dDescriptor(Handle, int, int, int, int, int, int);
int cudnnSetConvolution2dDescriptor(Handle, int, int, int, int, int, int, int, int);
int cudnnSetConvolutionMathType(Handle, int);
int cudnnSetActivationDescriptor(Handle, int, int, double);
int cudnnFindConvolutionForwardAlgorithmEx(Handle, Handle, const void*, Handle, const void*, Handle, Handle, void*, int, int*, Performance*, void*, size_t);
int cudnnConvolutionForward(Handle, const void*, Handle, const void*, Handle, const void*, Handle, int, void*, size_t, const void*, Handle, void*);
int cudnnConvolutionBackwardData(Handle, const void*, Handle, const void*, Handle, const void*, Handle, int, void*, size_t, const void*, Handle, void*);
int cudnnConvolutionBackwardFilter(Handle, const void*, Handle, const void*, Handle, const void*, Handle, int, void*, size_t, const void*, Handle, void*);
int cudnnConvolutionBiasActivationForward(Handle, const void*, Handle, const void*, Handle, const void*, Handle, int, void*, size_t, const void*, Handle,
                                          const void*, Handle, const void*, Handle, Handle, void*);
int cudnnGetConvolutionForwardWorkspaceSize(Handle, Handle, Handle, Handle, Handle, int, size_t*);
}

enum : int { kBadParam = 2000, kMisaligned = 2003, kNotSupported = 3000, kAllocFailed = 4003 };
enum : int { kFloat = 0, kBf16 = 9, kDefaultMath = 0, kTensorMath = 1, kFmaMath = 3 };

// Case is a convolution with its descriptors and buffers. x's pixels are x_pitch elements apart and y's y_pitch.
struct Case {
  int type, math, n, h, w, c, k, r, s, stride, pad, x_pitch, y_pitch;
  int oh, ow;
  Handle dnn, stream, xd, yd, wd, bd, conv, relu, identity;
  std::vector<float> x, y, f, b;  // as the device has them
  Pointer px, py, pw, pb, workspace;
  static constexpr size_t kWorkspace = 1 << 20;

  Case(int type, int math, int n, int h, int w, int c, int k, int r, int s, int stride, int pad, int x_extra, int y_extra);

  size_t x_at(int in, int ih, int iw, int ic) const { return ((size_t(in) * h + ih) * w + iw) * x_pitch + ic; }
  size_t y_at(int in, int ih, int iw, int ik) const { return ((size_t(in) * oh + ih) * ow + iw) * y_pitch + ik; }
  size_t w_at(int ik, int ir, int is, int ic) const { return ((size_t(ik) * r + ir) * s + is) * c + ic; }

  // each calls visit(x index, w index, y index) for each product of the convolution
  template <typename Visit>
  void each(Visit visit) const {
    for (int in = 0; in < n; in++)
      for (int i = 0; i < oh; i++)
        for (int j = 0; j < ow; j++)
          for (int ik = 0; ik < k; ik++)
            for (int ir = 0; ir < r; ir++)
              for (int is = 0; is < s; is++)
                for (int ic = 0; ic < c; ic++) {
                  const int ih = i * stride - pad + ir, iw = j * stride - pad + is;
                  if (ih >= 0 && ih < h && iw >= 0 && iw < w) visit(x_at(in, ih, iw, ic), w_at(ik, ir, is, ic), y_at(in, i, j, ik));
                }
  }

  std::vector<float> read(Pointer p, size_t n) const;
  void* workspace_pointer() const { return reinterpret_cast<void*>(workspace); }
};
