// A small graph for every op of the vocabulary, odd shapes and corner cases included: for the oracle's gradients, and
// to hold another device to the oracle. op_cases_test in backends/ref/ fails when an op is in none of them.
#pragma once

#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "tests/op_testing.h"

namespace propane::op_testing {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

inline std::vector<double> numbers(int64_t count, double value) {
  return std::vector<double>(static_cast<size_t>(count), value);
}

// 0, 1, 2, ... repeated for every row: the positions of whole sequences.
inline std::vector<double> positions(int64_t batch, int64_t seq, int64_t from = 0) {
  std::vector<double> out;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < seq; ++t) out.push_back(static_cast<double>(from + t));
  return out;
}

inline void append_linear_cases(std::vector<OpCase>& cases) {
  auto add_case = [&](const char* name, std::function<void(CaseBuilder&)> build) { cases.push_back({name, build}); };
  add_case("linear_bias", [](CaseBuilder& b) {
    b.output("y", linear(b.graph, b.input("x", {2, 3, 5}), b.weight("w", {7, 5}), b.weight("bias", {7})));
  });
  add_case("linear_one_row", [](CaseBuilder& b) {
    b.output("y", linear(b.graph, b.input("x", {5}), b.weight("w", {3, 5})));
  });
  add_case("linear_one_column", [](CaseBuilder& b) {
    b.output("y", linear(b.graph, b.input("x", {4, 1}), b.weight("w", {1, 1})));
  });
  add_case("linear_odd_sizes", [](CaseBuilder& b) {
    b.output("y", linear(b.graph, b.input("x", {3, 37}), b.weight("w", {19, 37})));
  });
  add_case("linear_twice_the_same_weight", [](CaseBuilder& b) {
    const Val w = b.weight("w", {4, 4});
    b.output("y", linear(b.graph, linear(b.graph, b.input("x", {3, 4}), w), w));
  });
  add_case("linears", [](CaseBuilder& b) {
    const Val x = b.input("x", {2, 3, 5});
    const auto y =
        linears(b.graph, x, std::vector{b.weight("w1", {7, 5}), b.weight("w2", {1, 5}), b.weight("w3", {4, 5})});
    for (size_t i = 0; i < y.size(); ++i) b.output("y" + std::to_string(i), y[i]);
  });
  add_case("linears_grad_x", [](CaseBuilder& b) {
    b.output("dx", linears_grad_x(b.graph, std::vector{b.input("dy1", {2, 3, 7}), b.input("dy2", {2, 3, 4})},
                                  std::vector{b.weight("w1", {7, 5}), b.weight("w2", {4, 5})}));
  });
  add_case("linear_grad_w_into", [](CaseBuilder& b) {
    linear_grad_w(b.graph, b.input("dy", {2, 3, 7}), b.input("x", {2, 3, 5}), b.weight("into", {7, 5}));
  });
  add_case("linear_grad_w_into_keep_0", [](CaseBuilder& b) {
    linear_grad_w(b.graph, b.input("dy", {6, 7}), b.input("x", {6, 5}),
                  b.state("into", {b.dtype, {7, 5}}, numbers(35, kNaN)), b.scalars("keep", {0}));
  });
  add_case("linear_grad_w_into_keep_1", [](CaseBuilder& b) {
    linear_grad_w(b.graph, b.input("dy", {6, 7}), b.input("x", {6, 5}), b.weight("into", {7, 5}),
                  b.scalars("keep", {1}));
  });
  add_case("column_sum_into_keep_0", [](CaseBuilder& b) {
    column_sum(b.graph, b.input("dy", {2, 3, 7}), b.state("into", {b.dtype, {7}}, numbers(7, kNaN)),
               b.scalars("keep", {0}));
  });
  add_case("column_sum_into_keep_1", [](CaseBuilder& b) {
    column_sum(b.graph, b.input("dy", {2, 3, 7}), b.weight("into", {7}), b.scalars("keep", {1}));
  });
  for (const bool keep : {false, true})
    add_case(keep ? "gated_linear_keep_parts" : "gated_linear", [keep](CaseBuilder& b) {
      const auto [h, gate, up] =
          gated_linear(b.graph, b.input("x", {2, 3, 5}), b.weight("wg", {7, 5}), b.weight("wu", {7, 5}), keep);
      b.output("h", h);
      if (keep) b.output("gate", gate), b.output("up", up);
    });
  for (const bool gain : {false, true})
    add_case(gain ? "norm_linears_gain" : "norm_linears", [gain](CaseBuilder& b) {
      const auto y = norm_linears(b.graph, b.input("x", {2, 3, 5}), gain ? b.weight("gain", {5}) : Val{}, 1e-5,
                                  std::vector{b.weight("w1", {7, 5}), b.weight("w2", {2, 5})});
      b.output("y1", y[0]);
      b.output("y2", y[1]);
    });
}

