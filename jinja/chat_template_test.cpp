#include "jinja/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "jinja/unicode.h"

namespace propane {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/jinja";

ordered_json fixture(const char* name) { return ordered_json::parse(read_file(kFixtures / name)); }

// The clock of the fixtures' script: Tuesday, 3 February 2026, 14:05:06.
ChatRenderOptions pinned() {
  ChatRenderOptions options;
  options.clock = [] {
    std::tm time{};
    time.tm_year = 126, time.tm_mon = 1, time.tm_mday = 3;
    time.tm_hour = 14, time.tm_min = 5, time.tm_sec = 6, time.tm_wday = 2, time.tm_yday = 33;
    return time;
  };
  return options;
}

// The rendered text, or the error after "error: ".
std::string rendered(const std::string& source, const ordered_json& variables, const ChatRenderOptions& options) {
  try {
    return ChatTemplate(source, "t").render(variables, options);
  } catch (const Error& error) {
    return std::string("error: ") + error.what();
  }
}

std::string rendered(const std::string& source, const ordered_json& variables = ordered_json::object()) {
  return rendered(source, variables, pinned());
}

// Whether `found` is what Jinja made: its text; its own message, with the line of a syntax error; or, where Python
// fails in its own words, an error.
void expect_outcome(const ordered_json& wanted, const std::string& found, const std::string& what) {
  if (wanted.contains("text")) {
    EXPECT_EQ(found, wanted["text"].get<std::string>()) << what;
    return;
  }
  if (wanted.contains("runs")) {  // and prints an address, which differs from run to run
    EXPECT_FALSE(found.starts_with("error: ")) << what << found;
    return;
  }
  const std::string line = wanted.contains("line") ? std::to_string(wanted["line"].get<int>()) + ": " : "";
  EXPECT_TRUE(found.starts_with("error: t: line " + line)) << what << "\n" << found;
  EXPECT_THAT(found, HasSubstr(wanted.value("error", ""))) << what;
}

TEST(ChatTemplate, PublicTemplatesRenderAsInTransformers) {
  const ordered_json chats = fixture("chats.json"), all = fixture("rendered.json");
  size_t texts = 0;
  for (const auto& [name, outcomes] : all.items()) {
    const std::string source = read_file(kFixtures / "templates" / name);
    for (const auto& [chat, wanted] : outcomes.items()) {
      expect_outcome(wanted, rendered(source, chat_variables(chats[chat])), name + ", " + chat);
      texts += wanted.contains("text");
    }
  }
  EXPECT_GE(all.size(), 50u);
  EXPECT_GE(texts, 220u);
}

TEST(ChatTemplate, SnippetsRenderAsInJinja) {
  const ordered_json all = fixture("snippets.json");
  for (const ordered_json& snippet : all["snippets"]) {
    const std::string source = snippet["template"];
    expect_outcome(snippet, rendered(source, all["context"]), source);
  }
  EXPECT_GE(all["snippets"].size(), 540u);
}

TEST(ChatTemplate, IsParsedOnceAndRenderedOften) {
  const ChatTemplate chat(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}");
  EXPECT_EQ(chat.render({{"messages", {1, 2, 3}}}), "3");
  EXPECT_EQ(chat.render({{"messages", {1}}}), "1");
}

TEST(ChatTemplate, ErrorsNameTheTemplateAndTheLine) {
  EXPECT_EQ(rendered("a\n\n{% if x %}{{ raise_exception('no tools here') }}{% endif %}", {{"x", true}}),
            "error: t: line 3: no tools here");
  EXPECT_EQ(rendered("a\n{{ message.content.text.more }}", {{"message", {{"content", nullptr}}}}),
            "error: t: line 2: 'None' has no attribute 'text'");
  EXPECT_EQ(rendered("a\n{{ b.c }}"), "error: t: line 2: 'b' is undefined");
  EXPECT_EQ(rendered("a\n{% for %}"), "error: t: line 2: Expected an expression, got 'end of statement block'");
  EXPECT_THROW(ChatTemplate("x").render(ordered_json::array()), Error);
}

TEST(ChatTemplate, WhatWouldNotEndIsAnError) {
  const auto expect = [](const std::string& source, const char* message) {
    ChatRenderOptions options;
    options.limits.steps = 2'000'000;
    options.limits.bytes = size_t{1} << 26;
    EXPECT_THAT(rendered(source, ordered_json::object(), options),
                testing::AllOf(HasSubstr("error: t: line 1: "), HasSubstr(message)))
        << source;
  };
  expect("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}", "more than");
  expect("{% for a in range(999) %}{% for b in range(9999) %}{% set c = a %}{% endfor %}{% endfor %}", "steps");
  expect("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels deep");
  expect("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "levels deep");
  expect("{{ range(10**9) }}", "Range too big");
  expect("{{ 'x' * 10**9 }}", "more than");
  expect("{{ [0] * 10**12 }}", "more than");
  expect("{{ 10**10**10 }}", "128 bits");
  expect("{{ '%999999999d' % 5 }}", "more than");
  expect("{{ '{:>999999999}'.format(5) }}", "more than");
  expect("{{ 'a'.center(10**10) }}{{ 'a'|indent(10**10) }}", "more than");
  expect("{{ [1]|tojson(indent=10**10) }}", "more than");
  expect("{{ ('a' * 10000000).replace('', 'b' * 1000) }}", "more than");
  expect("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
         "more than");
  expect("{% set ns = namespace(x=[1]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}", "nested");
  expect("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
         "parts");
  expect("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}", "levels deep");
  std::string sum = "1", blocks;
  for (int i = 0; i < 5000; ++i) sum += " + 1", blocks += "{% if 1 %}";
  expect("{{ " + sum + " }}", "inside one another");
  expect(blocks, "levels deep");
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  ChatRenderOptions options = pinned();
  options.limits = {.steps = 100, .bytes = 4096, .output = 16, .depth = 10};
  EXPECT_EQ(rendered("{{ 'short' }}", ordered_json::object(), options), "short");
  EXPECT_THAT(rendered("{{ 'x' * 17 }}", ordered_json::object(), options), HasSubstr("more than 16 bytes"));
  EXPECT_THAT(rendered("{% for i in range(60) %}{% endfor %}", ordered_json::object(), options),
              HasSubstr("4096 bytes"));
  EXPECT_THAT(rendered("{{ ((((((((((1+1)+1)+1)+1)+1)+1)+1)+1)+1)+1) }}", ordered_json::object(), options),
              HasSubstr("10 levels"));
}

TEST(ChatTemplate, IllFormedTextBecomesReplacementCharacters) {
  EXPECT_EQ(rendered("\xFF{{ x }}", {{"x", "a\xC3"}}), "\uFFFDa\uFFFD");
}

TEST(ChatTemplate, VariablesAreThoseOfTransformers) {
  const ordered_json variables = chat_variables({{"messages", {{{"role", "assistant"}, {"reasoning", "so"}}}}});
  EXPECT_EQ(variables["messages"][0]["thinking"], "so");
  EXPECT_EQ(variables["messages"][0]["reasoning_content"], "so");
  EXPECT_TRUE(variables["tools"].is_null() && variables["documents"].is_null());
  EXPECT_EQ(variables["add_generation_prompt"], false);
  EXPECT_THROW(chat_variables({{"messages", "hello"}}), Error);
  EXPECT_THROW(chat_variables({{"messages", {"hello"}}}), Error);
}

std::string fnv(std::string_view text) {
  uint64_t value = 0xCBF29CE484222325;
  for (const char byte : text) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return fmt::format("{:016x}", value);
}

TEST(Unicode, EveryCharacterHasPythonsCasesAndClasses) {
  std::map<std::string, std::string> found;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    const std::string text = jinja::from_codes(std::u32string(1, code));
    found["upper"] += jinja::to_upper(text);
    found["lower"] += jinja::to_lower(text);
    found["title"] += jinja::to_title(text);
    found["swapcase"] += jinja::swap_case(text);
    const uint16_t flags = jinja::char_flags(code);
    found["isalpha"] += flags & jinja::kAlpha ? '1' : '0';
    found["isdigit"] += flags & jinja::kDigit ? '1' : '0';
    found["isspace"] += flags & jinja::kWhite ? '1' : '0';
    found["isupper"] += flags & jinja::kUpperCase ? '1' : '0';
    found["islower"] += flags & jinja::kLowerCase ? '1' : '0';
    found["isprintable"] += flags & jinja::kPrintable ? '1' : '0';
  }
  const ordered_json sums = fixture("case_sums.json");
  for (const auto& [name, sum] : sums.items()) EXPECT_EQ(fnv(found[name]), sum.get<std::string>()) << name;
}

}  // namespace
}  // namespace propane
