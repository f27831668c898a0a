// Driver API: modules, functions and kernel launches.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "block.h"
#include "context.h"
#include "module.h"

namespace emulator {
namespace {

constexpr char kMagic[] = "// ringloom emulated PTX\n.version 9.0\n.target sm_90\n.address_size 64\n// object: ";
constexpr char kEnd[] = "\n// end\n";

}  // namespace

std::string ptx_of(const std::string& object_path) { return kMagic + object_path + kEnd; }

bool object_of(const char* image, std::string* object_path, std::string* error) {
  if (std::strncmp(image, kMagic, sizeof kMagic - 1) != 0) {
    *error = "the image isn't what the emulated NVRTC made: the emulator compiles kernels from source only";
    return false;
  }
  const char* path = image + sizeof kMagic - 1;
  const char* end = path + strcspn(path, "\n");
  if (std::strncmp(end, kEnd, sizeof kEnd) != 0) {  // sizeof: the NUL too
    *error = "the image isn't terminated by a NUL, as PTX text has to be";
    return false;
  }
  object_path->assign(path, end);
  return true;
}

namespace {

void write_log(unsigned count, const int* options, void** values, const std::string& text) {
  char* buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == kJitErrorLog) buffer = static_cast<char*>(values[i]);
    if (options[i] == kJitErrorLogBytes) bytes = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
  }
  if (buffer == nullptr || bytes == 0) return;
  std::strncpy(buffer, text.c_str(), bytes - 1);
  buffer[bytes - 1] = 0;
}

int load(Module** module, const char* image, unsigned count, const int* options, void** values) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (module == nullptr || image == nullptr) return kInvalidValue;
  std::string path, error;
  if (!object_of(image, &path, &error)) {
    write_log(count, options, values, error);
    return kInvalidPtx;
  }
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    write_log(count, options, values, dlerror());
    return kInvalidImage;
  }
  auto m = std::make_unique<Module>();
  m->context = entry.context;
  m->object = std::shared_ptr<void>(object, dlclose);
  m->file = static_cast<const ringloom_abi::File*>(dlsym(object, "ringloom_kernel_file"));
  if (m->file == nullptr) {
    write_log(count, options, values, dlerror());
    return kInvalidImage;
  }
  *m->file->runtime = kRuntime;
  *module = m.get();
  entry.context->modules.push_back(std::move(m));
  return kSuccess;
}

const Function* find_function(Context* context, Function* handle) {
  for (const auto& m : context->modules) {
    for (const auto& f : m->functions) {
      if (f.get() == handle) return handle;
    }
  }
  return nullptr;
}

bool fits(const ringloom_abi::Index& grid, const ringloom_abi::Index& block) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0) return false;
  if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return false;
  if (block.x > 1024 || block.y > 1024 || block.z > 64) return false;
  return block.x * block.y * block.z <= 1024;
}

}  // namespace
}  // namespace emulator

using namespace emulator;

EXPORT int cuModuleLoadDataEx(Module** module, const char* image, unsigned count, const int* options, void** values) {
  return load(module, image, count, options, values);
}

EXPORT int cuModuleLoadData(Module** module, const char* image) { return load(module, image, 0, nullptr, nullptr); }

EXPORT int cuModuleUnload(Module* handle) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (find_module(entry.context, handle) == nullptr) return kInvalidHandle;
  auto& all = entry.context->modules;
  all.erase(std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.get() == handle; }));
  return kSuccess;
}

EXPORT int cuModuleGetFunction(Function** function, Module* handle, const char* name) {
  Entry entry;
  if (entry.failed()) return entry.error;
  Module* m = find_module(entry.context, handle);
  if (m == nullptr) return kInvalidHandle;
  for (int i = 0; i < m->file->count; i++) {
    if (std::strcmp(m->file->kernels[i].name, name) != 0) continue;
    m->functions.push_back(std::make_unique<Function>(Function{m, &m->file->kernels[i]}));
    *function = m->functions.back().get();
    return kSuccess;
  }
  return kNotFound;
}

EXPORT int cuFuncGetAttribute(int* value, int attribute, Function* handle) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Function* f = find_function(entry.context, handle);
  if (f == nullptr) return kInvalidHandle;
  if (attribute != 0) return kInvalidValue;  // MAX_THREADS_PER_BLOCK is the only one
  *value = f->kernel->max_threads != 0 ? f->kernel->max_threads : 1024;
  return kSuccess;
}

EXPORT int cuLaunchKernel(Function* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                          unsigned block_z, unsigned shared_bytes, Stream* stream, void** arguments, void** extra) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Function* f = find_function(entry.context, handle);
  Stream* s = find_stream(entry.context, stream);
  if (f == nullptr || s == nullptr || s->context != entry.context) return kInvalidHandle;
  Launch launch{f->module->file, f->kernel, nullptr, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}};
  if (extra != nullptr || shared_bytes != 0) return kNotSupported;  // neither is emulated
  if (!fits(launch.grid, launch.block)) return kInvalidValue;
  if (f->kernel->max_threads != 0 && block_x * block_y * block_z > static_cast<unsigned>(f->kernel->max_threads)) return kLaunchOutOfResources;
  if (arguments == nullptr && f->kernel->parameters != 0) return kInvalidValue;
  const std::shared_ptr<void> copied(f->kernel->copy(arguments), f->kernel->drop);
  launch.arguments = copied.get();
  Work work;
  work.what = std::string("kernel ") + f->kernel->name;
  work.milliseconds = 0.11;  // two of them are no longer short work, which programs time many times over
  work.run = [launch, object = f->module->object, copied] { execute(launch); };
  return submit(s, std::move(work));
}
