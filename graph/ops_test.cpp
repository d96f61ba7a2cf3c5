#include "graph/ops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "graph/op.h"

namespace propane {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Operands by their types alone: f(2, 3) is an f32 input [2, 3].
class Operands {
 public:
  explicit Operands(Graph& g) : g_(g) {}
  template <typename... Dims>
  Val f(Dims... dims) {
    return make({DType::f32, {dims...}});
  }
  template <typename... Dims>
  Val i(Dims... dims) {
    return make({DType::i32, {dims...}});
  }
  Val scalar() { return make({DType::f32, Shape{}}); }

 private:
  Val make(Type type) { return g_.new_value(std::move(type), Role::input); }
  Graph& g_;
};

struct WrongCall {
  const char* op;
  const char* sentence;  // a part of the message
  std::vector<Val> (*inputs)(Operands);
  Attrs attrs = {};
};

// One line a rule that a call can break. The message begins with the op's name.
const WrongCall kWrongCalls[] = {
    {"linear", "expected 2 to 3 inputs, found 1", [](Operands o) { return std::vector{o.f(2, 3)}; }},
    {"linear", "input 1 is missing",
     [](Operands o) {
       return std::vector{o.f(2, 3), Val{}};
     }},
    {"linear", "must equal the weight's second; found f32[2, 3], f32[4, 2]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 2)};
     }},
    {"linear", "a weight must be [out, in]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(3)};
     }},
    {"linear", "input 0 must have at least one axis",
     [](Operands o) {
       return std::vector{o.scalar(), o.f(4, 3)};
     }},
    {"linear", "input 2 must have shape [4], found [3]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 3), o.f(3)};
     }},
    {"linears", "must equal the weight's second",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 3), o.f(4, 2)};
     }},
    {"linears_grad_x", "as many output gradients as weights",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(2, 4), o.f(4, 3)};
     }},
    {"linears_grad_x", "last axis must equal its weight's first",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 3)};
     }},
    {"linears_grad_x", "the same number of inputs",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(2, 4), o.f(4, 3), o.f(4, 5)};
     }},
    {"linears_grad_x", "the same rows",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(3, 4), o.f(4, 3), o.f(4, 3)};
     }},
    {"linear_grad_w", "must have the same rows",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(3, 5)};
     }},
    {"linear_grad_w", "input 2 must have shape [4, 5], found [5, 4]",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(2, 5), o.f(5, 4)};
     }},
    {"linear_grad_w", "input 3 must have shape [1], found [2]",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(2, 5), o.f(4, 5), o.f(2)};
     }},
    {"column_sum", "input 0 must have at least one axis", [](Operands o) { return std::vector{o.scalar()}; }},
    {"column_sum", "input 1 must have shape [4]",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(2)};
     }},
    {"column_sum", "input 2 must have shape [1]",
     [](Operands o) {
       return std::vector{o.f(2, 4), o.f(4), o.f(4)};
     }},
    {"gated_linear", "inputs 1 and 2 must have the same shape, found [4, 3] and [5, 3]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 3), o.f(5, 3)};
     }},
    {"norm_linears", "at least one weight",
     [](Operands o) {
       return std::vector{o.f(2, 3), Val{}};
     }},
    {"norm_linears", "input 1 must have shape [3]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(2), o.f(4, 3)};
     }},
    {"norm_linears", "must equal the weight's second",
     [](Operands o) {
       return std::vector{o.f(2, 3), Val{}, o.f(4, 2)};
     }},

    {"add", "inputs 0 and 1 must have the same shape, found [2, 3] and [3, 2]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(3, 2)};
     }},
    {"scale", "expected 1 to 1 inputs, found 2",
     [](Operands o) {
       return std::vector{o.f(2), o.f(2)};
     }},
    {"multiply", "must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(3, 2)};
     }},
    {"mix", "input 1 must have shape [1]",
     [](Operands o) {
       return std::vector{o.f(2), o.f(2), o.f(2), o.f(1)};
     }},
    {"mix_grad", "inputs 0 and 4 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(1), o.f(2), o.f(1), o.f(3)};
     }},
    {"activation",
     "kind must be relu2, gelu_tanh, gelu, silu or sigmoid; found f32[2] {kind=tanh}",
     [](Operands o) { return std::vector{o.f(2)}; },
     {{"kind", "tanh"}}},
    {"activation_grad", "must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(3)};
     }},
    {"swiglu", "must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(3)};
     }},
    {"swiglu_grad", "inputs 0 and 2 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(2), o.f(3)};
     }},
    {"value_gate", "input 2 must have shape [2, 3], found [2, 4]",
     [](Operands o) {
       return std::vector{o.f(2, 3, 4), o.f(2, 3, 4), o.f(2, 4)};
     }},
    {"value_gate_grad", "values must be [..., heads, head_dim]",
     [](Operands o) {
       return std::vector{o.f(3), o.f(3), o.f(3)};
     }},
    {"slice",
     "must lie inside the last axis",
     [](Operands o) { return std::vector{o.f(2, 3)}; },
     {{"begin", int64_t{2}}, {"size", int64_t{2}}}},
    {"slice",
     "input 0 must have at least one axis",
     [](Operands o) { return std::vector{o.scalar()}; },
     {{"begin", int64_t{0}}, {"size", int64_t{1}}}},
    {"slice_grad",
     "must lie inside the full axis",
     [](Operands o) { return std::vector{o.f(2, 3)}; },
     {{"begin", int64_t{2}}, {"full", int64_t{4}}}},
    {"reshape",
     "must keep the number of elements",
     [](Operands o) { return std::vector{o.f(2, 3)}; },
     {{"rank", int64_t{1}}, {"d0", int64_t{5}}}},
    {"cast", "expected 1 to 1 inputs, found 0", [](Operands) { return std::vector<Val>{}; }},

    {"rms_norm", "input 1 must have shape [3], found [2]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(2)};
     }},
    {"rms_norm", "input 0 must have at least one axis", [](Operands o) { return std::vector{o.scalar()}; }},
    {"rms_norm_grad", "inputs 0 and 2 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(3), o.f(3)};
     }},
    {"layer_norm", "input 2 must have shape [3]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(3), o.f(2)};
     }},
    {"layer_norm_grad", "input 1 must have shape [3]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(2), o.f(2, 3)};
     }},

    {"embedding", "a table must be [vocab, dim]",
     [](Operands o) {
       return std::vector{o.f(5), o.i(2)};
     }},
    {"embedding", "input 1 must be i32, found f32[2]",
     [](Operands o) {
       return std::vector{o.f(5, 3), o.f(2)};
     }},
    {"embedding_grad",
     "one gradient row a token",
     [](Operands o) {
       return std::vector{o.i(2), o.f(3, 4)};
     },
     {{"vocab", int64_t{5}}}},
    {"embedding_grad",
     "input 2 must have shape [5, 4]",
     [](Operands o) {
       return std::vector{o.i(2), o.f(2, 4), o.f(4, 4)};
     },
     {{"vocab", int64_t{5}}}},
    {"gather_rows", "x must be [batch, seq, dim]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.i(2)};
     }},
    {"gather_rows", "input 1 must have shape [2]",
     [](Operands o) {
       return std::vector{o.f(2, 3, 4), o.i(3)};
     }},

    {"rope", "with an even head_dim",
     [](Operands o) {
       return std::vector{o.f(2, 3, 1, 5), o.i(2, 3)};
     }},
    {"rope", "input 1 must have shape [2, 3]",
     [](Operands o) {
       return std::vector{o.f(2, 3, 1, 4), o.i(2, 1)};
     }},
    {"rope",
     "max_position must be positive",
     [](Operands o) {
       return std::vector{o.f(2, 3, 1, 4), o.i(2, 3)};
     },
     {{"max_position", int64_t{0}}}},
    {"attention", "k and v alike",
     [](Operands o) {
       return std::vector{o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.f(1, 3, 1, 4), o.i(1, 3), o.i(1)};
     }},
    {"attention", "the same batch and head_dim",
     [](Operands o) {
       return std::vector{o.f(1, 3, 2, 4), o.f(1, 3, 2, 6), o.f(1, 3, 2, 6), o.i(1, 3), o.i(1)};
     }},
    {"attention", "a multiple of the key heads",
     [](Operands o) {
       return std::vector{o.f(1, 3, 3, 4), o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.i(1, 3), o.i(1)};
     }},
    {"attention", "a multiple of the key heads",
     [](Operands o) {
       return std::vector{o.f(1, 3, 3, 4), o.f(1, 3, 0, 4), o.f(1, 3, 0, 4), o.i(1, 3), o.i(1)};
     }},
    {"attention", "input 5 must have shape [1, 3]",
     [](Operands o) {
       return std::vector{o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.i(1, 3), o.i(1), o.i(1)};
     }},
    {"attention",
     "window must be 0 (all keys)",
     [](Operands o) {
       return std::vector{o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.f(1, 3, 2, 4), o.i(1, 3), o.i(1)};
     },
     {{"window", int64_t{-1}}}},
    {"choose_experts",
     "at most the number of experts",
     [](Operands o) { return std::vector{o.f(2, 3)}; },
     {{"k", int64_t{4}}}},
    {"expert_linear", "must be [experts, out, in]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 3), o.i(2, 1)};
     }},
    {"expert_linear", "or [..., k, in] for the choices [..., k]",
     [](Operands o) {
       return std::vector{o.f(2, 2, 3), o.f(4, 5, 3), o.i(2, 1)};
     }},
    {"expert_linear", "input 3 must have shape [4, 5]",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(4, 5, 3), o.i(2, 1), o.f(5)};
     }},
    {"expert_sum", "weights [..., k]",
     [](Operands o) {
       return std::vector{o.f(2, 3, 5), o.f(2, 4)};
     }},
    {"clamped_swiglu", "must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(3)};
     }},
    {"attention_grad",
     "input 4 must have shape [1, 2, 3], found [1, 3, 2]",
     [](Operands o) {
       const Val x = o.f(1, 3, 2, 4);
       return std::vector{x, x, x, x, o.f(1, 3, 2), x, o.i(1, 3), o.i(1)};
     },
     {{"window", int64_t{0}}}},

    {"softcap", "cap must be positive", [](Operands o) { return std::vector{o.f(2)}; }, {{"cap", 0.0}}},
    {"softcap_grad", "must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.f(3)};
     }},
    {"cross_entropy", "one target a row",
     [](Operands o) {
       return std::vector{o.f(2, 7), o.i(3)};
     }},
    {"cross_entropy", "input 1 must be i32",
     [](Operands o) {
       return std::vector{o.f(2, 7), o.f(2)};
     }},
    {"cross_entropy", "input 0 must have at least one axis",
     [](Operands o) {
       return std::vector{o.scalar(), o.i(1)};
     }},
    {"cross_entropy_grad", "inputs 1 and 2 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2, 7), o.i(2), o.f(3)};
     }},
    {"masked_mean", "inputs 0 and 1 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2), o.i(3)};
     }},
    {"masked_mean_grad", "input 1 must have shape [1]",
     [](Operands o) {
       return std::vector{o.i(2), o.f(2)};
     }},
    {"head_loss", "must equal the head weight's second",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(7, 4), o.i(2)};
     }},
    {"head_loss_train", "inputs 2 and 3 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(7, 3), o.i(2), o.f(1)};
     }},
    {"head_loss_train", "inputs 1 and 4 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(2, 3), o.f(7, 3), o.i(2), o.f(2), o.f(3, 7)};
     }},

    {"sum_squares", "found 0", [](Operands) { return std::vector<Val>{}; }},
    {"clip_scale", "input 1 must have shape [2]",
     [](Operands o) {
       return std::vector{o.f(1), o.f(1)};
     }},
    {"adamw",
     "expected 6 to 6 inputs, found 5",
     [](Operands o) {
       return std::vector{o.f(3), o.f(3), o.f(3), o.f(3), o.f(2)};
     },
     {{"n", int64_t{1}}}},
    {"adamw",
     "at least one parameter",
     [](Operands o) {
       return std::vector{o.f(2), o.f(6)};
     },
     {{"n", int64_t{0}}}},
    {"adamw",
     "inputs 0 and 3 must have the same shape",
     [](Operands o) { return std::vector{o.f(3), o.f(3), o.f(3), o.f(2), o.f(2), o.f(6)}; },
     {{"n", int64_t{1}}}},
    {"adamw",
     "input 5 must have shape [6]",
     [](Operands o) { return std::vector{o.f(3), o.f(3), o.f(3), o.f(3), o.f(2), o.f(4)}; },
     {{"n", int64_t{1}}}},
    {"muon",
     "Muon takes matrices",
     [](Operands o) { return std::vector{o.f(3), o.f(3), o.f(3), o.f(3), o.f(2), o.f(4)}; },
     {{"n", int64_t{1}}}},
    {"muon",
     "input 3 must have shape [5], found [3]",
     [](Operands o) { return std::vector{o.f(3, 5), o.f(3, 5), o.f(3, 5), o.f(3), o.f(2), o.f(4)}; },
     {{"n", int64_t{1}}}},
    {"accumulate", "inputs 0 and 1 must have the same shape",
     [](Operands o) {
       return std::vector{o.f(3), o.f(2)};
     }},
    {"accumulate", "input 2 must have shape [1]",
     [](Operands o) {
       return std::vector{o.f(3), o.f(3), o.f(3)};
     }},

    {"kv_write", "must agree",
     [](Operands o) {
       return std::vector{o.f(2, 9, 2, 4), o.f(2, 3, 1, 4), o.i(2, 3)};
     }},
    {"kv_write", "input 2 must have shape [2, 3]",
     [](Operands o) {
       return std::vector{o.f(2, 9, 2, 4), o.f(2, 3, 2, 4), o.i(2, 9)};
     }},

    {"all_reduce", "found 2",
     [](Operands o) {
       return std::vector{o.f(2), o.f(2)};
     }},
    {"reduce_scatter",
     "must divide by the number of ranks",
     [](Operands o) { return std::vector{o.f(5, 2)}; },
     {{"ranks", int64_t{2}}}},
    {"all_gather", "at least one rank", [](Operands o) { return std::vector{o.f(5, 2)}; }, {{"ranks", int64_t{0}}}},
    {"transfer", "found 0", [](Operands) { return std::vector<Val>{}; }},
};

