#include "models/weight_source.h"

#include <map>
#include <set>

#include "base/error.h"
#include "models/settings.h"
#include "quant/dequantize.h"

namespace propane {

namespace {

// The shape there of a tensor that is ours but for its change; `rows` is the first axis, more than ours if shared.
Shape shape_there(Change change, const Shape& ours, int64_t rows) {
  Shape s = ours;
  switch (change) {
    case Change::none:
    case Change::plus_one: s.set(0, rows); break;
    case Change::transposed:
      s.set(-1, ours.dim(-2));
      s.set(-2, ours.dim(-1));
      break;
    case Change::even_columns:
    case Change::odd_columns:
      s.set(-1, 2 * ours.dim(-2));
      s.set(-2, ours.dim(-1));
      break;
    case Change::even_pairs:
    case Change::odd_pairs: s.set(-1, 2 * ours.dim(-1)); break;
  }
  return s;
}

// to[r, c] = from[c, step·r + first]: a matrix turned, or every second of its columns.
void transpose(const float* from, int64_t rows, int64_t columns, int64_t step, int64_t first, float* to) {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) to[r * columns + c] = from[c * rows * step + r * step + first];
}

void change_numbers(Change change, const Shape& shape, const std::vector<float>& from, float* to) {
  const int64_t n = shape.count();
  if (change == Change::plus_one) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[static_cast<size_t>(i)] + 1;
    return;
  }
  const bool odd = change == Change::odd_columns || change == Change::odd_pairs;
  if (change == Change::even_pairs || change == Change::odd_pairs) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[static_cast<size_t>(2 * i + odd)];
    return;
  }
  const int64_t rows = shape.dim(-2), columns = shape.dim(-1), step = change == Change::transposed ? 1 : 2;
  for (int64_t m = 0; m < n / (rows * columns); ++m)
    transpose(from.data() + m * rows * columns * step, rows, columns, step, odd, to + m * rows * columns);
}

std::span<const std::byte> part_bytes(const SourceTensor::Part& part, int64_t elements) {
  const StoredTensor& t = *part.stored;
  if (elements == t.shape.count()) return t.data;
  const int64_t columns = t.shape.count() / t.shape[0];
  const size_t row = quant::row_bytes(*t.block_type, columns);
  return t.data.subspan(row * static_cast<size_t>(part.first_row), row * static_cast<size_t>(elements / columns));
}

// What writers leave beside the parameters.
bool is_no_parameter(std::string_view name, bool tied) {
  for (std::string_view end : {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"})
    if (name.ends_with(end)) return true;
  for (std::string_view whole : {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"})
    if (name == whole) return true;
  return tied && name == "lm_head.weight";
}

}  // namespace

WeightSource::WeightSource(const Path& path) : files_(path) {
  const Architecture* architecture = nullptr;
  if (const GgufFile* gguf = files_.gguf()) {
    const std::string name(gguf->value("general.architecture").string());
    architecture = &find_gguf_architecture(name, files_.name());
    architecture->read_gguf(GgufSettings(files_, name), config_);
  } else {
    const JsonSettings settings(path / "config.json");
    architecture = &find_hugging_face_architecture(settings.text("model_type"), settings.file());
    architecture->read_hugging_face(settings, config_);
  }
  check_sizes(files_.name(), config_);
  try {
    config_.validate();
  } catch (const UsageError& e) {
    fail("{}: {}", files_.name(), e.what());
  }
  place(architecture->names, files_.gguf() != nullptr);
  refuse_others();
}

const StoredTensor* WeightSource::locate(const std::string& name) const {
  if (const StoredTensor* found = files_.find(name)) return found;
  // A model saved without its head lacks the first word of every name.
  return files_.gguf() ? nullptr : files_.find(name.substr(name.find('.') + 1));
}

const StoredTensor& WeightSource::stored(const std::string& name, const std::string& ours,
                                         const Shape& expected) const {
  const StoredTensor* t = locate(name);
  if (!t) fail("{}: expected a tensor '{}' {} (for {}), found none", files_.name(), name, expected.str(), ours);
  if (!(t->shape == expected))
    fail("{}: tensor '{}' should be {}, found {}", files_.name(), name, expected.str(), t->shape.str());
  if (!t->block_type) fail("{}: tensor '{}': weights of type {} are not known here", files_.name(), name, t->type);
  return *t;
}

void WeightSource::place(std::span<const TensorName> names, bool gguf) {
  const std::vector<Param> params = parameters(config_);
  struct Shared {
    int64_t rows = 0, placed = 0;
  };
  std::map<std::string, Shared> shared;  // by name there
  std::vector<std::string> there;
  std::vector<Change> changes;
  for (const Param& p : params) {
    const TensorName* row = find_name(names, p.name);
    if (!row) fail("{}: this architecture has no name for the parameter '{}'", files_.name(), p.name);
    there.push_back(filled_in(gguf ? row->gguf : row->hugging_face, p.name));
    changes.push_back(gguf ? Change::none : row->change);
    shared[there.back()].rows += p.shape[0];
  }
  for (size_t i = 0; i < params.size(); ++i) {
    const Param& p = params[i];
    SourceTensor tensor{p.name, p.shape, quant::BlockType::f32, changes[i], {}};
    if (const size_t mark = there[i].find('#'); mark != std::string::npos) {
      const Shape each(p.shape.dims().subspan(1));
      for (int64_t e = 0; e < p.shape[0]; ++e) {
        std::string name = there[i];
        tensor.parts.push_back({&stored(name.replace(mark, 1, std::to_string(e)), p.name, each), 0});
      }
    } else {
      Shared& s = shared[there[i]];
      tensor.parts.push_back({&stored(there[i], p.name, shape_there(changes[i], p.shape, s.rows)), s.placed});
      s.placed += p.shape[0];
    }
    tensor.type = *tensor.parts[0].stored->block_type;
    list_.push_back(std::move(tensor));
  }
}

void WeightSource::refuse_others() const {
  std::set<std::string_view> used;
  for (const SourceTensor& t : list_)
    for (const SourceTensor::Part& part : t.parts) used.insert(part.stored->name);
  for (const auto& [name, tensor] : files_.tensors())
    if (!used.contains(name) && !is_no_parameter(name, config_.tied))
      fail("{}: the architecture has no tensor '{}' {}", files_.name(), name, tensor.shape.str());
}

const SourceTensor& WeightSource::at(std::string_view name) const {
  for (const SourceTensor& t : list_)
    if (t.name == name) return t;
  fail("{}: the model has no parameter '{}'", files_.name(), name);
}

void WeightSource::read(std::string_view name, float* to) const {
  const SourceTensor& t = at(name);
  const bool plain = t.change == Change::none;
  const int64_t there = plain ? t.shape.count() : t.parts[0].stored->shape.count();
  std::vector<float> numbers(plain ? 0 : static_cast<size_t>(there));
  const int64_t each = there / static_cast<int64_t>(t.parts.size());
  float* at = plain ? to : numbers.data();
  for (const SourceTensor::Part& part : t.parts) {
    quant::dequantize(*part.stored->block_type, part_bytes(part, each), {at, static_cast<size_t>(each)});
    at += each;
  }
  if (!plain) change_numbers(t.change, t.shape, numbers, to);
}

std::optional<RawWeight> WeightSource::raw(std::string_view name) const {
  const SourceTensor& t = at(name);
  if (t.change != Change::none || t.parts.size() != 1) return std::nullopt;
  return RawWeight{t.type, part_bytes(t.parts[0], t.shape.count())};
}

}  // namespace propane
