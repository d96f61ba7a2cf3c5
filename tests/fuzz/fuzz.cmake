# One libFuzzer program for every *_fuzz.cpp here. tools/fuzz.sh builds and runs them, each from the seeds that seeds.txt
# names for it.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "PROPANE_FUZZ needs clang, which carries libFuzzer; found ${CMAKE_CXX_COMPILER_ID}: use cmake --preset fuzz")
endif()
set(fuzz_sanitizers fuzzer)
if(NOT PROPANE_SANITIZE)
  set(fuzz_sanitizers fuzzer,address,undefined)
endif()

# The code under test reports which branches it takes.
get_property(fuzz_libraries GLOBAL PROPERTY PROPANE_LIBRARIES)
list(REVERSE fuzz_libraries)
foreach(library ${fuzz_libraries})
  get_target_property(type ${library} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    string(REPLACE "fuzzer" "fuzzer-no-link" library_sanitizers ${fuzz_sanitizers})
    target_compile_options(${library} PRIVATE -fsanitize=${library_sanitizers})
  endif()
endforeach()

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_compile_options(${name} PRIVATE -fsanitize=${fuzz_sanitizers})
  target_link_options(${name} PRIVATE -fsanitize=${fuzz_sanitizers})
  target_link_libraries(${name} PRIVATE propane_jinja propane_tokenizer propane_formats propane_base)
endforeach()
