find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# Parquet comes with the pyarrow wheel, which carries Arrow's headers and libraries: Debian 12 has no libarrow.
if(PROPANE_PARQUET)
  set(arrow_dir ${PROPANE_ARROW_DIR})
  if(NOT arrow_dir)
    file(GLOB arrow_dir ${CMAKE_SOURCE_DIR}/.venv-build/lib/python3*/site-packages/pyarrow)
  endif()
  file(GLOB arrow_libraries ${arrow_dir}/libarrow.so.* ${arrow_dir}/libarrow.*.dylib)
  file(GLOB parquet_libraries ${arrow_dir}/libparquet.so.* ${arrow_dir}/libparquet.*.dylib)
  if(NOT arrow_dir OR NOT arrow_libraries OR NOT parquet_libraries OR NOT EXISTS ${arrow_dir}/include/parquet)
    message(FATAL_ERROR "Parquet needs the headers and libraries of the pyarrow wheel, found none in "
                        "\"${arrow_dir}\": run tools/install-arrow.sh, set -DPROPANE_ARROW_DIR=.../site-packages/pyarrow, "
                        "or leave Parquet out with -DPROPANE_PARQUET=OFF")
  endif()
  # A module of its own, loaded when a .parquet is opened: formats/parquet_module.h says why.
  add_library(propane_parquet MODULE ${CMAKE_SOURCE_DIR}/formats/parquet_module.cpp)
  target_include_directories(propane_parquet SYSTEM PRIVATE ${arrow_dir}/include)
  target_link_libraries(propane_parquet PRIVATE propane_flags fmt::fmt ${parquet_libraries} ${arrow_libraries})
  set(not_built "")
else()
  set(not_built parquet.cpp)
endif()

propane_library(formats DEPS propane_quant propane_base nlohmann_json::nlohmann_json ZLIB::ZLIB PkgConfig::ZSTD ${CMAKE_DL_LIBS}
                EXCLUDE parquet_module.cpp ${not_built})
if(PROPANE_PARQUET)
  target_compile_definitions(propane_formats PUBLIC PROPANE_HAS_PARQUET)
  add_dependencies(propane_formats propane_parquet)
endif()
