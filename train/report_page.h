// The report's style sheet and script: no fonts, no images, nothing from outside.
#pragma once

#include <string_view>

namespace propane::train {

std::string_view report_style();
std::string_view report_script();

}  // namespace propane::train