TEST(ShapeRule, NamesTheOpAndWhatIsWrongWithItsOperands) {
  for (const WrongCall& call : kWrongCalls) {
    Graph g;
    std::string message = "no error";
    try {
      g.add(call.op, call.inputs(Operands(g)), call.attrs);
    } catch (const Error& e) {
      message = e.what();
    }
    EXPECT_THAT(message, StartsWith(std::string(call.op) + ": ")) << call.sentence;
    EXPECT_THAT(message, HasSubstr(call.sentence)) << call.op;
    EXPECT_TRUE(g.nodes().empty()) << call.op;
  }
}

TEST(ShapeRule, OfEveryOpIsTested) {
  std::set<std::string_view> tested;
  for (const WrongCall& call : kWrongCalls) tested.insert(call.op);
  for (const OpDef* op : all_ops()) EXPECT_TRUE(tested.count(op->name)) << op->name;
}

class OutputTypes : public testing::Test {
 protected:
  std::string types(std::string_view op, std::vector<Val> inputs, Attrs attrs = {}) {
    std::string out;
    for (Val v : g_.add(op, std::move(inputs), std::move(attrs))) out += g_.type(v).str();
    return out;
  }
  Graph g_;
  Operands o_{g_};
};

TEST_F(OutputTypes, OfLinearsKeepLeadingAxesAndTakeEachWeightsRows) {
  EXPECT_EQ(types("linear", {o_.f(2, 3, 5), o_.f(7, 5)}), "f32[2, 3, 7]");
  EXPECT_EQ(types("linears", {o_.f(2, 5), o_.f(7, 5), o_.f(1, 5)}), "f32[2, 7]f32[2, 1]");
  EXPECT_EQ(types("linears_grad_x", {o_.f(2, 3, 7), o_.f(7, 5)}), "f32[2, 3, 5]");
  EXPECT_EQ(types("linear_grad_w", {o_.f(2, 3, 7), o_.f(2, 3, 5)}), "f32[7, 5]");
  EXPECT_EQ(types("linear_grad_w", {o_.f(6, 7), o_.f(6, 5), o_.f(7, 5)}), "");
  EXPECT_EQ(types("norm_linears", {o_.f(2, 5), Val{}, o_.f(7, 5)}, {{"eps", 1e-5}}), "f32[2, 7]");
}

