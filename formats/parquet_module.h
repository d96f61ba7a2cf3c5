// What libpropane_parquet offers: the one part of Propane that links Arrow's libraries. It is loaded when the first
// .parquet file is opened, because those libraries take 20 ms and 20 MB of every process that is linked with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace propane {

// One string column of a .parquet file, from its first row to its last.
class ParquetColumn {
 public:
  virtual ~ParquetColumn() = default;

  // The next value that is neither null nor empty, valid until the next call, and its row, from 1. False at the end.
  // Throws Error naming the file when it is damaged.
  virtual bool next(std::string_view* value, uint64_t* row) = 0;
};

// Throws Error when the file is no whole Parquet file, or has no string column of this name ("a.b" for a nested one).
using OpenParquetColumn = ParquetColumn* (*)(const std::string& path, const std::string& column);
inline constexpr const char* kOpenParquetColumn = "propane_open_parquet_column";  // the symbol

}  // namespace propane
