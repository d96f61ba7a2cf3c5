# What the core (base, graph and the backends) needs when nothing of another processor is installed, as in the aarch64
# build: this machine's own headers of the header-only libraries, and GoogleTest from the source that Debian packages.

# A folder with links to those headers alone: /usr/include itself holds the C library of the wrong processor.
set(headers ${CMAKE_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${headers})
foreach(library fmt nlohmann)
  if(NOT EXISTS /usr/include/${library})
    message(FATAL_ERROR "/usr/include/${library} is missing: run tools/install.sh build")
  endif()
  file(CREATE_LINK /usr/include/${library} ${headers}/${library} SYMBOLIC)
endforeach()

add_library(core_headers INTERFACE)
target_include_directories(core_headers SYSTEM INTERFACE ${headers})
target_compile_definitions(core_headers INTERFACE FMT_HEADER_ONLY)
add_library(fmt::fmt ALIAS core_headers)

if(PROPANE_TESTS)
  set(INSTALL_GTEST OFF)
  add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
  target_compile_options(gtest PRIVATE -w)  # g++ 12 warns of the standard library's own strings there
endif()
