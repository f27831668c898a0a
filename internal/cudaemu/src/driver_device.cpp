// Driver API: initialisation, devices, contexts, error texts.
#include <cstdio>
#include <cstring>

#include "context.h"

using namespace emulator;

// A marker by which a program or test can tell the emulator from a real library.
EXPORT const char ringloom_emulator[] = "emulated GPU, no hardware";

namespace {

constexpr int kDriverVersion = 13000;
constexpr const char* kDeviceName = "Emulated GPU (no hardware)";

struct Name {
  int code;
  const char* name;
  const char* text;
};

const Name kNames[] = {
    {kSuccess, "CUDA_SUCCESS", "no error"},
    {kInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {kOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {kNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {kNoDevice, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {kInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {kInvalidImage, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {kInvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {kInvalidPtx, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {kInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {kNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {kNotReady, "CUDA_ERROR_NOT_READY", "device not ready"},
    {kLaunchOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {kContextIsDestroyed, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {kNotSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {kCaptureUnsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {kCaptureInvalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {kCaptureMerge, "CUDA_ERROR_STREAM_CAPTURE_MERGE", "operation would result in a merge of separate capture sequences"},
    {kCaptureUnmatched, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not ended in the same stream as it began"},
    {kCaptureUnjoined, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {kCaptureIsolation, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
    {kCapturedEvent, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {kCaptureWrongThread, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
};

const Name* find_name(int code) {
  for (const auto& n : kNames) {
    if (n.code == code) return &n;
  }
  return nullptr;
}

// The last two bytes of a UUID are the ordinal, or these for the GPU of which all devices are slices.
constexpr int kSlicedGPU = 0xffff;

int uuid(unsigned char* bytes, int ordinal, bool of_slice) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (bytes == nullptr) return kInvalidValue;
  if (!is_device(ordinal)) return kInvalidDevice;
  if (settings().mig && !of_slice) ordinal = kSlicedGPU;
  const unsigned char base[16] = {0xe0, 0x01, 0xa7, 0xed, 0x00, 0x00, 0x40, 0x00, 0x80, 0x00, 0, 0, 0, 0, 0, 0};
  std::memcpy(bytes, base, sizeof base);
  bytes[14] = static_cast<unsigned char>(ordinal >> 8);
  bytes[15] = static_cast<unsigned char>(ordinal);
  return kSuccess;
}

}  // namespace

EXPORT int cuInit(unsigned flags) {
  Entry entry(Entry::kNothing);
  if (flags != 0) return kInvalidValue;
  if (settings().devices == 0) return kNoDevice;
  initialise();
  return kSuccess;
}

EXPORT int cuDriverGetVersion(int* version) {
  if (version == nullptr) return kInvalidValue;
  *version = kDriverVersion;
  return kSuccess;
}

EXPORT int cuGetErrorName(int code, const char** name) {
  const Name* found = find_name(code);
  *name = found != nullptr ? found->name : nullptr;
  return found != nullptr ? kSuccess : kInvalidValue;
}

EXPORT int cuGetErrorString(int code, const char** text) {
  const Name* found = find_name(code);
  *text = found != nullptr ? found->text : nullptr;
  return found != nullptr ? kSuccess : kInvalidValue;
}

EXPORT int cuDeviceGetCount(int* count) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  *count = static_cast<int>(devices().size());
  return kSuccess;
}

EXPORT int cuDeviceGet(int* device, int ordinal) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(ordinal)) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

EXPORT int cuDeviceGetName(char* name, int bytes, int device) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  if (name == nullptr || bytes <= 0) return kInvalidValue;
  std::snprintf(name, static_cast<size_t>(bytes), "%s", kDeviceName);
  return kSuccess;
}

EXPORT int cuDeviceGetUuid(unsigned char* bytes, int device) { return uuid(bytes, device, false); }
EXPORT int cuDeviceGetUuid_v2(unsigned char* bytes, int device) { return uuid(bytes, device, true); }

EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  *bytes = devices()[static_cast<size_t>(device)]->memory.limit();
  return kSuccess;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  if (value == nullptr) return kInvalidValue;
  switch (attribute) {
    case 1: *value = 1024; break;               // MAX_THREADS_PER_BLOCK
    case 2: case 3: *value = 1024; break;       // MAX_BLOCK_DIM_X, _Y
    case 4: *value = 64; break;                 // MAX_BLOCK_DIM_Z
    case 5: *value = 2147483647; break;         // MAX_GRID_DIM_X
    case 6: case 7: *value = 65535; break;      // MAX_GRID_DIM_Y, _Z
    case 8: *value = 48 << 10; break;           // MAX_SHARED_MEMORY_PER_BLOCK
    case 9: *value = 64 << 10; break;           // TOTAL_CONSTANT_MEMORY
    case 10: *value = 32; break;                // WARP_SIZE
    case 12: *value = 65536; break;             // MAX_REGISTERS_PER_BLOCK
    case 13: *value = 1000000; break;           // CLOCK_RATE, kHz
    case 16: *value = 4; break;                 // MULTIPROCESSOR_COUNT
    case 20: *value = 0; break;                 // COMPUTE_MODE
    case 31: *value = 1; break;                 // CONCURRENT_KERNELS
    case 33: *value = device + 1; break;        // PCI_BUS_ID
    case 34: *value = 0; break;                 // PCI_DEVICE_ID
    case 38: *value = 4 << 20; break;           // L2_CACHE_SIZE
    case 39: *value = 2048; break;              // MAX_THREADS_PER_MULTIPROCESSOR
    case 40: *value = 2; break;                 // ASYNC_ENGINE_COUNT
    case 41: *value = 1; break;                 // UNIFIED_ADDRESSING
    case 50: *value = 0; break;                 // PCI_DOMAIN_ID
    case 75: *value = 9; break;                 // COMPUTE_CAPABILITY_MAJOR
    case 76: *value = 0; break;                 // COMPUTE_CAPABILITY_MINOR
    case 81: *value = 227 << 10; break;         // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    default: return kInvalidValue;
  }
  return kSuccess;
}

EXPORT int cuDevicePrimaryCtxRetain(Context** context, int device) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  Context* c = devices()[static_cast<size_t>(device)].get();
  if (c->retained++ == 0) c->begin();
  *context = c;
  return kSuccess;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  Context* c = devices()[static_cast<size_t>(device)].get();
  if (c->retained == 0) return kInvalidContext;
  if (c->retained == 1) c->end();
  c->retained--;
  return kSuccess;
}

EXPORT int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  devices()[static_cast<size_t>(device)]->flags = flags;
  return kSuccess;
}

EXPORT int cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* active) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (!is_device(device)) return kInvalidDevice;
  const Context* c = devices()[static_cast<size_t>(device)].get();
  *flags = c->flags;
  *active = c->retained > 0 ? 1 : 0;
  return kSuccess;
}

EXPORT int cuCtxSetCurrent(Context* context) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  if (context != nullptr) {
    bool known = false;
    for (const auto& d : devices()) known |= d.get() == context;
    if (!known) return kInvalidContext;
    if (context->retained == 0) return kContextIsDestroyed;
  }
  set_current(context);
  return kSuccess;
}

EXPORT int cuCtxGetCurrent(Context** context) {
  Entry entry(Entry::kInit);
  if (entry.failed()) return entry.error;
  *context = current();
  return kSuccess;
}

EXPORT int cuCtxGetDevice(int* device) {
  Entry entry;
  if (entry.failed()) return entry.error;
  *device = entry.context->ordinal;
  return kSuccess;
}

EXPORT int cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  Entry entry;
  if (entry.failed()) return entry.error;
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return kSuccess;
}

EXPORT int cuCtxSynchronize() {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  finish(entry.context);
  return kSuccess;
}
