# A toolchain file that takes the oldest installed clang from version 16, the one that the project promises, up.
set(names "")
foreach(version RANGE 16 23)
  list(APPEND names clang++-${version})
endforeach()
find_program(PROPANE_CLANGXX NAMES ${names} REQUIRED)
string(REPLACE "clang++" "clang" PROPANE_CLANG "${PROPANE_CLANGXX}")
set(CMAKE_C_COMPILER ${PROPANE_CLANG})
set(CMAKE_CXX_COMPILER ${PROPANE_CLANGXX})
