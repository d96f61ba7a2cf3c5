#include "train/step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "graph/autodiff.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/passes/passes.h"
#include "models/model.h"

namespace propane::train {

Graph build_micro_step(const ModelConfig& model, int64_t rows, bool documents) {
  Graph g;
  const Trunk trunk = build_trunk(g, model, {rows, model.seq, 0, documents});
  const Val targets = g.input("targets", {DType::i32, {rows, model.seq}});
  const Val nats = cross_entropy(g, build_logits(g, model, trunk.x, trunk.head), targets);
  const Val loss = masked_mean(g, nats, targets);
  g.output("loss", loss);

  const auto params = parameters(model);
  std::vector<Val> wanted;
  for (const Param& p : params) {
    const Val v = g.find(p.name);
    if (!v) fail("the model's graph has no parameter '{}'", p.name);
    wanted.push_back(v);
  }
  const Seed seed{loss, g.input("seed", {DType::f64, {1}})};
  const auto grads = gradients(g, {&seed, 1}, wanted);

  const Val keep = g.input("keep", {DType::f64, {1}});
  g.set_scope("accumulate");
  for (size_t i = 0; i < params.size(); ++i) {
    if (grads[i].empty()) fail("nothing of the loss depends on parameter '{}'", params[i].name);
    const Val into = g.state(grad_name(params[i].name), g.type(grads[i][0]));
    for (size_t part = 0; part < grads[i].size(); ++part) accumulate(g, into, grads[i][part], part == 0 ? keep : Val{});
  }
  return g;
}

Graph build_eval(const ModelConfig& model, int64_t rows, bool documents) {
  Graph g;
  const Trunk trunk = build_trunk(g, model, {rows, model.seq, 0, documents});
  const Val targets = g.input("targets", {DType::i32, {rows, model.seq}});
  g.output("nats", cross_entropy(g, build_logits(g, model, trunk.x, trunk.head), targets));
  return g;
}

bool all_take(std::span<Device* const> devices, const Graph& graph, const Node& node) {
  return std::all_of(devices.begin(), devices.end(), [&](Device* d) { return d->takes(graph, node); });
}

namespace {

// Worth computing twice rather than keeping: what they read is kept anyway for the gradients, and of the products only
// the smallest, attention's square output projection, which with its residual sum gives a layer's middle again.
bool is_cheap(const Graph& graph, const Node& node) {
  for (const char* op : {"rms_norm", "layer_norm", "activation", "swiglu", "add"})
    if (node.op->name == op) return true;
  if (node.op->name != "linear") return false;
  const Shape& w = graph.shape(node.inputs[1]);
  return w[0] == w[1];
}

}  // namespace

TrainStep::TrainStep(const RunConfig& config, State& state, std::vector<Device*> devices, int ranks)
    : optimizer_(config.optimizer),
      rows_(config.rows),
      seq_(config.model.seq),
      accumulate_(config.accumulate),
      documents_(config.mask_documents),
      groups_(parameter_groups(config.model, config.optimizer)) {
  Graph micro = build_micro_step(config.model, config.rows, config.mask_documents);
  if (config.recompute != Recompute::none)
    checkpoint_activations(micro, [&](const Node& node) {
      if (!node.scope.starts_with("layers.")) return false;
      return config.recompute == Recompute::layers || is_cheap(micro, node);
    });
  fuse(micro, [&](const Graph& g, const Node& node) { return all_take(devices, g, node); });
  micro_ = std::make_unique<Plan>(std::move(micro), state, PlanOptions{devices, false});
  update_ = std::make_unique<Plan>(build_update(groups_, ranks), state, PlanOptions{devices, false});
  micro_->set("kv_len", std::vector<int32_t>(static_cast<size_t>(rows_), static_cast<int32_t>(seq_)));
}

double TrainStep::micro_step(const Rows& rows, int64_t micro, double loss_scale) {
  micro_->set("tokens", rows.tokens);
  micro_->set("targets", rows.targets);
  micro_->set("positions", rows.positions);
  if (documents_) micro_->set("doc_start", rows.doc_start);
  micro_->set_scalar("seed", loss_scale / static_cast<double>(accumulate_));
  micro_->set_scalar("keep", micro == 0 ? 0.0 : 1.0);
  micro_->run();
  return micro_->read_scalar("loss");
}

TrainStep::Update TrainStep::update(double lr_multiplier, double progress, int64_t step, double loss_scale) {
  const double limits[2] = {optimizer_.clip, 1.0 / loss_scale};
  update_->set("limits", std::span<const double>(limits));
  for (const Group& group : groups_)
    update_->set("hyper." + group.name, hyper_values(group, optimizer_, lr_multiplier, progress, step));
  update_->run();
  double scale[2];
  update_->read("grad_scale", std::span<double>(scale));
  return {std::sqrt(update_->read_scalar("grad_norm2")) / loss_scale, scale[1] != 0.0};
}

void initialize_parameters(const ModelConfig& model, uint64_t seed, State& state, Device& device) {
  // In pieces: a whole embedding table in double would be the run's peak of memory on a small machine.
  constexpr int64_t kPiece = 1 << 16;
  std::vector<double> values;
  std::vector<float> floats;
  std::vector<uint16_t> halves;
  for (const Param& p : parameters(model)) {
    State::Tensor& tensor = state.get(p.name, {p.dtype, p.shape}, device);
    const auto upload = [&](int64_t first, const auto& piece) {
      const size_t size = sizeof piece[0];
      device.upload({tensor.buffer.get(), static_cast<size_t>(first) * size}, piece.data(), piece.size() * size);
    };
    for (int64_t first = 0, n = p.shape.count(); first < n; first += kPiece) {
      values.resize(static_cast<size_t>(std::min(kPiece, n - first)));
      initialize(p, seed, values, first);
      if (p.dtype == DType::f64) {
        upload(first, values);
      } else if (p.dtype == DType::f32) {
        floats.assign(values.begin(), values.end());
        upload(first, floats);
      } else if (p.dtype == DType::bf16) {
        halves.clear();
        for (double v : values) halves.push_back(float_to_bf16(static_cast<float>(v)));
        upload(first, halves);
      } else {
        fail("parameter '{}' cannot be initialised as {}", p.name, dtype_name(p.dtype));
      }
    }
    state.changed(p.name);
  }
}

}  // namespace propane::train
