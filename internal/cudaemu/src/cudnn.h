// What the files of the emulated cuDNN share: version 9's status codes and numbers, descriptors, and the check of a call.
#pragma once

#include <string>

#include "convolution.h"
#include "library.h"

namespace emulator {

enum DnnStatus : int {
  kDnnSuccess = 0,
  kDnnNotInitialized = 1001,
  kDnnBadParam = 2000,
  kDnnNullPointer = 2002,
  kDnnMisaligned = 2003,
  kDnnNotSupported = 3000,
  kDnnAllocFailed = 4003,
  kDnnExecutionFailed = 5000,
};

constexpr int kDnnFloat = 0, kDnnBf16 = 9;                                              // cudnnDataType_t
constexpr int kDnnNchw = 0, kDnnNhwc = 1;                                               // cudnnTensorFormat_t
constexpr int kDnnDefaultMath = 0, kDnnTensorMath = 1, kDnnConversionMath = 2, kDnnFmaMath = 3;  // cudnnMathType_t
constexpr int kDnnRelu = 1, kDnnIdentity = 5;                                           // cudnnActivationMode_t

struct TensorDescriptor {
  Tensor tensor;
  bool set = false;
};

struct FilterDescriptor {
  Tensor tensor;  // n filters of h x w x c
  int format = kDnnNhwc;
  bool set = false;
};

struct ConvolutionDescriptor {
  Geometry geometry;
  int math = kDnnDefaultMath;
  int groups = 1;
  int mode = 1;  // cross-correlation
  int compute = kDnnFloat;
  bool set = false;
};

struct ActivationDescriptor {
  int mode = kDnnIdentity;
  int nan = 0;
  bool set = false;
};

// exists says whether a descriptor has been created, not destroyed, and set.
bool exists(const TensorDescriptor* d);
bool exists(const FilterDescriptor* d);
bool exists(const ConvolutionDescriptor* d);
bool exists(const ActivationDescriptor* d);
bool exists(const LibraryHandle* d);

// refuse remembers why a call fails, for cudnnGetLastErrorString, and gives its status.
int refuse(int status, const std::string& why);

enum class Pass { kForward, kBackwardData, kBackwardFilter };

// Problem is one convolution; backwards, x and w stand for their gradients where these are the result, and y for dy.
struct Problem {
  Pass pass;
  Tensor x, y, w;
  Geometry geometry;
  int math;
};

// agree checks that the tensors of a cross-correlation in one group fit together, and are NHWC.
int agree(const Tensor& x, const Tensor& w, const Geometry& g, const Tensor& y);

// describe checks that descriptors agree and puts them together, without data.
int describe(Pass pass, const TensorDescriptor* x, const FilterDescriptor* w, const ConvolutionDescriptor* conv, const TensorDescriptor* y,
             Problem* problem);

// Algorithm is a row of a pass's table.
struct Algorithm {
  int id;
  bool deterministic;
  float milliseconds;     // with tensor cores
  size_t workspace_share;  // of one image's columns, in eighths
};

const Algorithm* algorithms(Pass pass, size_t* count);
// find gives the row, or null if the algorithm isn't for this problem.
const Algorithm* find(const Problem& p, int id);
size_t workspace_bytes(const Problem& p, const Algorithm& a);
// columns_bytes is the unit of workspaces: one image's columns in float32.
size_t columns_bytes(const Problem& p);
// milliseconds is the time that Find reports, and that the clock of events shows.
float milliseconds(const Problem& p, const Algorithm& a);

// Method is a way to run a problem, of either API.
struct Method {
  std::string what;  // for messages
  bool deterministic;
  bool round_tf32;
  float milliseconds;
  size_t workspace_bytes;  // that it needs
  bool skips_last_image;   // a fault to be found
};

// queue checks pointers and workspace, and queues a problem whose tensors have data.
int queue(const LibraryHandle& handle, const Problem& p, const Method& m, void* workspace, size_t workspace_size, float alpha, float beta,
          const Epilogue& epilogue);

// run queues a problem by one of the algorithms; the caller has checked the rest.
int run(const LibraryHandle& handle, const Problem& p, int algorithm, void* workspace, size_t workspace_size, float alpha, float beta,
        const Epilogue& epilogue);

}  // namespace emulator
