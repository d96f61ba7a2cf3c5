# Kernels named *.simd.cpp are compiled once for each instruction set, into a namespace of that name; run-time dispatch
# (kernels/select.cpp) takes the best one that the processor has.
set(PROPANE_SIMD_TARGETS portable)
set(PROPANE_SIMD_FLAGS_portable "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND PROPANE_SIMD_TARGETS avx2 avx512)
  set(PROPANE_SIMD_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
  set(PROPANE_SIMD_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mbmi2 -mprefer-vector-width=512)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12's own AVX-512 header trips these two; the other targets compile the same sources with them on.
    list(APPEND PROPANE_SIMD_FLAGS_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND PROPANE_SIMD_TARGETS neon)
  set(PROPANE_SIMD_FLAGS_neon "")
endif()

file(GLOB simd_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/backends/cpu/kernels/*.simd.cpp)
set(simd_libraries "")
foreach(target ${PROPANE_SIMD_TARGETS})
  if(simd_sources)
    add_library(propane_simd_${target} STATIC ${simd_sources})
    target_link_libraries(propane_simd_${target} PUBLIC propane_flags)
    target_compile_options(propane_simd_${target} PRIVATE -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wno-psabi
                                                          ${PROPANE_SIMD_FLAGS_${target}})
    target_compile_definitions(propane_simd_${target} PRIVATE PROPANE_TARGET=${target} PROPANE_TARGET_${target}=1)
    list(APPEND simd_libraries propane_simd_${target})
  endif()
endforeach()

propane_library(cpu FOLDER backends/cpu SUBDIRS kernels ops DEPS propane_graph ${simd_libraries})
foreach(target ${PROPANE_SIMD_TARGETS})
  target_compile_definitions(propane_cpu PRIVATE PROPANE_HAS_${target}=1)
endforeach()
