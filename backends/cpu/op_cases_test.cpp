// Every op of the CPU device against the oracle, values and gradients, on the cases of tests/op_cases.h.
#include "tests/op_cases.h"

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/kernels/select.h"
#include "backends/ref/ref_device.h"

namespace propane::op_testing {
namespace {

// ‖out − ref‖ / ‖ref‖ of any tensor: float32 sums of at most some hundred terms. Muon's five squarings of a matrix lose
// a digit more, and so does the gradient of a norm over one element, 1 − x̂², of which little is left.
double bound(const OpCase& op_case) {
  if (op_case.name.starts_with("muon")) return 1e-4;
  return op_case.name.find("norm_dim_1") != std::string::npos ? 3e-5 : 3e-6;
}

class CpuOp : public ::testing::TestWithParam<OpCase> {
 protected:
  void expect_like_ref(const CaseBuilder& b, RunOptions options = {}) {
    for (const Node& node : b.graph.nodes())
      ASSERT_TRUE(node.op->is_view || cpu_->takes(b.graph, node)) << node.op->name;
    expect_close(b.run(*cpu_, options), b.run(*ref_), bound(GetParam()));
  }
  std::shared_ptr<Device> cpu_ = make_cpu_device(), ref_ = make_ref_device();
};
INSTANTIATE_TEST_SUITE_P(Op, CpuOp, ::testing::ValuesIn(op_cases()), op_case_name);

TEST_P(CpuOp, IsLikeTheOracle) { expect_like_ref(GetParam().built(DType::f32)); }

TEST_P(CpuOp, IsLikeTheOracleWithItsOwnWeightLayout) {
  expect_like_ref(GetParam().built(DType::f32), {.prepare_weights = true});
}

TEST_P(CpuOp, HasGradientsLikeTheOracleWhereOutputsTakeTheMemoryOfOperands) {
  CaseBuilder b = GetParam().built(DType::f32);
  if (has_gradients(b.graph)) add_gradients(b);
  expect_like_ref(b, {.share = true});
}

// Those that no test of a kernel takes to every instruction set.
TEST(CpuOpsOfInference, AreLikeTheOracleOnEveryTarget) {
  const auto ref = make_ref_device();
  for (const std::string_view target : cpu::available_targets()) {
    const cpu::ScopedTarget scoped(target);
    const auto device = make_cpu_device();
    for (const OpCase& op_case : op_cases()) {
      const bool chosen = op_case.name.starts_with("expert_") || op_case.name.starts_with("clamped_") ||
                          op_case.name.starts_with("attention_softcap") || op_case.name.starts_with("attention_sinks");
      if (!chosen) continue;
      SCOPED_TRACE(op_case.name + " on " + std::string(target));
      const CaseBuilder b = op_case.built(DType::f32);
      expect_close(b.run(*device), b.run(*ref), bound(op_case));
    }
  }
}

}  // namespace
}  // namespace propane::op_testing
