#include "formats/toml_reader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"

namespace propane {

struct TomlReader::Impl {
  std::string source;
  std::string path;  // "" or "train"
  std::shared_ptr<toml::table> root;  // of the whole file: a copy of a part would not know its lines
  toml::table* data = nullptr;        // this table in it; null when it is absent
  std::set<std::string> asked;
  std::map<std::string, std::unique_ptr<TomlReader>> tables;

  const toml::node* get(const std::string& key) const { return data ? data->get(key) : nullptr; }
  std::string at(const std::string& key, const toml::node* node) const {
    const auto line = node && node->source().begin ? fmt::format(":{}", node->source().begin.line) : std::string();
    return fmt::format("{}{}: {}{}", source, line, path.empty() ? "" : "[" + path + "] ", key);
  }
};

namespace {

std::string describe(const toml::node& node) {
  std::ostringstream out;
  switch (node.type()) {
    case toml::node_type::string: out << "the string \"" << **node.as_string() << "\""; break;
    case toml::node_type::integer: out << "the integer " << **node.as_integer(); break;
    case toml::node_type::floating_point: out << "the number " << **node.as_floating_point(); break;
    case toml::node_type::boolean: out << (**node.as_boolean() ? "true" : "false"); break;
    case toml::node_type::array: out << "an array"; break;
    case toml::node_type::table: out << "a table"; break;
    default: out << "a date or time";
  }
  return out.str();
}

// toml++ recurses on nested arrays and tables; its own limit of depth keeps that bounded.
toml::table parse(std::string_view text, const std::string& source) {
  try {
    return toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    fail_usage("{}:{}: not valid TOML: {}", source, error.source().begin.line, error.description());
  }
}

}  // namespace

TomlReader::TomlReader(std::string_view text, std::string source) : impl_(std::make_unique<Impl>()) {
  impl_->root = std::make_shared<toml::table>(parse(text, source));
  impl_->data = impl_->root.get();
  impl_->source = std::move(source);
}
TomlReader::TomlReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TomlReader::~TomlReader() = default;
TomlReader::TomlReader(TomlReader&&) noexcept = default;

TomlReader& TomlReader::table(const std::string& name) {
  auto& known = impl_->tables[name];
  if (known) return *known;
  impl_->asked.insert(name);
  auto impl = std::make_unique<Impl>();
  impl->source = impl_->source;
  impl->path = impl_->path.empty() ? name : impl_->path + "." + name;
  impl->root = impl_->root;
  if (toml::node* node = impl_->data ? impl_->data->get(name) : nullptr) {
    if (!node->is_table()) fail_usage("{} must be a table, found {}", impl_->at(name, node), describe(*node));
    impl->data = node->as_table();
  }
  known.reset(new TomlReader(std::move(impl)));  // the constructor is private
  return *known;
}

bool TomlReader::has(const std::string& key) const { return impl_->data && impl_->data->contains(key); }

std::string TomlReader::where(const std::string& key) const { return impl_->at(key, impl_->get(key)); }

int64_t TomlReader::integer(const std::string& key, int64_t absent, int64_t least, int64_t most) {
  impl_->asked.insert(key);
  const toml::node* node = impl_->get(key);
  if (!node) return absent;
  if (!node->is_integer()) fail_usage("{} must be an integer, found {}", where(key), describe(*node));
  const int64_t value = **node->as_integer();
  if (value < least) fail_usage("{} must be at least {}, found {}", where(key), least, value);
  if (value > most) fail_usage("{} must be at most {}, found {}", where(key), most, value);
  return value;
}

double TomlReader::real(const std::string& key, double absent, double least, double most) {
  impl_->asked.insert(key);
  const toml::node* node = impl_->get(key);
  if (!node) return absent;
  if (!node->is_number()) fail_usage("{} must be a number, found {}", where(key), describe(*node));
  const double value = node->is_integer() ? static_cast<double>(**node->as_integer()) : **node->as_floating_point();
  if (!(value >= least)) fail_usage("{} must be at least {}, found {}", where(key), least, value);
  if (!(value <= most)) fail_usage("{} must be at most {}, found {}", where(key), most, value);
  return value;
}

bool TomlReader::boolean(const std::string& key, bool absent) {
  impl_->asked.insert(key);
  const toml::node* node = impl_->get(key);
  if (!node) return absent;
  if (!node->is_boolean()) fail_usage("{} must be true or false, found {}", where(key), describe(*node));
  return **node->as_boolean();
}

std::string TomlReader::text(const std::string& key, const std::string& absent) {
  impl_->asked.insert(key);
  const toml::node* node = impl_->get(key);
  if (!node) return absent;
  if (!node->is_string()) fail_usage("{} must be a string, found {}", where(key), describe(*node));
  return **node->as_string();
}

std::string TomlReader::choice(const std::string& key, const std::string& absent,
                               const std::vector<std::string>& choices) {
  const std::string value = text(key, absent);
  if (std::find(choices.begin(), choices.end(), value) == choices.end())
    fail_usage("{} must be one of {}, found \"{}\"", where(key), fmt::join(choices, ", "), value);
  return value;
}

std::vector<std::string> TomlReader::texts(const std::string& key) {
  impl_->asked.insert(key);
  const toml::node* node = impl_->get(key);
  std::vector<std::string> list;
  if (!node) return list;
  if (!node->is_array()) fail_usage("{} must be an array of strings, found {}", where(key), describe(*node));
  for (const toml::node& item : *node->as_array()) {
    if (!item.is_string()) fail_usage("{} must be an array of strings, found {} in it", where(key), describe(item));
    list.push_back(**item.as_string());
  }
  return list;
}

void TomlReader::finish() const {
  if (!impl_->data) return;
  for (const auto& [key, node] : *impl_->data) {
    const std::string name(key.str());
    if (impl_->asked.count(name)) continue;
    const auto near = nearest(name, {impl_->asked.begin(), impl_->asked.end()});
    fail_usage("{} is not a known key{}", impl_->at(name, &node),
               near ? fmt::format("; did you mean '{}'?", *near) : "");
  }
  for (const auto& [name, reader] : impl_->tables) reader->finish();
}

void TomlReader::override_with(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    fail_usage("--set takes KEY=VALUE, for example train.seed=1, found '{}'", assignment);
  const std::string key(assignment.substr(0, equals)), value(assignment.substr(equals + 1));
  const std::string source = "--set " + key;
  toml::table one;
  try {
    one = toml::parse(fmt::format("{} = {}", key, value), source);
  } catch (const toml::parse_error&) {
    one = parse(fmt::format("{} = {}", key, toml_quote(value)), source);
  }
  const auto merge = [](auto&& self, toml::table& into, toml::table& from) -> void {
    for (auto&& [name, node] : from) {
      toml::node* old = into.get(name);
      if (old && old->is_table() && node.is_table()) self(self, *old->as_table(), *node.as_table());
      else into.insert_or_assign(name, std::move(node));
    }
  };
  merge(merge, *impl_->data, one);
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t keep = diagonal + (word[i - 1] != candidate[j - 1]);
        diagonal = row[j];
        row[j] = std::min({keep, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::string toml_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04X}", static_cast<int>(c));
    else out += c;
  }
  return out + "\"";
}

}  // namespace propane
