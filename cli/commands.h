// The subcommands of `propane`, one file each. Every function adds its command to the app with a callback that runs it;
// errors are thrown (base/error.h) and turned into messages and exit codes by main().
#pragma once

namespace CLI {
class App;
}

namespace propane {

void add_train_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_chat_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_data_command(CLI::App& app);
void add_tokenizer_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_devices_command(CLI::App& app);

}  // namespace propane