inline void append_elementwise_cases(std::vector<OpCase>& cases) {
  auto add_case = [&](const std::string& name, std::function<void(CaseBuilder&)> build) {
    cases.push_back({name, build});
  };
  add_case("add", [](CaseBuilder& b) { b.output("z", add(b.graph, b.input("x", {3, 5}), b.input("y", {3, 5}))); });
  add_case("add_alpha",
           [](CaseBuilder& b) { b.output("z", add(b.graph, b.input("x", {37}), b.input("y", {37}), 0.25)); });
  add_case("add_to_itself", [](CaseBuilder& b) {
    const Val x = b.input("x", {3, 5});
    b.output("z", add(b.graph, x, x, -0.5));
  });
  add_case("scale", [](CaseBuilder& b) { b.output("y", scale(b.graph, b.input("x", {3, 5}), -1.75)); });
  add_case("multiply", [](CaseBuilder& b) {
    b.output("z", multiply(b.graph, b.input("x", {3, 5}), b.input("y", {3, 5})));
  });
  add_case("mix", [](CaseBuilder& b) {
    b.output("z", mix(b.graph, b.input("x", {3, 5}), b.weight("a", {1}), b.input("y", {3, 5}), b.weight("b", {1})));
  });
  for (const std::string kind : {"relu2", "gelu_tanh", "gelu", "silu", "sigmoid"})
    add_case("activation_" + kind, [kind](CaseBuilder& b) {
      std::vector<double> x = b.normal("x", {3, 37}, 2.0);
      for (double& v : x)
        if (std::fabs(v) < 0.0625) v += 0.125;  // relu2 has no second derivative at 0: keep the stencil off it
      b.output("y", activation(b.graph, b.given("x", {b.dtype, {3, 37}}, x), kind));
    });
  add_case("swiglu", [](CaseBuilder& b) {
    b.output("h", swiglu(b.graph, b.input("gate", {3, 13}), b.input("up", {3, 13})));
  });
  add_case("value_gate", [](CaseBuilder& b) {
    b.output("y",
             value_gate(b.graph, b.input("v", {2, 3, 2, 5}), b.input("ve", {2, 3, 2, 5}), b.input("gate", {2, 3, 2})));
  });
  add_case("slice_first", [](CaseBuilder& b) { b.output("y", slice_last(b.graph, b.input("x", {2, 3, 7}), 0, 3)); });
  add_case("slice_last", [](CaseBuilder& b) { b.output("y", slice_last(b.graph, b.input("x", {2, 3, 7}), 6, 1)); });
  add_case("slice_all", [](CaseBuilder& b) { b.output("y", slice_last(b.graph, b.input("x", {7}), 0, 7)); });
  add_case("reshape", [](CaseBuilder& b) {
    b.output("y", scale(b.graph, reshape(b.graph, b.input("x", {2, 3, 4}), {6, 2, 2}), 3.0));
  });
  add_case("cast_to_itself", [](CaseBuilder& b) { b.output("y", cast(b.graph, b.input("x", {3, 5}), b.dtype)); });
}

inline void append_norm_cases(std::vector<OpCase>& cases) {
  struct Size {
    const char* name;
    Shape shape;
  };
  for (const auto& [name, shape] :
       {Size{"", {2, 3, 5}}, Size{"_one_row", {33}}, Size{"_dim_1", {4, 1}}, Size{"_dim_67", {2, 67}}})
    for (const bool optional : {false, true}) {
      const int64_t dim = shape.dim(-1);
      cases.push_back(
          {std::string("rms_norm") + name + (optional ? "_gain" : ""), [=, shape = shape](CaseBuilder& b) {
             b.output("y", rms_norm(b.graph, b.input("x", shape), optional ? b.weight("gain", {dim}) : Val{}, 1e-2));
           }});
      cases.push_back(
          {std::string("layer_norm") + name + (optional ? "_bias" : ""), [=, shape = shape](CaseBuilder& b) {
             b.output("y", layer_norm(b.graph, b.input("x", shape), b.weight("gain", {dim}),
                                      optional ? b.weight("bias", {dim}) : Val{}, 1e-2));
           }});
    }
}

