#include "tokenizer/pre_tokenizers.h"

#include <algorithm>
#include <span>

#include "base/error.h"

namespace propane {

namespace {

// Cased letters as DeepSeek's first models count them.
#define PROPANE_DEEPSEEK_LETTERS                                                                                                      \
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿ\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-" \
  "Ᏽᏸ-"                                                                                                                           \
  "ᏽᲐ-"                                                                                                                           \
  "ᲺᲽ-Ჿ"                                                                                                                        \
  "ᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}"                    \
  "\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}"                                     \
  "\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}"                                   \
  "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}"                           \
  "\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}"                                     \
  "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-"    \
  "ﬗＡ-"                                                                                                                           \
  "Ｚａ-"                                                                                                                           \
  "ｚ"                                                                                                                               \
  "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
#define PROPANE_CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"

// Named patterns are those of split.h.
constexpr std::string_view kNumber = R"(\p{N})";
constexpr std::string_view kThreeNumbers = R"(\p{N}{1,3})";
constexpr std::string_view kHanAndKana = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kNoStops = " ?[^(\\s|.,!?…。，、।۔،)]+";
constexpr std::string_view kLines = "[^\\n]+|[\\n]+";

constexpr std::string_view kDefault[] = {R"([\p{P}\$\+<=>\^~\|]+)", "gpt2", R"(\p{N}+)", "[0-9][0-9][0-9]"};
constexpr std::string_view kGpt2[] = {"gpt2"};
constexpr std::string_view kDigits[] = {kNumber, "gpt2"};
constexpr std::string_view kFalcon[] = {R"([\p{P}\$\+<=>\^~\|`]+)", "gpt2", "[0-9][0-9][0-9]"};
constexpr std::string_view kLlama3[] = {"llama3"};
constexpr std::string_view kQwen2[] = {"qwen2"};
constexpr std::string_view kGpt4o[] = {"o200k"};
constexpr std::string_view kQwen35[] = {
    PROPANE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kTekken[] = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kDeepseekLlm[] = {"[\r\n]",
                                             "\\s?[" PROPANE_DEEPSEEK_LETTERS "]+",
                                             "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
                                             "\\s+\\z",
                                             "[一-龥ࠀ-一가-퟿]+",
                                             "\\p{N}+"};
constexpr std::string_view kDeepseekCoder[] = {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+",
                                               kNumber};
constexpr std::string_view kDeepseek3[] = {
    kThreeNumbers, kHanAndKana,
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};
constexpr std::string_view kBloom[] = {kNoStops};
constexpr std::string_view kViking[] = {kNoStops, kNumber};
constexpr std::string_view kBailing[] = {
    R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::string_view kSeedCoder[] = {
    PROPANE_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kExaoneMoe[] = {
    PROPANE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::string_view kLaguna[] = {kLines, "qwen2"};
constexpr std::string_view kMiniCpm5[] = {
    kThreeNumbers,
    PROPANE_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

#undef PROPANE_CONTRACTIONS
#undef PROPANE_DEEPSEEK_LETTERS

struct Known {
  std::string_view name;
  std::span<const std::string_view> stages;
  bool whole_chunk_first = false;
  bool add_bos = false;
};

// Of several names for the same the usual one comes first.
constexpr Known kKnown[] = {
    {"default", kDefault},
    {"gpt-2", kGpt2},
    {"phi-2", kGpt2},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"gigachat", kGpt2},
    {"trillion", kGpt2},
    {"granite-docling", kGpt2},
    {"exaone4", kGpt2},
    {"a.x-4.0", kGpt2},
    {"mellum", kGpt2},
    {"smollm", kDigits},
    {"starcoder", kDigits},
    {"refact", kDigits},
    {"command-r", kDigits},
    {"codeshell", kDigits},
    {"exaone", kDigits},
    {"minerva-7b", kDigits},
    {"mellum2", kDigits},
    {"falcon", kFalcon},
    {"llama-bpe", kLlama3, true, true},
    {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},
    {"falcon3", kLlama3, true, true},
    {"falcon-h1", kLlama3, true, true},
    {"pixtral", kLlama3, true, true},
    {"midm-2.0", kLlama3, true, true},
    {"lfm2", kLlama3, true, true},
    {"dbrx", kLlama3},
    {"smaug-bpe", kLlama3},
    {"chatglm-bpe", kLlama3},
    {"glm4", kLlama3},
    {"qwen2", kQwen2},
    {"deepseek-r1-qwen", kQwen2},
    {"megrez", kQwen2},
    {"stablelm2", kQwen2},
    {"hunyuan", kQwen2},
    {"solar-open", kQwen2},
    {"grok-2", kQwen2},
    {"qwen35", kQwen35},
    {"gpt-4o", kGpt4o},
    {"llama4", kGpt4o},
    {"kanana2", kGpt4o},
    {"minimax-m2", kGpt4o},
    {"tekken", kTekken, true, true},
    {"deepseek-llm", kDeepseekLlm},
    {"deepseek-coder", kDeepseekCoder},
    {"deepseek-v3", kDeepseek3},
    {"hunyuan-dense", kDeepseek3},
    {"joyai-llm", kDeepseek3},
    {"bloom", kBloom},
    {"poro-chat", kBloom},
    {"gpt3-finnish", kBloom},
    {"viking", kViking},
    {"bailingmoe", kBailing},
    {"bailingmoe2", kBailing},
    {"llada-moe", kBailing},
    {"seed-coder", kSeedCoder},
    {"exaone-moe", kExaoneMoe},
    {"laguna", kLaguna},
    {"minicpm5", kMiniCpm5, true},
};

std::vector<SplitStage> stages_of(const Known& known) {
  std::vector<SplitStage> stages;
  for (const std::string_view stage : known.stages)
    stages.push_back({.pattern = std::string(named_pattern(stage)), .dialect = RegexDialect::rust});
  return stages;
}

}  // namespace

PreTokenizer pre_tokenizer(std::string_view name, std::string_view file) {
  const auto* known =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& k) { return k.name == name; });
  if (known == std::end(kKnown))
    fail(
        "{}: tokenizer.ggml.pre: the pre-tokenizer \"{}\" is not known here (llama-bpe, qwen2, smollm, gpt-4o, tekken, "
        "deepseek-v3 and others are), so its texts cannot be cut as the model expects",
        file, name);
  return {stages_of(*known), known->whole_chunk_first, known->add_bos};
}

std::string_view pre_tokenizer_name(const std::vector<SplitStage>& stages, bool whole_chunk_first) {
  for (const Known& known : kKnown) {
    if (known.whole_chunk_first != whole_chunk_first) continue;
    const std::vector<SplitStage> own = stages_of(known);
    if (std::equal(own.begin(), own.end(), stages.begin(), stages.end(), [](const SplitStage& a, const SplitStage& b) {
          return b.keep_gaps && named_pattern(a.pattern) == named_pattern(b.pattern);
        }))
      return known.name;
  }
  return {};
}

std::vector<std::string_view> pre_tokenizer_names() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

}  // namespace propane
