#include "formats/text_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace propane {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const Path kFixtures = Path(PROPANE_SOURCE_DIR) / "tests/fixtures/formats";

std::string third() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "third ";
  return text + "end";
}

// As in tests/peers/make_format_fixtures.py.
const std::vector<std::string> kDocuments = {"The first document.\nIt has two lines.",
                                             "Zweites Dokument: ß, €, 語, 🙂.", third(),
                                             "A fourth, with \"quotes\", a backslash \\ and a tab\t."};

std::vector<Document> read_all(const Path& path, const TextOptions& options = {}) {
  const auto source = open_text_source({path, path.filename().string()}, options);
  std::vector<Document> documents;
  for (Document document; source->next(&document);) documents.push_back(document);
  return documents;
}

std::vector<std::string> texts(const std::vector<Document>& documents) {
  std::vector<std::string> out;
  for (const Document& document : documents) out.push_back(document.text);
  return out;
}

std::vector<std::string> ids(const std::vector<Document>& documents) {
  std::vector<std::string> out;
  for (const Document& document : documents) out.push_back(document.id);
  return out;
}

// A file of this content in the temporary folder; every test uses names of its own.
Path file_of(const std::string& name, const std::string& content) {
  const Path path = Path(::testing::TempDir()) / ("text_source_test_" + std::to_string(::getpid()) + name);
  write_file_atomically(path, content);
  return path;
}