inline void append_embedding_cases(std::vector<OpCase>& cases) {
  cases.push_back(
      {"embedding_repeated_ids", [](CaseBuilder& b) {
         b.output("y", embedding(b.graph, b.weight("table", {5, 3}), b.index("ids", {2, 3}, {4, 0, 2, 4, 4, 1})));
       }});
  cases.push_back({"embedding_grad_into_keep_0", [](CaseBuilder& b) {
                     b.graph.add("embedding_grad",
                                 {b.index("ids", {2, 2}, {4, 1, 4, 4}), b.input("dy", {2, 2, 3}),
                                  b.state("into", {b.dtype, {5, 3}}, numbers(15, kNaN)), b.scalars("keep", {0})},
                                 {{"vocab", int64_t{5}}});
                   }});
  cases.push_back({"embedding_grad_into_keep_1", [](CaseBuilder& b) {
                     b.graph.add("embedding_grad",
                                 {b.index("ids", {4}, {4, 1, 4, 4}), b.input("dy", {4, 3}), b.weight("into", {5, 3}),
                                  b.scalars("keep", {1})},
                                 {{"vocab", int64_t{5}}});
                   }});
  cases.push_back({"gather_rows", [](CaseBuilder& b) {
                     b.output("y", gather_rows(b.graph, b.input("x", {3, 4, 5}), b.index("index", {3}, {3, 0, 2})));
                   }});
}

// How a case of attention differs from whole sequences with one key head a query head.
struct AttentionSetting {
  const char* name;
  int64_t batch = 2, q_len = 5, keys = 5, heads = 2, kv_heads = 2, head_dim = 4, window = 0;
  std::vector<double> q_pos = {}, kv_len = {}, doc_start = {};  // empty: 0, 1, ...; all keys; left out
  double softcap = 0.0;
  bool sinks = false;
};

inline std::vector<AttentionSetting> attention_settings() {
  return {
      {.name = "causal"},
      {.name = "window_1", .window = 1},
      {.name = "window_3", .q_len = 9, .keys = 9, .window = 3},
      {.name = "grouped", .heads = 6, .kv_heads = 2, .head_dim = 6},
      {.name = "one_key_head", .heads = 3, .kv_heads = 1, .head_dim = 2},
      {.name = "odd_head_dim", .batch = 1, .q_len = 19, .keys = 19, .heads = 1, .kv_heads = 1, .head_dim = 3},
      {.name = "documents", .doc_start = {0, 0, 2, 2, 4, 0, 1, 1, 3, 3}},
      {.name = "documents_window", .window = 2, .doc_start = {0, 0, 0, 3, 3, 0, 0, 2, 2, 2}},
      {.name = "cache", .q_len = 2, .keys = 7, .q_pos = {3, 4, 5, 6}, .kv_len = {5, 7}},
      {.name = "decode", .batch = 3, .q_len = 1, .keys = 6, .heads = 4, .q_pos = {0, 5, 2}, .kv_len = {1, 6, 3}},
      {.name = "decode_window", .q_len = 1, .keys = 9, .window = 4, .q_pos = {8, 2}, .kv_len = {9, 3}},
      {.name = "padding", .q_len = 4, .keys = 4, .q_pos = {0, 1, 2, 3, 0, 1, -1, -1}, .kv_len = {4, 2}},
      {.name = "softcap", .q_len = 9, .keys = 9, .heads = 4, .window = 5, .softcap = 0.75},
      {.name = "softcap_decode", .q_len = 1, .keys = 150, .q_pos = {149, 2}, .kv_len = {150, 3}, .softcap = 2.0},
      {.name = "sinks", .q_len = 9, .keys = 9, .heads = 4, .window = 3, .sinks = true},
      {.name = "sinks_decode", .q_len = 1, .keys = 300, .q_pos = {299, 2}, .kv_len = {300, 3}, .sinks = true},
      {.name = "sinks_documents", .doc_start = {0, 0, 2, 2, 4, 0, 1, 1, 3, 3}, .softcap = 1.5, .sinks = true},
      {.name = "sees_nothing", .q_len = 3, .keys = 3, .kv_len = {3, 0}, .doc_start = {0, 2, 3, 0, 0, 0}},
  };
}