TEST_F(OutputTypes, OfRowsFromA16BitTableAreF32) {
  const Val table = g_.state("table", {DType::bf16, {5, 3}});
  EXPECT_EQ(types("embedding", {table, o_.i(2, 4)}), "f32[2, 4, 3]");
}

TEST_F(OutputTypes, OfAttentionAreItsResultAndOneSumAHeadAndQuery) {
  const Val q = o_.f(2, 3, 4, 8), k = o_.f(2, 9, 2, 8);
  EXPECT_EQ(types("attention", {q, k, k, o_.i(2, 3), o_.i(2)}, {{"window", int64_t{0}}, {"scale", 1.0}}),
            "f32[2, 3, 4, 8]f32[2, 4, 3]");
}

TEST_F(OutputTypes, OfScalarsThatVaryPerRunAreF64) {
  EXPECT_EQ(types("masked_mean", {o_.f(2, 3), o_.i(2, 3)}), "f64[1]");
  EXPECT_EQ(types("sum_squares", {o_.f(2, 3)}), "f64[1]");
  EXPECT_EQ(types("clip_scale", {o_.f(1), o_.f(2)}), "f64[2]");
}

TEST_F(OutputTypes, OfCollectivesDivideOrMultiplyTheFirstAxis) {
  EXPECT_EQ(types("reduce_scatter", {o_.f(6, 2)}, {{"ranks", int64_t{3}}}), "f32[2, 2]");
  EXPECT_EQ(types("all_gather", {o_.f(2, 2)}, {{"ranks", int64_t{3}}}), "f32[6, 2]");
}

TEST(Ops, AnUnknownNameIsAnErrorThatNamesIt) {
  Graph g;
  EXPECT_THAT([&] { g.add("matmul", {}); }, testing::ThrowsMessage<Error>(HasSubstr("no op named 'matmul'")));
}

TEST(Ops, AParameterGroupWithAMissingMomentIsAnError) {
  Graph g;
  Operands o(g);
  const ParamGroup group{{o.f(3)}, {o.f(3)}, {o.f(3)}, {}};
  EXPECT_THAT([&] { adamw(g, group, o.f(2), o.f(6)); },
              testing::ThrowsMessage<Error>(HasSubstr("adamw: a parameter group needs as many")));
}

TEST(Ops, HaveDocumentationAndDistinctNames) {
  std::set<std::string_view> names;
  for (const OpDef* op : all_ops()) {
    EXPECT_TRUE(names.insert(op->name).second) << op->name;
    EXPECT_GE(op->doc.size(), 20u) << op->name;
    EXPECT_TRUE(op->infer) << op->name;
  }
}

}  // namespace
}  // namespace propane
