// The only file that sees Arrow's headers.
//
// Reads the column at Parquet's own level, bytes out of pages, not through Arrow arrays: any string column looks the
// same there however it is encoded, and a row group of gigabytes streams.
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <array>
#include <utility>

#include "base/error.h"
#include "formats/text_readers.h"

namespace propane {

namespace {

class Parquet : public TextSource {
 public:
  Parquet(const SourceFile& file, const TextOptions& options) : file_(file), options_(options) {
    guarded([&] {
      reader_ = parquet::ParquetFileReader::OpenFile(file_.path.string());
      column_ = find_column();
    });
  }

  bool next(Document* document) override {
    while (at_ < batch_size_ || guarded([&] { return read_batch(); })) {
      ++row_;
      const parquet::ByteArray* value =
          levels_[static_cast<size_t>(at_++)] == max_level_ ? &values_[value_++] : nullptr;
      if (!value || value->len == 0) continue;  // null or empty
      document->text.assign(reinterpret_cast<const char*>(value->ptr), value->len);
      require_utf8(&document->text, options_.lossy, {.file = name(), .row = row_});
      document->id = file_.name + "#" + std::to_string(row_);
      return true;
    }
    return false;
  }

 private:
  static constexpr int64_t kBatch = 128;

  std::string name() const { return file_.path.string(); }

  // Calls into the library; its exceptions become ours.
  template <typename Body>
  auto guarded(Body&& body) const -> decltype(body()) {
    try {
      return body();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail("{}: expected a whole Parquet file, found a damaged one ({})", name(), error.what());
    }
  }

  int find_column() {
    const parquet::SchemaDescriptor& schema = *reader_->metadata()->schema();
    std::string others;
    for (int i = 0; i < schema.num_columns(); ++i) {
      const parquet::ColumnDescriptor& column = *schema.Column(i);
      if (column.path()->ToDotString() != options_.column) {
        others += (others.empty() ? "" : ", ") + column.path()->ToDotString();
        continue;
      }
      if (column.physical_type() != parquet::Type::BYTE_ARRAY || column.max_repetition_level() > 0) {
        fail("{}: column \"{}\": expected one string a row, found {}{}", name(), options_.column,
             column.max_repetition_level() > 0 ? "a list of " : "", parquet::TypeToString(column.physical_type()));
      }
      max_level_ = column.max_definition_level();
      return i;
    }
    fail("{}: expected a column \"{}\", found {} (--column names another)", name(), options_.column,
         others.empty() ? "none" : others);
  }

  // Fills levels_ and values_ with the next rows; false at the end of the file.
  bool read_batch() {
    at_ = value_ = 0;
    for (;;) {
      if (pages_ && pages_->HasNext()) {
        int64_t values_read = 0;
        levels_.fill(max_level_);  // a required column has no levels to read
        batch_size_ = pages_->ReadBatch(kBatch, levels_.data(), nullptr, values_.data(), &values_read);
        if (batch_size_ > 0) return true;
      }
      if (next_group_ == reader_->metadata()->num_row_groups()) return false;
      group_ = reader_->RowGroup(next_group_++);
      pages_ = std::static_pointer_cast<parquet::ByteArrayReader>(group_->Column(column_));
    }
  }

  SourceFile file_;
  TextOptions options_;
  std::unique_ptr<parquet::ParquetFileReader> reader_;
  std::shared_ptr<parquet::RowGroupReader> group_;
  std::shared_ptr<parquet::ByteArrayReader> pages_;
  int column_ = 0, next_group_ = 0;
  int16_t max_level_ = 0;                            // the definition level of a value that is not null
  std::array<int16_t, kBatch> levels_{};             // one a row
  std::array<parquet::ByteArray, kBatch> values_{};  // one a row that is not null; valid until the next batch
  int64_t at_ = 0, batch_size_ = 0;
  size_t value_ = 0;
  uint64_t row_ = 0;
};

}  // namespace

std::unique_ptr<TextSource> open_parquet(const SourceFile& file, const TextOptions& options) {
  return std::make_unique<Parquet>(file, options);
}

}  // namespace propane