inline AttentionInputs attention_inputs(CaseBuilder& b, const AttentionSetting& s) {
  const Shape kv{s.batch, s.keys, s.kv_heads, s.head_dim};
  AttentionInputs in;
  in.q = b.input("q", {s.batch, s.q_len, s.heads, s.head_dim});
  in.k = b.input("k", kv);
  in.v = b.input("v", kv);
  in.q_pos = b.index("q_pos", {s.batch, s.q_len}, s.q_pos.empty() ? positions(s.batch, s.q_len) : s.q_pos);
  in.kv_len = b.index("kv_len", {s.batch}, s.kv_len.empty() ? numbers(s.batch, static_cast<double>(s.keys)) : s.kv_len);
  if (!s.doc_start.empty()) in.doc_start = b.index("doc_start", {s.batch, s.q_len}, s.doc_start);
  if (s.sinks) in.sinks = b.weight("sinks", {s.heads});
  return in;
}

inline void append_attention_cases(std::vector<OpCase>& cases) {
  for (const AttentionSetting& s : attention_settings())
    cases.push_back({std::string("attention_") + s.name, [s](CaseBuilder& b) {
                       b.output("o", attention(b.graph, attention_inputs(b, s), s.window, 0.625, s.softcap));
                     }});
  struct Rope {
    const char* name;
    RopeOptions options;
  };
  for (const auto& [name, options] : {
           Rope{"half_split", {.theta = 100.0, .max_position = 16}},
           Rope{"interleaved", {.theta = 100.0, .interleaved = true, .max_position = 16}},
           Rope{"transposed", {.theta = 100.0, .transposed_sign = true, .max_position = 16}},
           Rope{"partial", {.theta = 100.0, .max_position = 16, .rotary_dim = 4}},
           Rope{"partial_interleaved", {.theta = 100.0, .interleaved = true, .max_position = 16, .rotary_dim = 2}},
           Rope{"factors", {.theta = 100.0, .max_position = 16, .factors = {1.0, 1.25, 8.5}, .amplitude = 1.19}},
           Rope{"scaled", {.theta = 500000.0, .max_position = 16, .scaling_factor = 8, .original_max_position = 64}},
       })
    cases.push_back({std::string("rope_") + name, [options = options](CaseBuilder& b) {
                       const Val at = b.index("positions", {2, 3}, {0, 1, 2, 5, -1, 15});
                       b.output("y", rope(b.graph, b.input("x", {2, 3, 2, 6}), at, options));
                     }});
}

inline void append_expert_cases(std::vector<OpCase>& cases) {
  for (const bool normalize : {false, true})
    cases.push_back({normalize ? "choose_experts_normalized" : "choose_experts", [normalize](CaseBuilder& b) {
                       const ExpertChoice choice = choose_experts(b.graph, b.input("x", {2, 3, 7}), 3, normalize);
                       b.output("weights", choice.weights);
                       b.output("ids", choice.ids);
                     }});
  cases.push_back({"choose_experts_equal_scores", [](CaseBuilder& b) {
                     const Val scores = b.given("x", {b.dtype, {2, 4}}, {1, 2, 2, 1, 0, 0, 0, 0});
                     b.output("ids", choose_experts(b.graph, scores, 3, true).ids);
                   }});
  cases.push_back({"expert_linear", [](CaseBuilder& b) {
                     const Val ids = b.index("ids", {2, 2}, {3, 0, 1, 3});
                     b.output("y", expert_linear(b.graph, b.input("x", {2, 19}), b.weight("w", {4, 7, 19}), ids));
                   }});
  cases.push_back({"expert_linear_bias", [](CaseBuilder& b) {
                     const Val ids = b.index("ids", {2, 3}, {3, 0, 1, 3, 2, 0});
                     const Val x = b.input("x", {2, 3, 33}), bias = b.weight("bias", {4, 5});
                     b.output("y", expert_linear(b.graph, x, b.weight("w", {4, 5, 33}), ids, bias));
                   }});
  cases.push_back({"expert_sum", [](CaseBuilder& b) {
                     b.output("z", expert_sum(b.graph, b.input("y", {2, 3, 21}), b.input("weights", {2, 3})));
                   }});
  cases.push_back({"clamped_swiglu", [](CaseBuilder& b) {
                     const Val gate = b.input("gate", {3, 13}, 4.0), up = b.input("up", {3, 13}, 4.0);
                     b.output("h", clamped_swiglu(b.graph, gate, up, 1.702, 3.0));
                   }});
}