std::string error_of(const Path& path, const TextOptions& options = {}) {
  try {
    read_all(path, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(PlainText, ReadsDocumentsPlainAndCompressed) {
  for (const char* suffix : {"", ".gz", ".zst"}) {
    const auto documents = read_all(kFixtures / (std::string("documents.txt") + suffix));
    EXPECT_THAT(texts(documents), ElementsAreArray(kDocuments));
    const std::string name = std::string("documents.txt") + suffix;
    EXPECT_THAT(ids(documents), ElementsAre(name + "#1", name + "#2", name + "#3", name + "#4"));
  }
}

TEST(PlainText, IsOneDocumentWithoutASeparator) {
  EXPECT_THAT(texts(read_all(file_of("one.txt", "a\n\n\nb\n"))), ElementsAre("a\n\n\nb\n"));
  EXPECT_THAT(texts(read_all(file_of("ff.txt", "a\fb"), {.separator = ""})), ElementsAre("a\fb"));
}

TEST(PlainText, SplitsAtAnySeparatorAndPassesOverBlankPieces) {
  const Path path = file_of("sep.txt", "\n\n\na\n\n\n \n\n\n\nb\nc\n\n\n");
  EXPECT_THAT(texts(read_all(path, {.separator = "\n\n\n"})), ElementsAre("a", "\nb\nc"));
}

TEST(PlainText, FindsSeparatorsAcrossTheChunksItReads) {
  // A separator of 4 bytes placed around every offset near the first chunk's end.
  for (size_t first = (1 << 16) - 5; first < (1 << 16) + 2; ++first) {
    const Path path = file_of("chunk.txt", std::string(first, 'a') + "<--><-->" + std::string(1 << 16, 'b') + "<-");
    EXPECT_THAT(texts(read_all(path, {.separator = "<-->"})),
                ElementsAre(std::string(first, 'a'), std::string(1 << 16, 'b') + "<-"));
  }
}

TEST(PlainText, DropsAByteOrderMark) {
  EXPECT_THAT(texts(read_all(file_of("bom.txt", "\xEF\xBB\xBFtext"))), ElementsAre("text"));
}

TEST(PlainText, SaysWhereItIsNotUtf8) {
  const Path path = file_of("latin1.txt", "one\ntwo\f\nthree caf\xE9\n");
  EXPECT_THAT(error_of(path), HasSubstr("latin1.txt: expected UTF-8, found byte 0xe9 at offset 18, line 3"));
  EXPECT_THAT(texts(read_all(path, {.lossy = true})), ElementsAre("one\ntwo", "\nthree caf\xEF\xBF\xBD\n"));
  EXPECT_THAT(error_of(file_of("utf16.txt",
                               "\xFF\xFE"
                               "a")),
              HasSubstr("looks like UTF-16"));
}

TEST(PlainText, AnEmptyFileIsAnError) {
  for (const char* content : {"", " \n\n", "\xEF\xBB\xBF"}) {
    EXPECT_THAT(error_of(file_of("empty.txt", content)), HasSubstr("empty.txt: expected text, found an empty file"));
  }
  EXPECT_THAT(error_of(file_of("empty.jsonl", "\n")), HasSubstr("found an empty file"));
}

TEST(Compression, TruncatedDataIsAnErrorAtEveryLength) {
  for (const char* suffix : {".gz", ".zst"}) {
    const std::string whole = read_file(kFixtures / (std::string("documents.txt") + suffix));
    // Where the first member or frame ends, the shorter file is whole again: half of the documents.
    int whole_files = 0;
    for (size_t size = 1; size < whole.size(); ++size) {
      const std::string error = error_of(file_of(std::string("cut.txt") + suffix, whole.substr(0, size)));
      if (error == "no error") ++whole_files;
      else EXPECT_THAT(error, ::testing::AnyOf(HasSubstr("truncated"), HasSubstr("UTF-8")));
    }
    EXPECT_EQ(whole_files, 1);
  }
}

TEST(Compression, DamageIsAnError) {
  for (const char* suffix : {".gz", ".zst"}) {
    std::string bytes = read_file(kFixtures / (std::string("documents.txt") + suffix));
    bytes[bytes.size() / 4] = static_cast<char>(bytes[bytes.size() / 4] ^ 0x40);
    EXPECT_THAT(error_of(file_of(std::string("damaged.txt") + suffix, bytes)), HasSubstr("found damage at offset"));
    EXPECT_THAT(error_of(file_of(std::string("plain.txt") + suffix, "plain text")),
                HasSubstr("found damage at offset"));
  }
}

TEST(Jsonl, ReadsOneKeyOfEveryLinePlainAndCompressed) {
  for (const char* suffix : {"", ".gz", ".zst"}) {
    const auto documents = read_all(kFixtures / (std::string("documents.jsonl") + suffix));
    EXPECT_THAT(texts(documents), ElementsAreArray(kDocuments));
  }
  // Ids are line numbers: line 3 is blank, line 4's text is empty.
  EXPECT_THAT(ids(read_all(kFixtures / "documents.jsonl")),
              ElementsAre("documents.jsonl#1", "documents.jsonl#2", "documents.jsonl#5", "documents.jsonl#6"));
  EXPECT_EQ(read_all(kFixtures / "documents.jsonl", {.text_key = "body"})[2].text, "x");
}

TEST(Jsonl, SaysWhichLineIsWrong) {
  const std::string good = "{\"text\": \"a\"}\n";
  EXPECT_THAT(error_of(file_of("a.jsonl", good + "{\"text\": \"b\n")),
              HasSubstr("a.jsonl: line 2: expected a JSON object"));
  EXPECT_THAT(error_of(file_of("a.jsonl", good + "\n[1]")), HasSubstr("line 3: expected a JSON object, found array"));
  EXPECT_THAT(error_of(file_of("a.jsonl", good + "{\"t\": 1}")),
              HasSubstr("line 2: expected the key \"text\", found none"));
  EXPECT_THAT(error_of(file_of("a.jsonl", good + "{\"text\": 1}")),
              HasSubstr("expected a string as \"text\", found number"));
  EXPECT_THAT(error_of(file_of("a.jsonl", good + "{\"text\": \"\xFF\"}")), HasSubstr("0xff at offset 24, line 2"));
}

TEST(Jsonl, SurvivesDeepNesting) {
  EXPECT_THAT(error_of(file_of("deep.jsonl", std::string(300'000, '['))), HasSubstr("line 1: expected a JSON object"));
}

#ifdef PROPANE_HAS_PARQUET

TEST(Parquet, ReadsEveryCodec) {
  for (const std::string codec : {"snappy", "zstd", "gzip", "none"}) {
    const std::string name = "documents." + codec + ".parquet";
    const auto documents = read_all(kFixtures / name);
    EXPECT_THAT(texts(documents), ElementsAreArray(kDocuments));
    // Rows 3 (null) and 4 (empty) are passed over; the row group ends after row 4.
    EXPECT_THAT(ids(documents), ElementsAre(name + "#1", name + "#2", name + "#5", name + "#6"));
  }
}

TEST(Parquet, ReadsLargeStringsPlainPagesAndRequiredColumns) {
  EXPECT_THAT(texts(read_all(kFixtures / "large_string.parquet")), ElementsAreArray(kDocuments));
  EXPECT_THAT(texts(read_all(kFixtures / "required.parquet")), ElementsAreArray(kDocuments));
}

TEST(Parquet, ReadsManyRowGroupsInOrder) {
  const auto documents = read_all(kFixtures / "many.parquet");
  ASSERT_EQ(documents.size(), 1000u);
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ(documents[i].text, "document " + std::to_string(i));
    EXPECT_EQ(documents[i].id, "many.parquet#" + std::to_string(i + 1));
  }
}

TEST(Parquet, ReadsTheColumnAskedFor) {
  EXPECT_EQ(read_all(kFixtures / "documents.zstd.parquet", {.column = "name"})[2].text, "row 2");
}

TEST(Parquet, SaysWhatIsWrong) {
  const Path path = kFixtures / "documents.zstd.parquet";
  EXPECT_THAT(error_of(path, {.column = "nothing"}),
              HasSubstr("expected a column \"nothing\", found name, text, number"));
  EXPECT_THAT(error_of(path, {.column = "number"}), HasSubstr("expected one string a row, found INT64"));
  EXPECT_THAT(error_of(path, {.column = "list.list.element"}), HasSubstr("found a list of BYTE_ARRAY"));
  EXPECT_THAT(error_of(kFixtures / "latin1.parquet"), HasSubstr("found byte 0xe9 at offset 3 of row 2"));
  EXPECT_EQ(read_all(kFixtures / "latin1.parquet", {.lossy = true})[1].text, "caf\xEF\xBF\xBD");
}

TEST(Parquet, EveryTruncationIsAnError) {
  const std::string whole = read_file(kFixtures / "documents.snappy.parquet");
  for (size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_THAT(error_of(file_of("cut.parquet", whole.substr(0, size))), HasSubstr("expected a whole Parquet file"));
  }
}

#endif

TEST(TextSources, ReadsFilesOneAfterTheOther) {
  const std::vector<std::string> arguments = {(kFixtures / "documents.txt").string(),
                                              (kFixtures / "documents.jsonl").string()};
  TextSources sources(expand_sources(arguments), {});
  size_t count = 0;
  for (Document document; sources.next(&document); ++count) EXPECT_EQ(document.text, kDocuments[count % 4]);
  EXPECT_EQ(count, 8u);
}

}  // namespace
}  // namespace propane
