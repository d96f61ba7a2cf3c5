// What a rendering may spend. Templates come with models, so nobody here wrote them: one that loops for ever, nests
// without end or builds a huge text ends in an error instead of taking the machine with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jinja/value.h"

namespace propane::jinja {

struct Limits {
  int64_t steps = 20'000'000;       // expressions, statements, loop turns; and every 64 parts of a value walked over
  size_t bytes = size_t{1} << 29;   // of all texts, lists and scopes made on the way, freed ones included
  size_t output = size_t{1} << 26;  // of the rendered text, and of what a macro or a block makes
  int depth = 800;                  // of expressions, statements and macros inside one another
};

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void step(int64_t count = 1) {
    if ((steps_ += count) > limits_.steps) fail_render("the template takes more than {} steps", limits_.steps);
  }
  // Walking over a value, as comparing and printing do.
  void walk(const Value& value) { step(1 + static_cast<int64_t>(value.weight() / 64)); }
  // Making a text or a list; asked before it is made where its size could surprise.
  void make(size_t size) {
    if (size > left()) fail_render("the template takes more than {} bytes of memory", limits_.bytes);
    bytes_ += size;
  }
  size_t left() const { return limits_.bytes - bytes_; }
  void output(size_t size) {
    if (size > limits_.output) fail_render("the rendered text has more than {} bytes", limits_.output);
  }

  // One level of nesting for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.depth_ > budget_.limits_.depth) {
        --budget_.depth_;
        fail_render("the template nests or calls itself more than {} levels deep", budget_.limits_.depth);
      }
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  Limits limits_;
  int64_t steps_ = 0;
  size_t bytes_ = 0;
  int depth_ = 0;
};

}  // namespace propane::jinja
