// The only file that sees Arrow's headers.
//
// Reads the column at Parquet's own level, bytes out of pages, not through Arrow arrays: any string column looks the
// same there however it is encoded, and a row group of gigabytes streams.
#include "formats/parquet_module.h"

#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <array>
#include <memory>
#include <utility>

#include "base/error.h"

namespace propane {

namespace {

class Column : public ParquetColumn {
 public:
  Column(const std::string& path, const std::string& name) : path_(path), name_(name) {
    guarded([&] {
      reader_ = parquet::ParquetFileReader::OpenFile(path_);
      column_ = find_column();
    });
  }

  bool next(std::string_view* text, uint64_t* row) override {
    while (at_ < batch_size_ || guarded([&] { return read_batch(); })) {
      ++row_;
      const parquet::ByteArray* value =
          levels_[static_cast<size_t>(at_++)] == max_level_ ? &values_[value_++] : nullptr;
      if (!value || value->len == 0) continue;  // null or empty
      *text = {reinterpret_cast<const char*>(value->ptr), value->len};
      *row = row_;
      return true;
    }
    return false;
  }

 private:
  static constexpr int64_t kBatch = 128;

  // Calls into the library; its exceptions become ours.
  template <typename Body>
  auto guarded(Body&& body) const -> decltype(body()) {
    try {
      return body();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      fail("{}: expected a whole Parquet file, found a damaged one ({})", path_, error.what());
    }
  }

  int find_column() {
    const parquet::SchemaDescriptor& schema = *reader_->metadata()->schema();
    std::string others;
    for (int i = 0; i < schema.num_columns(); ++i) {
      const parquet::ColumnDescriptor& column = *schema.Column(i);
      if (column.path()->ToDotString() != name_) {
        others += (others.empty() ? "" : ", ") + column.path()->ToDotString();
        continue;
      }
      if (column.physical_type() != parquet::Type::BYTE_ARRAY || column.max_repetition_level() > 0) {
        fail("{}: column \"{}\": expected one string a row, found {}{}", path_, name_,
             column.max_repetition_level() > 0 ? "a list of " : "", parquet::TypeToString(column.physical_type()));
      }
      max_level_ = column.max_definition_level();
      return i;
    }
    fail("{}: expected a column \"{}\", found {} (--column names another)", path_, name_,
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

  std::string path_, name_;
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

extern "C" __attribute__((visibility("default"))) ParquetColumn* propane_open_parquet_column(
    const std::string& path, const std::string& column) {
  return new Column(path, column);
}

}  // namespace propane
