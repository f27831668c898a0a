#include "compiler.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "fatal.h"
#include "nvrtc_source.h"
#include "settings.h"

extern char** environ;

namespace emulator {
namespace {

// hash is FNV-1a of 64 bits, twice with other beginnings: enough to tell apart a cache's files.
std::string hash(const std::string& text) {
  char out[33];
  uint64_t h[2] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u};
  for (const char c : text) {
    for (auto& x : h) x = (x ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  std::snprintf(out, sizeof out, "%016llx%016llx", static_cast<unsigned long long>(h[0]), static_cast<unsigned long long>(h[1]));
  return out;
}

std::string make_temporary(const std::string& under) {
  std::string name = under + "/ringloom-emulator-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) fatal("cannot make a folder for compiled kernels in %s", under.c_str());
  return name;
}

// remove_folder removes a folder of plain files.
void remove_folder(const std::string& folder) {
  if (DIR* d = opendir(folder.c_str())) {
    while (const dirent* e = readdir(d)) unlink((folder + "/" + e->d_name).c_str());
    closedir(d);
  }
  rmdir(folder.c_str());
}

// cache_folder is where compiled kernels stay: the one that the environment names, or one that goes with the process.
const std::string& cache_folder() {
  static std::string folder;
  if (!folder.empty()) return folder;
  folder = settings().cache;
  if (!folder.empty()) {
    mkdir(folder.c_str(), 0777);
    return folder;
  }
  const char* tmp = std::getenv("TMPDIR");
  folder = make_temporary(tmp != nullptr && *tmp != 0 ? tmp : "/tmp");
  std::atexit([] { remove_folder(folder); });
  return folder;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) fatal("cannot write %s", path.c_str());
}

// run waits for a program; its standard error goes to a file. It reports whether the program succeeded.
bool run(const std::vector<std::string>& command, const std::string& errors) {
  std::vector<char*> argv;
  for (const auto& c : command) argv.push_back(const_cast<char*>(c.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) fatal("cannot run %s, which the emulated NVRTC needs", argv[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string quoted(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    if (c != '\n') out += c;
  }
  return out;
}

}  // namespace

bool compile_kernels(const std::string& source, const std::string& name, const std::vector<std::string>& flags, std::string* object,
                     std::string* log) {
  const std::string text = kernel_prelude() + "\n#line 1 \"" + quoted(name) + "\"\n" + source;
  std::string key = text + __VERSION__;
  for (const auto& f : flags) key += '\0' + f;
  *object = cache_folder() + "/kernels-" + hash(key) + ".so";
  if (access(object->c_str(), R_OK) == 0) return true;

  const std::string work = make_temporary(cache_folder());
  const std::string errors = work + "/errors";
  const std::string preprocessed = work + "/preprocessed.ii";
  write_file(work + "/source.cpp", text);
  std::vector<std::string> preprocess{"g++", "-E", "-nostdinc", "-nostdinc++", "-o", preprocessed};
  preprocess.insert(preprocess.end(), flags.begin(), flags.end());
  preprocess.push_back(work + "/source.cpp");
  bool good = run(preprocess, errors);
  if (good) {
    std::string body = read_file(preprocessed);
    const auto kernels = find_kernels(&body);
    write_file(preprocessed, body + kernel_table(kernels));
    std::vector<std::string> compile{"g++", "-x", "c++-cpp-output", "-c", "-fPIC", "-O2", "-march=native", "-w", "-g1", "-fvisibility=hidden",
                                     "--param=max-completely-peeled-insns=2000",  // loops of known length are unrolled, as for a GPU
                                     "-fno-strict-aliasing", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
                                     // as a GPU does, kernels fault on misaligned accesses; and arrays know their lengths
                                     "-fsanitize=alignment,bounds", "-fno-sanitize-recover=all", "-o", work + "/kernels.o"};
    for (const auto& f : flags) {
      if (f[1] != 'D' && f[1] != 'U') compile.push_back(f);
    }
    compile.push_back(preprocessed);
    good = run(compile, errors);
  }
  // Without start files, .bss holds the __shared__ variables only.
  good = good && run({"g++", "-shared", "-nostartfiles", "-o", work + "/kernels.so", work + "/kernels.o", "-lm"}, errors);
  if (good) {
    if (std::rename((work + "/kernels.so").c_str(), object->c_str()) != 0) fatal("cannot write %s", object->c_str());
  } else {
    *log = read_file(errors);
  }
  remove_folder(work);
  return good;
}

}  // namespace emulator
