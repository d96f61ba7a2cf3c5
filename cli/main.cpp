// propane: one program, one file a subcommand.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

int main(int argc, char** argv) {
  CLI::App app("Propane trains and runs small language models on the hardware you have.", "propane");
  app.set_version_flag("--version", std::string(propane::kVersion));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  propane::add_train_command(app);
  propane::add_eval_command(app);
  propane::add_generate_command(app);
  propane::add_chat_command(app);
  propane::add_convert_command(app);
  propane::add_data_command(app);
  propane::add_tokenizer_command(app);
  propane::add_bench_command(app);
  propane::add_devices_command(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "propane: %s (see --help)\n", error.what());
    return 2;
  } catch (const propane::ExitCode& exit) {
    return exit.code;
  } catch (const propane::UsageError& error) {
    std::fprintf(stderr, "propane: %s\n", error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "propane: out of memory\n");
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "propane: %s\n", error.what());
    return 1;
  }
}
