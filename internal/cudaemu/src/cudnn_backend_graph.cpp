// cuDNN: what an operation graph of its backend API computes. How operations hang together is told by the unique ids of their
// tensors alone, in whatever order they are given.
#include <algorithm>
#include <map>
#include <set>

#include "cudnn_backend.h"

namespace emulator {
namespace {

using Operations = std::vector<BackendRef>;

int64_t id_of(const BackendRef& tensor) { return *tensor->get<int64_t>(kTensorId); }
std::string name_of(int64_t id) { return "tensor " + std::to_string(id); }

bool alike(const Backend& a, const Backend& b) {
  const Tensor &s = a.tensor, &t = b.tensor;
  return a.is_virtual == b.is_virtual && s.type == t.type && s.n == t.n && s.c == t.c && s.h == t.h && s.w == t.w && s.n_stride == t.n_stride &&
         s.c_stride == t.c_stride && s.h_stride == t.h_stride && s.w_stride == t.w_stride;
}

// check looks at each tensor by itself: one operation at most writes it, and if it's virtual one does and another reads it.
// What an operation writes it doesn't read, unless it is alone (documented of cuDNN).
int check(const Operations& operations) {
  std::map<int64_t, BackendRef> all;
  std::set<int64_t> read, written;
  for (const BackendRef& o : operations) {
    std::vector<BackendRef> tensors = o->reads;
    for (const BackendRef& t : tensors) {
      read.insert(id_of(t));
      if (id_of(t) == id_of(o->writes) && operations.size() > 1) return refuse(kDnnNotSupported, "an operation in place, in a graph of several");
    }
    tensors.push_back(o->writes);
    if (!written.insert(id_of(o->writes)).second) return refuse(kDnnBadParam, "two operations write " + name_of(id_of(o->writes)));
    for (const BackendRef& t : tensors) {
      if (!alike(*all.emplace(id_of(t), t).first->second, *t)) return refuse(kDnnBadParam, "two descriptors of " + name_of(id_of(t)) + " differ");
    }
  }
  for (const auto& [id, t] : all) {
    if (t->is_virtual && written.count(id) == 0) return refuse(kDnnBadParam, "no operation writes " + name_of(id) + ", which is virtual");
    if (t->is_virtual && read.count(id) == 0) return refuse(kDnnBadParam, "no operation reads " + name_of(id) + ", which is virtual");
  }
  return kDnnSuccess;
}

void add_operand(Computation* c, Role role, const BackendRef& tensor) {
  if (!tensor->is_virtual) c->operands.push_back({role, id_of(tensor), *tensor->get<int64_t>(kTensorAlignment)});
}

// add_bias has b added to x, the convolution's sums.
int add_bias(Computation* c, const BackendRef& x, const BackendRef& b) {
  const Tensor& t = b->tensor;
  if (c->fused()) return refuse(kDnnNotSupported, "only an addition right behind the convolution is emulated");
  if (t.n != 1 || t.c != c->problem.y.c || t.h != 1 || t.w != 1 || (t.c != 1 && t.c_stride != 1)) {
    return refuse(kDnnNotSupported, "only 1 x C x 1 x 1 is emulated as what is added");
  }
  c->bias = true;
  c->epilogue.bias_type = t.type;
  c->epilogue.sums = x->tensor;
  add_operand(c, Role::kSums, x);
  add_operand(c, Role::kBias, b);
  return kDnnSuccess;
}

int add_relu(Computation* c, const BackendRef& x, const Backend& settings) {
  if (c->epilogue.relu) return refuse(kDnnNotSupported, "two ReLUs aren't emulated");
  const auto* nan = settings.get<int>(kPointwiseNan);
  c->epilogue.relu = true;
  c->epilogue.keeps_nan = nan != nullptr && *nan == 1;
  (c->bias ? c->epilogue.biased : c->epilogue.sums) = x->tensor;
  add_operand(c, c->bias ? Role::kBiased : Role::kSums, x);
  return kDnnSuccess;
}

// follow has an operation done with x, the result so far. What reads x as anything else is refused: so is a result that is written
// to where an operand is, since the operand's reader then is what follows.
int follow(Computation* c, const BackendRef& x, const Backend& o) {
  if (o.kind != kBackendPointwiseOperation || id_of(o.reads[0]) != id_of(x)) {
    return refuse(kDnnNotSupported, "only pointwise operations on the result are emulated behind a convolution");
  }
  const Tensor &from = x->tensor, &to = o.writes->tensor;
  if (from.n != to.n || from.c != to.c || from.h != to.h || from.w != to.w) return refuse(kDnnNotSupported, "a result that grows isn't emulated");
  for (const int alpha : {kPointwiseAlpha1, kPointwiseAlpha2}) {
    const auto* factor = o.get<float>(alpha);
    if (factor != nullptr && *factor != 1) return refuse(kDnnNotSupported, "engines that fuse know no factor other than 1");
  }
  return o.reads.size() == 2 ? add_bias(c, x, o.reads[1]) : add_relu(c, x, *o.attributes.at(kPointwiseDescriptor).descriptors[0]);
}

}  // namespace

int compose(const Operations& operations, Computation* computation) {
  int result = check(operations);
  if (result != kDnnSuccess) return result;
  const auto first = std::find_if(operations.begin(), operations.end(), [](const BackendRef& o) { return is_convolution(o->kind); });
  if (first == operations.end()) return refuse(kDnnNotSupported, "only graphs with a convolution are emulated");
  Computation c = (*first)->computation;
  const Pass pass = c.problem.pass;
  add_operand(&c, pass == Pass::kBackwardData ? Role::kW : Role::kX, (*first)->reads[0]);
  add_operand(&c, pass == Pass::kForward ? Role::kW : Role::kY, (*first)->reads[1]);
  BackendRef last = (*first)->writes;
  size_t followed = 1;
  for (;; followed++) {
    Operations next;
    std::copy_if(operations.begin(), operations.end(), std::back_inserter(next), [&](const BackendRef& o) {
      return std::any_of(o->reads.begin(), o->reads.end(), [&](const BackendRef& t) { return id_of(t) == id_of(last); });
    });
    if (next.empty()) break;
    if (next.size() > 1) return refuse(kDnnNotSupported, "two operations read " + name_of(id_of(last)) + ", which isn't emulated");
    if (pass != Pass::kForward || c.beta != 0) return refuse(kDnnNotSupported, "something follows a backward convolution, or one that adds to its result");
    result = follow(&c, last, *next[0]);
    if (result != kDnnSuccess) return result;
    last = next[0]->writes;
  }
  if (followed != operations.size()) return refuse(kDnnBadParam, "the operations of a graph don't hang together");
  const Role role = pass == Pass::kForward ? Role::kY : pass == Pass::kBackwardData ? Role::kX : Role::kW;
  add_operand(&c, role, last);
  if (role == Role::kY) c.problem.y = last->tensor;
  if (c.problem.y.type != c.problem.x.type) return refuse(kDnnNotSupported, "a result of another type than the operands isn't emulated");
  *computation = c;
  return kDnnSuccess;
}

}  // namespace emulator
