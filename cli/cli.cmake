file(GLOB cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/*.cpp)
list(FILTER cli_sources EXCLUDE REGEX "_test\\.cpp$")
if(cli_sources)
  pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
  add_executable(propane ${cli_sources})
  target_link_libraries(propane PRIVATE propane_train propane_infer propane_cpu propane_ref propane_models propane_graph
                                        propane_tokenizer propane_formats propane_base PkgConfig::EDIT)
endif()
