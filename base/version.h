// The version of Propane; the same as CMakeLists.txt's (a test compares them).
#pragma once

#include <string_view>

namespace propane {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace propane