inline void append_loss_cases(std::vector<OpCase>& cases) {
  const std::vector<double> targets = {2, -1, 0, 6, -1, 3};
  cases.push_back({"softcap", [](CaseBuilder& b) { b.output("y", softcap(b.graph, b.input("x", {3, 7}, 4.0), 3.0)); }});
  cases.push_back({"cross_entropy", [=](CaseBuilder& b) {
                     b.output("nats", cross_entropy(b.graph, b.input("logits", {2, 3, 7}, 2.0),
                                                    b.index("targets", {2, 3}, targets)));
                   }});
  cases.push_back(
      {"masked_mean", [=](CaseBuilder& b) {
         b.output("loss", masked_mean(b.graph, b.input("nats", {2, 3}), b.index("targets", {2, 3}, targets)));
       }});
  cases.push_back(
      {"masked_mean_of_nothing", [](CaseBuilder& b) {
         b.output("loss", masked_mean(b.graph, b.input("nats", {3}), b.index("targets", {3}, {-1, -1, -1})));
       }});
  for (const double cap : {0.0, 3.0}) {
    const std::string with = cap == 0.0 ? "" : "_softcap";
    auto inputs = [=](CaseBuilder& b) {
      return std::vector{b.input("x", {2, 3, 5}), b.weight("w", {7, 5}), b.index("targets", {2, 3}, targets)};
    };
    auto with_seed = [=](CaseBuilder& b) {
      auto in = inputs(b);
      in.push_back(b.input("dnats", {2, 3}));
      return in;
    };
    cases.push_back({"head_loss" + with, [=](CaseBuilder& b) {
                       b.output("nats", b.graph.add("head_loss", inputs(b), {{"cap", cap}})[0]);
                     }});
    cases.push_back({"head_loss_train" + with, [=](CaseBuilder& b) {
                       const auto out = b.graph.add("head_loss_train", with_seed(b), {{"cap", cap}});
                       b.output("nats", out[0]);
                       b.output("dx", out[1]);
                       b.output("dw", out[2]);
                     }});
    for (const double keep : {0.0, 1.0})
      cases.push_back(
          {"head_loss_train_into_keep_" + std::to_string(static_cast<int>(keep)) + with, [=](CaseBuilder& b) {
             auto in = with_seed(b);
             in.push_back(keep == 0.0 ? b.state("into", {b.dtype, {7, 5}}, numbers(35, kNaN))
                                      : b.weight("into", {7, 5}));
             in.push_back(b.scalars("keep", {keep}));
             const auto out = b.graph.add("head_loss_train", in, {{"cap", cap}});
             b.output("nats", out[0]);
             b.output("dx", out[1]);
           }});
  }
}

// n parameters of one shape with moments that a few steps might have left.
inline ParamGroup param_group(CaseBuilder& b, int n, const Shape& shape, const Shape& second) {
  ParamGroup group;
  for (int i = 0; i < n; ++i) {
    const std::string k = std::to_string(i);
    group.params.push_back(b.weight("p" + k, shape));
    group.grads.push_back(b.input("g" + k, shape));
    group.first.push_back(b.weight("m" + k, shape, 0.5));
    auto squares = b.normal("v" + k, second, 0.5);
    for (double& v : squares) v *= v;
    group.second.push_back(b.state("v" + k, {b.dtype, second}, squares));
  }
  return group;
}

