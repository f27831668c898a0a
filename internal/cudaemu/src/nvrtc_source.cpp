#include "nvrtc_source.h"

#include <cctype>
#include <set>

// The two headers travel inside the library.
asm(R"(
.section .rodata
.global ringloom_prelude_begin
.hidden ringloom_prelude_begin
.global ringloom_prelude_end
.hidden ringloom_prelude_end
ringloom_prelude_begin:
.incbin "kernel_abi.h"
.incbin "prelude.h"
ringloom_prelude_end:
.byte 0
.text
)");
extern "C" const char ringloom_prelude_begin[] __attribute__((visibility("hidden")));
extern "C" const char ringloom_prelude_end[] __attribute__((visibility("hidden")));

namespace emulator {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Scanner walks over a preprocessed text, token by token.
class Scanner {
 public:
  explicit Scanner(std::string* text) : text_(*text) {}
  std::vector<KernelName> run();

 private:
  void word();
  void open_brace();
  void skip_quoted(char quote);
  std::string take_bounds();
  void blank(size_t from, size_t to);
  void end_declaration();

  std::string& text_;
  size_t at_ = 0;
  std::vector<bool> braces_;  // for each open brace: is it that of extern "C" { ?
  std::string last_word_;
  std::string bounds_;
  bool linkage_ = false;  // extern "C" stands in this declaration
  bool saw_extern_ = false;
  bool global_ = false;   // __global__ stands in this declaration
  std::set<std::string> seen_;
  std::vector<KernelName> kernels_;
};

std::vector<KernelName> Scanner::run() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '#' && (at_ == 0 || text_[at_ - 1] == '\n')) {
      at_ = text_.find('\n', at_);
      if (at_ == std::string::npos) break;
    } else if (c == '"' || c == '\'') {
      if (saw_extern_ && text_.compare(at_, 3, "\"C\"") == 0) linkage_ = true;
      skip_quoted(c);
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '\'')) at_++;
    } else if (is_word(c)) {
      word();
    } else {
      if (c == '(' && global_) {
        const bool in_block = !braces_.empty() && braces_.back();
        if ((linkage_ || in_block) && seen_.insert(last_word_).second) kernels_.push_back({last_word_, bounds_});
        global_ = false;
      }
      if (c == '{') open_brace();
      if (c == '}' && !braces_.empty()) braces_.pop_back();
      if (c == ';' || c == '{' || c == '}') end_declaration();
      at_++;
    }
  }
  return kernels_;
}

void Scanner::word() {
  const size_t from = at_;
  while (at_ < text_.size() && is_word(text_[at_])) at_++;
  const std::string word = text_.substr(from, at_ - from);
  if (word == "__global__") {
    global_ = true;
    blank(from, at_);
  } else if (word == "__launch_bounds__") {
    bounds_ = take_bounds();
    blank(from, at_);
  } else {
    saw_extern_ = saw_extern_ || word == "extern";
    last_word_ = word;
  }
}

void Scanner::open_brace() {
  // Only extern "C" itself stands before the brace of a linkage block.
  braces_.push_back(linkage_ && last_word_ == "extern");
}

void Scanner::skip_quoted(char quote) {
  for (at_++; at_ < text_.size() && text_[at_] != quote; at_++) {
    if (text_[at_] == '\\') at_++;
  }
  at_++;
}

// take_bounds goes past the parenthesis after __launch_bounds__ and gives its first argument.
std::string Scanner::take_bounds() {
  at_ = text_.find('(', at_);
  if (at_ == std::string::npos) at_ = text_.size();
  std::string first;
  bool comma = false;
  int depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_++];
    if (c == ')' && --depth == 0) break;
    if (c == ',' && depth == 1) comma = true;
    if (!comma && depth > 0) first += c;
    if (c == '(') depth++;
  }
  return first;
}

void Scanner::blank(size_t from, size_t to) {
  for (size_t i = from; i < to && i < text_.size(); i++) {
    if (text_[i] != '\n') text_[i] = ' ';
  }
}

void Scanner::end_declaration() {
  linkage_ = saw_extern_ = global_ = false;
  bounds_.clear();
  last_word_.clear();
}

}  // namespace

std::string kernel_prelude() { return std::string(ringloom_prelude_begin, ringloom_prelude_end); }

std::vector<KernelName> find_kernels(std::string* text) { return Scanner(text).run(); }

std::string kernel_table(const std::vector<KernelName>& kernels) {
  std::string out = "\n# 1 \"kernel table\"\nnamespace ringloom_abi {\n";
  if (!kernels.empty()) {
    out += "static constexpr Kernel all_kernels[] = {\n";
    for (const auto& k : kernels) {
      out += "  Wrapped<&::" + k.name + ">::describe(\"" + k.name + "\", " + (k.max_threads.empty() ? "0" : k.max_threads) + "),\n";
    }
    out += "};\n";
  }
  out += "extern \"C\" { extern __attribute__((visibility(\"default\"))) const File ringloom_kernel_file;\nconst File ringloom_kernel_file = {";
  out += kernels.empty() ? "nullptr" : "all_kernels";
  out += ", " + std::to_string(kernels.size()) +
         ", &thread_index, &block_index, &block_size, &grid_size, &runtime, &ringloom_bss_begin, &ringloom_bss_end}; }\n}\n";
  return out;
}

}  // namespace emulator
