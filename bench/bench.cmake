# The micro-benchmarks: one program a file. Peers written in Python stand beside them and in peers/.
add_executable(bench_gemm EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/bench/gemm.cpp)
target_link_libraries(bench_gemm PRIVATE propane_cpu propane_base ${CMAKE_DL_LIBS})