inline void append_optimizer_cases(std::vector<OpCase>& cases) {
  cases.push_back(
      {"sum_squares", [](CaseBuilder& b) {
         b.output("sum", sum_squares(b.graph, std::vector{b.input("x", {3, 5}), b.input("y", {7}), b.input("z", {1})}));
       }});
  struct Clip {
    const char* name;
    double squares, max_norm, unscale;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& c :
       {Clip{"clips", 25, 1, 1}, Clip{"within", 0.25, 1, 1}, Clip{"off", 25, 0, 0.5}, Clip{"unscaled", 25, 1, 0.5},
        Clip{"of_zero", 0, 1, 1}, Clip{"overflow", infinity, 1, 0.5}, Clip{"not_a_number", kNaN, 1, 1}})
    cases.push_back({std::string("clip_scale_") + c.name, [c](CaseBuilder& b) {
                       b.output("scale", clip_scale(b.graph, b.scalars("sum_squares", {c.squares}),
                                                    b.scalars("limits", {c.max_norm, c.unscale})));
                     }});
  for (const bool skip : {false, true}) {
    const std::string suffix = skip ? "_skipped" : "";
    auto add_optimizer = [&](const std::string& name, int n, Shape shape, Shape second, bool is_muon) {
      cases.push_back({name + suffix, [=](CaseBuilder& b) {
                         const ParamGroup group = param_group(b, n, shape, second);
                         const Val grad_scale = b.scalars("grad_scale", {skip ? 0.0 : 0.75, skip ? 1.0 : 0.0});
                         if (is_muon) muon(b.graph, group, grad_scale, b.scalars("hyper", {0.02, 0.9, 0.95, 0.2}));
                         else adamw(b.graph, group, grad_scale, b.scalars("hyper", {0.01, 0.9, 0.95, 1e-8, 0.1, 3}));
                       }});
    };
    add_optimizer("adamw", 2, {3, 5}, {3, 5}, false);
    add_optimizer("muon_tall", 2, {9, 4}, {9}, true);
    add_optimizer("muon_wide", 2, {3, 8}, {8}, true);
    add_optimizer("muon_square", 1, {5, 5}, {5}, true);
  }
  cases.push_back({"accumulate", [](CaseBuilder& b) {
                     accumulate(b.graph, b.weight("into", {3, 5}), b.input("x", {3, 5}));
                   }});
  cases.push_back({"accumulate_keep_0", [](CaseBuilder& b) {
                     accumulate(b.graph, b.state("into", {b.dtype, {7}}, numbers(7, kNaN)), b.input("x", {7}),
                                b.scalars("keep", {0}));
                   }});
  cases.push_back({"accumulate_keep_half", [](CaseBuilder& b) {
                     accumulate(b.graph, b.weight("into", {7}), b.input("x", {7}), b.scalars("keep", {0.5}));
                   }});
}

inline void append_state_cases(std::vector<OpCase>& cases) {
  cases.push_back({"kv_write", [](CaseBuilder& b) {
                     kv_write(b.graph, b.weight("cache", {2, 5, 2, 3}), b.input("rows", {2, 3, 2, 3}),
                              b.index("positions", {2, 3}, {4, 0, 2, 1, -1, -1}));
                   }});
}

// Of one rank: more ranks take more devices, see collective_test.cpp.
inline void append_collective_cases(std::vector<OpCase>& cases) {
  cases.push_back({"all_reduce", [](CaseBuilder& b) { b.output("y", all_reduce(b.graph, b.input("x", {3, 5}))); }});
  cases.push_back({"reduce_scatter", [](CaseBuilder& b) {
                     b.output("y", reduce_scatter(b.graph, b.input("x", {3, 5}), 1));
                   }});
  cases.push_back({"all_gather", [](CaseBuilder& b) { b.output("y", all_gather(b.graph, b.input("x", {3, 5}), 1)); }});
}

inline std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  append_linear_cases(cases);
  append_elementwise_cases(cases);
  append_norm_cases(cases);
  append_embedding_cases(cases);
  append_attention_cases(cases);
  append_expert_cases(cases);
  append_loss_cases(cases);
  append_optimizer_cases(cases);
  append_state_cases(cases);
  append_collective_cases(cases);
  return cases;
}

// Those that gradients pass.
inline std::vector<OpCase> differentiable_op_cases() {
  std::vector<OpCase> cases;
  for (const OpCase& op_case : op_cases())
    if (has_gradients(op_case.built(DType::f64).graph)) cases.push_back(op_case);
  return cases;
}

inline std::string op_case_name(const ::testing::TestParamInfo<OpCase>& info) { return info.param.name; }

}  // namespace propane::op_testing
