// What a compiled kernel file and the emulator know of each other. The kernel file has no other header: this text stands
// before its prelude, so that it must not include anything.
#ifndef RINGLOOM_KERNEL_ABI
#define RINGLOOM_KERNEL_ABI

namespace ringloom_abi {

struct Index {
  unsigned x, y, z;
};

// Runtime is what a running kernel calls.
struct Runtime {
  // barrier waits for all threads of the block; line is where it stands in the source.
  void (*barrier)(int line);
  // exchange gives a value to the warp and waits for its other lanes: the 32 lanes' values come back. kind tells apart
  // operations that must not meet.
  const unsigned long long* (*exchange)(unsigned long long value, unsigned mask, int kind, int line);
  [[noreturn]] void (*fail)(const char* file, int line, const char* what);
};

// Kernel is one __global__ function of a file. Its arguments are copied when it is launched and used when it runs.
struct Kernel {
  const char* name;
  int max_threads;                   // of __launch_bounds__, or 0
  void* (*copy)(void** arguments);   // of cuLaunchKernel's pointers to the arguments
  void (*run)(void* copied);         // as the thread that File's indices name
  void (*drop)(void* copied);
  unsigned long long parameters;     // their number
};

// File is what a compiled kernel file exports under the name ringloom_kernel_file.
struct File {
  const Kernel* kernels;
  int count;
  Index* thread;
  Index* block;
  Index* block_dim;
  Index* grid_dim;
  Runtime* runtime;     // filled in when the file is loaded
  char* shared_begin;   // the memory that holds the __shared__ variables of all its kernels
  char* shared_end;
};

}  // namespace ringloom_abi

#endif
