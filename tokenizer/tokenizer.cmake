pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
propane_library(tokenizer DEPS propane_base propane_formats nlohmann_json::nlohmann_json PkgConfig::PCRE2)
