# Small programs that keep the tree true to itself.
add_executable(op_docs ${CMAKE_SOURCE_DIR}/tools/op_docs.cpp)
target_link_libraries(op_docs PRIVATE propane_graph)
if(PROPANE_TESTS)
  add_test(NAME op_docs.PageIsWhatTheOpsSay COMMAND op_docs --check ${CMAKE_SOURCE_DIR}/docs/ops.md)
endif()
