// Sums over ranks, through the Communicator.

#include <cstring>

#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

Compiled compile_all_reduce(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const Type type = s.type(x);
  Communicator* ranks = &s.ranks;
  return {[=](const Memory& m) { ranks->all_reduce(type.dtype, m.at<void>(x), m.at<void>(y), type.shape.count()); }};
}

Compiled compile_reduce_scatter(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const Type type = s.type(x);
  Communicator* ranks = &s.ranks;
  return {
      [=](const Memory& m) { ranks->reduce_scatter(type.dtype, m.at<void>(x), m.at<void>(y), type.shape.count()); }};
}

Compiled compile_all_gather(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const Type type = s.type(x);
  Communicator* ranks = &s.ranks;
  return {[=](const Memory& m) { ranks->all_gather(type.dtype, m.at<void>(x), m.at<void>(y), type.shape.count()); }};
}

}  // namespace

std::span<const OpEntry> collective_entries() {
  static const OpEntry entries[] = {{"all_reduce", compile_all_reduce},
                                    {"reduce_scatter", compile_reduce_scatter},
                                    {"all_gather", compile_all_gather}};
  return entries;
}

}  // namespace propane::cpu
