# Tests of the project as a whole; those of a folder lie in it, as *_test.cpp.
add_executable(house_tests ${CMAKE_SOURCE_DIR}/tests/house_test.cpp)
target_link_libraries(house_tests PRIVATE propane_base GTest::gtest_main GTest::gmock)
target_compile_definitions(house_tests PRIVATE PROPANE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
gtest_discover_tests(house_tests DISCOVERY_TIMEOUT 60 PROPERTIES LABELS house)

# The program killed, resumed and given bad input.
if(TARGET propane)
  add_test(NAME faults COMMAND ${CMAKE_SOURCE_DIR}/tests/faults.sh $<TARGET_FILE:propane>)
  set_tests_properties(faults PROPERTIES LABELS program TIMEOUT 600)
endif()

# What tests/peers asks of the libraries beneath the command line.
if(NOT PROPANE_CORE_ONLY)
  add_executable(gguf_peer ${CMAKE_SOURCE_DIR}/tests/peers/gguf_peer.cpp)
  target_link_libraries(gguf_peer PRIVATE propane_formats propane_quant fmt::fmt)
endif()
