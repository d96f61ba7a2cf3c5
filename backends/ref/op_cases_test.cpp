// What holds for every op, on the cases of tests/op_cases.h.
#include "tests/op_cases.h"

#include <set>

#include "backends/ref/ref_device.h"

namespace propane::op_testing {
namespace {

class EveryOp : public ::testing::TestWithParam<OpCase> {
 protected:
  std::shared_ptr<Device> ref_ = make_ref_device();
};
class OneOp : public EveryOp {};
class Gradient : public EveryOp {};

std::vector<OpCase> one_op_cases() {
  std::vector<OpCase> cases;
  for (const OpCase& op_case : op_cases())
    if (op_case.built(DType::f64).graph.nodes().size() == 1) cases.push_back(op_case);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Op, EveryOp, ::testing::ValuesIn(op_cases()), op_case_name);
INSTANTIATE_TEST_SUITE_P(Op, OneOp, ::testing::ValuesIn(one_op_cases()), op_case_name);
INSTANTIATE_TEST_SUITE_P(Op, Gradient, ::testing::ValuesIn(differentiable_op_cases()), op_case_name);

std::set<std::string_view> ops_of(const std::vector<OpCase>& cases, bool with_gradients) {
  std::set<std::string_view> names;
  for (const OpCase& op_case : cases) {
    CaseBuilder b = op_case.built(DType::f64);
    if (with_gradients && has_gradients(b.graph)) add_gradients(b);
    for (const Node& node : b.graph.nodes()) names.insert(node.op->name);
  }
  return names;
}

TEST(OpCases, CoverEveryOpThatADeviceRuns) {
  const auto covered = ops_of(op_cases(), true);
  for (const OpDef* op : all_ops()) EXPECT_EQ(covered.count(op->name), op->name == "transfer" ? 0u : 1u) << op->name;
}

TEST(OpCases, CheckEveryGradientRule) {
  const auto covered = ops_of(differentiable_op_cases(), false);
  for (const OpDef* op : all_ops()) EXPECT_TRUE(!op->gradient || covered.count(op->name)) << op->name;
}

// Memory is full of NaN before a run.
TEST_P(EveryOp, WritesEveryElementOfItsOutputs) {
  const CaseBuilder b = GetParam().built(DType::f64);
  for (const auto& [name, values] : b.run(*ref_))
    for (double x : values.data) EXPECT_TRUE(std::isfinite(x)) << name;
}

TEST_P(OneOp, RoundsItsResultsOnce) {
  CaseBuilder narrow = GetParam().built(DType::f32);
  CaseBuilder wide = GetParam().built(DType::f64);
  for (auto& [name, values] : wide.values) values.data = narrow.values.at(name).data;
  Tensors expected = wide.run(*ref_);
  const Tensors actual = narrow.run(*ref_);
  for (auto& [name, values] : expected) {
    const Type& type = actual.at(name).type;
    const Values rounded{type, values.data};
    EXPECT_EQ(relative_error(actual.at(name), Values::decode(type, rounded.encode())), 0.0) << name;
  }
}

TEST_P(EveryOp, GivesTheSameWhereAnOutputTakesTheMemoryOfAnOperand) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    CaseBuilder b = GetParam().built(dtype);
    if (has_gradients(b.graph)) add_gradients(b);
    expect_close(b.run(*ref_, {.share = true}), b.run(*ref_), 0.0);
  }
}

TEST_P(EveryOp, GivesTheSameWhenRunAgain) {
  const CaseBuilder b = GetParam().built(DType::f32);
  GraphRunner runner(*ref_, b.graph);
  const Tensors first = runner.run(b.values);
  expect_close(runner.run(b.values), first, 0.0);
}

TEST_P(Gradient, MatchesCentralDifferences) { expect_gradients_match(*ref_, GetParam()); }

TEST_P(Gradient, OfZeroIsZero) {
  CaseBuilder b = GetParam().built(DType::f64);
  add_gradients(b);
  for (auto& [name, values] : b.values)
    if (name.starts_with("d_")) std::fill(values.data.begin(), values.data.end(), 0.0);
  for (const auto& [name, values] : b.run(*ref_)) {
    if (!name.starts_with("grad_")) continue;
    for (double x : values.data) EXPECT_EQ(x, 0.0) << name;
  }
}

TEST_P(Gradient, IsLinearInWhatComesIn) {
  CaseBuilder b = GetParam().built(DType::f64);
  add_gradients(b);
  GraphRunner runner(*ref_, b.graph);
  Tensors first = b.values, second = b.values, both = b.values;
  for (auto& [name, values] : both) {
    if (!name.starts_with("d_")) continue;
    second[name].data = b.normal("second " + name, values.type.shape, 1.0);
    for (size_t i = 0; i < values.data.size(); ++i) values.data[i] = first[name].data[i] - 3.0 * second[name].data[i];
  }
  const Tensors g1 = runner.run(first), g2 = runner.run(second);
  Tensors expected;
  for (const auto& [name, values] : g1) {
    if (!name.starts_with("grad_")) continue;
    expected[name] = values;
    for (size_t i = 0; i < values.data.size(); ++i) expected[name].data[i] -= 3.0 * g2.at(name).data[i];
  }
  expect_close(runner.run(both), expected, 1e-13);
}

}  // namespace
}  // namespace propane::op_testing
