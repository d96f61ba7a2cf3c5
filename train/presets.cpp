// Named configurations.

#include <fmt/format.h>

#include "base/error.h"
#include "formats/toml_reader.h"
#include "train/config.h"

namespace propane::train {

namespace {

struct Preset {
  const char* name;
  const char* summary;
  const char* toml;
};

const Preset kPresets[] = {
    {"demo", "a small GPT on the bundled novels, three minutes on two cores", R"(
[model]
family = "gpt"
depth = 4
dim = 192
head_dim = 64
vocab = 2048
seq = 256
window_pattern = "SL"
[optimizer]
kind = "muon"
matrix_lr = 0.02
embedding_lr = 0.3
head_lr = 0.004
[schedule]
kind = "autoresearch"
warmdown = 0.6
[train]
minutes = 2.9
rows = 16
eval_every = 100
sample_every = 150
checkpoint_every = 100
[sample]
prompt = "It was a truth"
)"},
    {"autoresearch", "autoresearch's GPT: depth 8, 50.3M parameters, five minutes", R"(
[model]
family = "gpt"
depth = 8
embedding_dtype = "bf16"
[optimizer]
kind = "muon"
[schedule]
kind = "autoresearch"
[train]
minutes = 5.0
rows = 128
accumulate = 2
untimed_steps = 11
[data]
packing = "autoresearch"
[eval]
mode = "autoresearch"
tokens = 20971520
)"},
    {"autoresearch-mlx", "its MLX port's: depth 4, 11.5M parameters, AdamW", R"(
[model]
family = "gpt"
depth = 4
norm_eps = 1e-5
[optimizer]
kind = "adamw"
lr = 0.04
beta1 = 0.8
eps = 1e-10
weight_decay = 0.2
decay_to_zero = false
embedding_lr_factor = 26.0
decay_embeddings = false
clip = 0
[schedule]
kind = "autoresearch"
[train]
minutes = 5.0
rows = 16
accumulate = 2
untimed_steps = 1
[data]
packing = "autoresearch"
[eval]
mode = "autoresearch"
tokens = 1572864
)"},
    {"gpt2-124M", "GPT-2 small", R"(
[model]
family = "gpt2"
n_layer = 12
dim = 768
n_head = 12
vocab = 50257
seq = 1024
[optimizer]
kind = "adamw"
lr = 6e-4
[schedule]
kind = "cosine"
warmup_steps = 700
[train]
steps = 1000
rows = 4
accumulate = 8
recompute = "cheap"
)"},
    {"stories110m", "Orion's training model: llama, 12 layers of 768", R"(
[model]
family = "llama"
n_layer = 12
dim = 768
n_head = 12
hidden = 2048
vocab = 32000
seq = 256
[optimizer]
kind = "adamw"
[schedule]
kind = "cosine"
warmup_steps = 100
[train]
steps = 1000
rows = 8
)"},
    {"smollm2-135m", "SmolLM2-135M's shape", R"(
[model]
family = "llama"
n_layer = 30
dim = 576
n_head = 9
n_kv_head = 3
hidden = 1536
vocab = 49152
seq = 2048
rope_theta = 100000.0
[optimizer]
kind = "adamw"
[schedule]
kind = "cosine"
warmup_steps = 100
[train]
steps = 1000
rows = 2
)"},
};

// Rustane's models and sweep (A base, B deep and narrow, C wide and shallow, D four times hidden, E = A at 256 tokens),
// and its forward-only ladder; all with heads of 128, vocab 8192.
struct Rustane {
  const char* name;
  int64_t n_layer, dim, hidden, seq;
};

const Rustane kRustane[] = {
    {"gpt_karpathy", 6, 768, 2048, 512}, {"gpt_1024", 8, 1024, 2816, 512},   {"mha_28l", 28, 1024, 3072, 256},
    {"600m", 20, 1536, 4096, 512},       {"600m-deep", 28, 1280, 3456, 512}, {"600m-wide", 14, 1792, 4864, 512},
    {"600m-4x", 16, 1536, 6144, 512},    {"600m-256", 20, 1536, 4096, 256},  {"800m", 24, 1792, 4864, 512},
    {"1b", 28, 2048, 5632, 512},         {"1b-deep", 36, 1792, 4864, 512},   {"1b-wide", 20, 2304, 6144, 512},
    {"1b-4x", 20, 2048, 8192, 512},      {"1b-256", 28, 2048, 5632, 256},    {"1.5b", 32, 2304, 6144, 512},
    {"1.5b-deep", 40, 2048, 5632, 512},  {"1.5b-wide", 24, 2560, 6912, 512}, {"1.5b-4x", 22, 2304, 9216, 512},
    {"1.5b-256", 32, 2304, 6144, 256},   {"3b", 40, 2560, 6912, 512},        {"3b-deep", 48, 2304, 6144, 512},
    {"3b-wide", 28, 3072, 8192, 512},    {"3b-4x", 28, 2560, 10240, 512},    {"3b-256", 40, 2560, 6912, 256},
    {"5b", 44, 3072, 8192, 512},         {"5b-deep", 60, 2560, 6912, 512},   {"5b-wide", 32, 3584, 9600, 512},
    {"5b-4x", 32, 3072, 12288, 512},     {"5b-256", 44, 3072, 8192, 256},    {"7b", 32, 4096, 11008, 512},
    {"10b", 48, 4096, 11008, 512},       {"13b", 40, 5120, 13824, 512},      {"15b", 48, 5120, 13824, 512},
    {"20b", 64, 5120, 13824, 512},       {"25b", 80, 5120, 13824, 512},      {"30b", 96, 5120, 13824, 512},
    {"40b", 128, 5120, 13824, 512},      {"50b", 160, 5120, 13824, 512},     {"60b", 192, 5120, 13824, 512},
    {"80b", 256, 5120, 13824, 512},      {"100b", 320, 5120, 13824, 512},
};

std::string rustane_toml(const Rustane& r) {
  return fmt::format(R"(
[model]
family = "llama"
n_layer = {}
dim = {}
n_head = {}
hidden = {}
vocab = 8192
seq = {}
rope_interleaved = true
damped_residual = true
zero_init_outputs = true
[optimizer]
kind = "adamw"
lr = 3e-4
weight_decay = 0.1
matrix_lr_factor = 0.05
embedding_lr_factor = 5.0
decay_embeddings = false
[schedule]
kind = "cosine"
warmup_steps = 100
final_fraction = 0.1
[train]
steps = 10000
rows = 1
accumulate = 10
)",
                     r.n_layer, r.dim, r.dim / 128, r.hidden, r.seq);
}

}  // namespace

std::vector<PresetInfo> presets() {
  std::vector<PresetInfo> list;
  for (const Preset& p : kPresets) list.push_back({p.name, p.summary});
  for (const Rustane& r : kRustane)
    list.push_back({r.name, fmt::format("Rustane's llama, {} layers of {}, hidden {}, rows of {}", r.n_layer, r.dim,
                                        r.hidden, r.seq)});
  return list;
}

std::string preset_toml(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& p : kPresets) {
    if (name == p.name) return p.toml;
    names.push_back(p.name);
  }
  for (const Rustane& r : kRustane) {
    if (name == r.name) return rustane_toml(r);
    names.push_back(r.name);
  }
  const auto near = nearest(name, names);
  fail_usage("there is no preset '{}'{}; `propane train --list-presets` shows all", name,
             near ? fmt::format(" (did you mean '{}'?)", *near) : "");
}

}  // namespace propane::train
