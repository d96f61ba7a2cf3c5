# The micro-benchmarks: one program a file. Peers written in Python stand beside them and in peers/.
foreach(program gemm fused_kernels tokenizer)
  add_executable(bench_${program} ${CMAKE_SOURCE_DIR}/bench/${program}.cpp)
endforeach()
target_link_libraries(bench_gemm PRIVATE propane_cpu propane_base ${CMAKE_DL_LIBS})
target_link_libraries(bench_fused_kernels PRIVATE propane_cpu propane_base)
target_link_libraries(bench_tokenizer PRIVATE propane_tokenizer propane_base)
