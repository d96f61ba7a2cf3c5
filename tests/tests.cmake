# Tests of the project as a whole; those of a folder lie in it, as *_test.cpp.
add_executable(house_tests ${CMAKE_SOURCE_DIR}/tests/house_test.cpp)
target_link_libraries(house_tests PRIVATE propane_base GTest::gtest_main GTest::gmock)
target_compile_definitions(house_tests PRIVATE PROPANE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
gtest_discover_tests(house_tests PROPERTIES LABELS house)
