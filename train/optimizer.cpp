#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "graph/ops.h"

namespace propane::train {

namespace {

Type first_type(const Param& p) { return {p.dtype, p.shape}; }

Type second_type(const Group& group, const Param& p) {
  if (!group.muon) return {p.dtype, p.shape};
  return {p.dtype, {std::max(p.shape[0], p.shape[1])}};
}

std::vector<Group> muon_groups(const std::vector<Param>& params, const ModelConfig& model, const OptimizerConfig& o) {
  const double by_width = std::pow(static_cast<double>(model.dim) / 768.0, -0.5);
  std::vector<Group> groups;
  const auto adam = [&](const char* name, double lr, double beta1, double beta2) {
    groups.push_back({name, false, {}, lr, beta1, beta2, o.eps, 0.0});
  };
  adam("head", o.head_lr * by_width, o.beta1, o.beta2);
  adam("embedding", o.embedding_lr * by_width, o.beta1, o.beta2);
  adam("value_embedding", o.embedding_lr * by_width, o.beta1, o.beta2);
  adam("resid_scalar", 0.01 * o.scalar_lr, o.beta1, o.beta2);
  adam("x0_scalar", o.scalar_lr, 0.96, o.beta2);
  adam("vector", o.head_lr * by_width, o.beta1, o.beta2);  // norms and biases, which autoresearch's model has none of
  std::map<std::pair<int64_t, int64_t>, Group> by_shape;
  for (const Param& p : params) {
    switch (p.kind) {
      case ParamKind::head: groups[0].params.push_back(p); break;
      case ParamKind::embedding: groups[1].params.push_back(p); break;
      case ParamKind::value_embedding: groups[2].params.push_back(p); break;
      case ParamKind::resid_scalar: groups[3].params.push_back(p); break;
      case ParamKind::x0_scalar: groups[4].params.push_back(p); break;
      case ParamKind::norm:
      case ParamKind::bias: groups[5].params.push_back(p); break;
      case ParamKind::matrix: {
        const int64_t rows = p.shape[0], cols = p.shape[1];
        Group& group = by_shape[{rows, cols}];
        if (group.params.empty()) {
          const double tall = std::sqrt(std::max(1.0, static_cast<double>(rows) / static_cast<double>(cols)));
          group = {
              fmt::format("muon.{}x{}", rows, cols), true, {}, o.matrix_lr * tall, 0, o.muon_beta2, 0, o.weight_decay};
        }
        group.params.push_back(p);
      }
    }
  }
  for (auto& [shape, group] : by_shape) groups.push_back(std::move(group));
  std::erase_if(groups, [](const Group& group) { return group.params.empty(); });
  return groups;
}

std::vector<Group> adamw_groups(const std::vector<Param>& params, const OptimizerConfig& o) {
  std::vector<Group> groups;
  const auto adam = [&](const char* name, double factor, double weight_decay) {
    groups.push_back({name, false, {}, o.lr * factor, o.beta1, o.beta2, o.eps, weight_decay});
  };
  adam("matrix", o.matrix_lr_factor, o.weight_decay);
  adam("head", 1.0, o.weight_decay);
  adam("embedding", o.embedding_lr_factor, o.decay_embeddings ? o.weight_decay : 0.0);
  adam("vector", o.norm_lr_factor, 0.0);
  for (const Param& p : params) {
    const bool embedding = p.kind == ParamKind::embedding || p.kind == ParamKind::value_embedding;
    const size_t g = p.kind == ParamKind::matrix ? 0 : p.kind == ParamKind::head ? 1 : embedding ? 2 : 3;
    groups[g].params.push_back(p);
  }
  std::erase_if(groups, [](const Group& group) { return group.params.empty(); });
  return groups;
}

}  // namespace

std::string grad_name(const std::string& param) { return "grad." + param; }
std::string first_name(const std::string& param) { return "first." + param; }
std::string second_name(const std::string& param) { return "second." + param; }

std::vector<Group> parameter_groups(const ModelConfig& model, const OptimizerConfig& optimizer) {
  const auto params = parameters(model);
  return optimizer.kind == OptimizerKind::muon ? muon_groups(params, model, optimizer)
                                               : adamw_groups(params, optimizer);
}

std::vector<double> hyper_values(const Group& group, const OptimizerConfig& o, double lr_multiplier, double progress,
                                 int64_t step) {
  const double decay = o.decay_to_zero ? train::weight_decay(group.weight_decay, progress) : group.weight_decay;
  const double lr = group.lr * lr_multiplier;
  if (!group.muon) return {lr, group.beta1, group.beta2, group.eps, decay, static_cast<double>(step + 1)};
  const double share = std::min(1.0, static_cast<double>(step) / static_cast<double>(o.momentum_steps));
  return {lr, o.momentum_start + share * (o.momentum_end - o.momentum_start), group.beta2, decay};
}

std::vector<std::pair<std::string, Type>> optimizer_state(const std::vector<Group>& groups) {
  std::vector<std::pair<std::string, Type>> list;
  for (const Group& group : groups)
    for (const Param& p : group.params) {
      list.emplace_back(first_name(p.name), first_type(p));
      list.emplace_back(second_name(p.name), second_type(group, p));
    }
  return list;
}

Graph build_update(const std::vector<Group>& groups, int ranks) {
  Graph g;
  g.set_scope("update");
  const auto grad_type = [](const Param& p) { return Type{p.dtype == DType::bf16 ? DType::f32 : p.dtype, p.shape}; };
  std::vector<Val> grads;
  std::map<std::string, Val> grad_of;
  for (const Group& group : groups)
    for (const Param& p : group.params) {
      Val grad = g.state(grad_name(p.name), grad_type(p));
      if (ranks > 1) grad = scale(g, all_reduce(g, grad), 1.0 / ranks);
      grad_of[p.name] = grad;
      grads.push_back(grad);
    }
  const Val squares = sum_squares(g, grads);
  const Val grad_scale = clip_scale(g, squares, g.input("limits", {DType::f64, {2}}));
  g.output("grad_norm2", squares);
  g.output("grad_scale", grad_scale);
  for (const Group& group : groups) {
    ParamGroup list;
    for (const Param& p : group.params) {
      list.params.push_back(g.state(p.name, {p.dtype, p.shape}));
      list.grads.push_back(grad_of[p.name]);
      list.first.push_back(g.state(first_name(p.name), first_type(p)));
      list.second.push_back(g.state(second_name(p.name), second_type(group, p)));
    }
    const Val hyper = g.input("hyper." + group.name, {DType::f64, {group.muon ? 4 : 6}});
    if (group.muon) muon(g, list, grad_scale, hyper);
    else adamw(g, list, grad_scale, hyper);
  }
  return g;
}

}  // namespace propane::train
