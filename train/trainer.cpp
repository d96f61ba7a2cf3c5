#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "graph/state.h"
#include "infer/generator.h"
#include "train/checkpoint.h"
#include "train/compressors.h"
#include "train/evaluate.h"
#include "train/guard.h"
#include "train/interrupt.h"
#include "train/loader.h"
#include "train/loss_scale.h"
#include "train/machine.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/report.h"
#include "train/samples.h"
#include "train/step.h"
#include "train/tensorboard.h"

namespace propane::train {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Run {
 public:
  Run(const TrainOptions& options, Device& device);
  TrainResult execute();

 private:
  void start_folder();
  void resume();
  double progress() const;
  bool finished() const;
  double lr_multiplier(double p) const;
  void train_step();
  void evaluate();
  void sample();
  void save();
  void show(double tok_per_s);
  std::vector<std::pair<std::string, double>> tensor_norms();
  void read_references();
  RunSummary summarize() const;
  std::optional<double> mfu(double tok_per_s) const;

  const TrainOptions& options_;
  const RunConfig& config_;
  Device& device_;
  DeviceLabel label_;
  Clock::time_point started_ = Clock::now();
  DataSet data_;
  State state_;
  std::unique_ptr<TrainStep> step_plans_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Evaluator> evaluator_;
  std::optional<EvalTokens> held_out_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::optional<MetricsWriter> metrics_;
  std::optional<SampleWriter> samples_;
  std::unique_ptr<TensorBoardWriter> events_;
  std::unique_ptr<Progress> shown_;
  std::unique_ptr<Generator> generator_;
  Guard guard_;
  std::optional<LossScaler> scaler_;
  std::vector<StepMetrics> replay_;
  CompressorFigures compressors_;

  // Where the run is; what state.json keeps.
  int64_t step_ = 0;    // updates done
  int64_t tokens_ = 0;  // trained on
  double seconds_ = 0;  // counted towards the budget
  double earlier_ = 0;  // total seconds of earlier processes of this run
  std::optional<double> val_loss_, val_bpb_, best_bpb_;
  int64_t evaluated_ = -1, sampled_ = -1, saved_ = -1;  // the last step of each
  double loss_ = 0;
};

void check(const RunConfig& c, bool replay) {
  if (!replay && c.steps <= 0 && c.minutes <= 0)
    fail_usage("the budget is missing: --steps N or --minutes M ([train] steps or minutes)");
  if (c.steps > 0 && c.minutes > 0)
    fail_usage("[train] steps and minutes are both set, {} and {}; one of them is the budget", c.steps, c.minutes);
}

Run::Run(const TrainOptions& options, Device& device)
    : options_(options),
      config_(options.config),
      device_(device),
      label_{device.info().name, device.info().simulated, device.info().profile},
      guard_({.spike_z = options.config.spike_sigmas}) {
  check(config_, options.replay.has_value());
  if (options.replay) replay_ = read_metrics(*options.replay);
  data_ = open_data(config_.data, config_.model);
  if (data_.held_out.document_count() > 0) held_out_.emplace(held_out_tokens(data_, config_));
  if (config_.loss_scaling) scaler_.emplace(LossScaleOptions{});

  LoaderOptions rows;
  rows.packing = {
      .packing = config_.packing, .seq = config_.model.seq, .shuffle = config_.shuffle, .seed = config_.seed};
  rows.rows = config_.rows;
  loader_ = std::make_unique<Loader>(data_.train, rows);
  if (options.resume) {
    resume();
  } else {
    start_folder();
    initialize_parameters(config_.model, config_.seed, state_, device_);
  }
  checkpoints_ =
      std::make_unique<CheckpointStore>(options_.out / "checkpoints", static_cast<int>(config_.keep_checkpoints));
  step_plans_ = std::make_unique<TrainStep>(config_, state_, std::vector<Device*>{&device_});
  if (held_out_)
    evaluator_ = std::make_unique<Evaluator>(config_.model, config_.eval_rows, config_.mask_documents, state_, device_);
  metrics_ = options.resume ? MetricsWriter::resume(options_.out / "metrics.jsonl", step_)
                            : MetricsWriter::start(options_.out / "metrics.jsonl");
  samples_.emplace(options_.out / "samples.jsonl", step_);
  if (options.tensorboard) events_ = std::make_unique<TensorBoardWriter>(options_.out / "tensorboard", step_);
  shown_ = std::make_unique<Progress>(ProgressOptions{.device = label_});

  read_references();

  const MemoryReport& memory = step_plans_->micro_plan().memory();
  shown_->note(fmt::format(
      "{}: {} with {:.2f}M parameters, {} tokens a step, {:.2f} GFLOP a step; activations {:.1f} MB planned ({:.1f} MB "
      "without reuse)",
      label_.str(), family_name(config_.model.family), static_cast<double>(count_parameters(config_.model)) / 1e6,
      config_.tokens_per_step(), flops_per_token(config_.model) * static_cast<double>(config_.tokens_per_step()) / 1e9,
      static_cast<double>(memory.planned_bytes) / 1e6, static_cast<double>(memory.naive_bytes) / 1e6));
}

// Figures to compare with are not worth a run: a damaged file only costs a warning.
void Run::read_references() {
  try {
    compressors_ = read_compressors(data_.folder / "compressors.json");
  } catch (const Error& error) {
    shown_->note(fmt::format("warning: {}", error.what()));
  }
}

void Run::start_folder() {
  const Path& out = options_.out;
  for (const char* name : {"config.toml", "metrics.jsonl", "checkpoints"})
    if (std::filesystem::exists(out / name))
      fail("{}: there is a run in it already ({}); continue it with --resume, or choose another --out", out.string(),
           name);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail("{}: cannot make the run folder: {}", out.string(), error.message());
  write_file_atomically(out / "config.toml", run_config_toml(config_));
  write_file_atomically(out / "tokenizer.json", read_file(data_.folder / "tokenizer.json"));
  write_file_atomically(out / "machine.json", machine_json(machine_facts()));
}

void Run::resume() {
  const auto folder = latest_checkpoint(options_.out / "checkpoints");
  if (!folder) fail("{}: there is no checkpoint to resume from", (options_.out / "checkpoints").string());
  const Checkpoint checkpoint = read_checkpoint(*folder);
  const auto load = [&](const SafetensorsFile& file, const std::string& name, const Type& type) {
    const SafetensorsTensor& tensor = file.at(name);
    if (!(tensor.shape == type.shape) || tensor.dtype != type.dtype)
      fail("{}: tensor '{}' should be {}, found {} {}", file.name(), name, type.str(), tensor.type, tensor.shape.str());
    state_.get(name, type, device_);
    state_.set(name, tensor.data.data());
  };
  for (const Param& p : parameters(config_.model)) load(checkpoint.model, p.name, {p.dtype, p.shape});
  if (!checkpoint.optimizer) fail("{}: optimizer.safetensors is missing", folder->string());
  for (const auto& [name, type] : optimizer_state(parameter_groups(config_.model, config_.optimizer)))
    load(*checkpoint.optimizer, name, type);
  try {
    const auto j = nlohmann::json::parse(checkpoint.state);
    step_ = checkpoint.step;
    tokens_ = j.at("tokens");
    seconds_ = j.at("seconds");
    earlier_ = j.at("total_seconds");
    if (!j.at("best_bpb").is_null()) best_bpb_ = j.at("best_bpb").get<double>();
    guard_.load(j.at("guard"));
    if (scaler_) scaler_->load(j.at("loss_scale"));
    loader_->restore(j.at("data").get<std::string>());
  } catch (const nlohmann::json::exception& error) {
    fail("{}: cannot be read: {}", (*folder / "state.json").string(), error.what());
  }
  saved_ = step_;
  // A longer budget may have been asked for.
  write_file_atomically(options_.out / "config.toml", run_config_toml(config_));
}

double Run::progress() const {
  if (!replay_.empty())
    return static_cast<size_t>(step_) < replay_.size() ? replay_[static_cast<size_t>(step_)].progress : 1.0;
  const double p = config_.steps > 0 ? static_cast<double>(step_) / static_cast<double>(config_.steps)
                                     : seconds_ / (60.0 * config_.minutes);
  return std::min(p, 1.0);
}

bool Run::finished() const {
  if (!replay_.empty()) return static_cast<size_t>(step_) >= replay_.size();
  if (config_.steps > 0) return step_ >= config_.steps;
  return step_ > config_.untimed_steps && seconds_ >= 60.0 * config_.minutes;
}

double Run::lr_multiplier(double p) const {
  if (step_ < config_.warmup_steps) return static_cast<double>(step_ + 1) / static_cast<double>(config_.warmup_steps);
  if (config_.warmup_steps > 0 && config_.steps > config_.warmup_steps)  // the schedule begins behind the warm-up
    p = static_cast<double>(step_ - config_.warmup_steps) / static_cast<double>(config_.steps - config_.warmup_steps);
  return propane::train::lr_multiplier(config_.schedule, p);
}

std::vector<std::pair<std::string, double>> Run::tensor_norms() {
  std::vector<std::pair<std::string, double>> norms;
  const auto norm_of = [&](const std::string& name) {
    const Type type = state_.at(name).type;
    const auto n = static_cast<size_t>(type.shape.count());
    double sum = 0;
    if (type.dtype == DType::f64) {
      std::vector<double> values(n);
      state_.read(name, values.data());
      for (double x : values) sum += x * x;
    } else if (type.dtype == DType::f32) {
      std::vector<float> values(n);
      state_.read(name, values.data());
      for (float x : values) sum += static_cast<double>(x) * x;
    } else {
      return;
    }
    norms.emplace_back(name, std::sqrt(sum));
  };
  for (const Param& p : parameters(config_.model)) norm_of(p.name);
  for (const Param& p : parameters(config_.model)) norm_of(grad_name(p.name));
  return norms;
}

void Run::train_step() {
  const auto start = Clock::now();
  const double p = progress();
  const double multiplier = lr_multiplier(p);
  const double scale = scaler_ ? scaler_->scale() : 1.0;
  loss_ = 0;
  for (int64_t micro = 0; micro < config_.accumulate; ++micro) {
    const Batch& batch = loader_->next();
    loss_ += step_plans_->micro_step({batch.tokens, batch.targets, batch.positions, batch.doc_start}, micro, scale) /
             static_cast<double>(config_.accumulate);
  }
  const TrainStep::Update update = step_plans_->update(multiplier, p, step_, scale);
  if (scaler_) {
    scaler_->update(update.skipped);
    if (scaler_->exhausted()) fail("step {}: gradients overflow even at the smallest loss scale", step_ + 1);
  }
  if (!scaler_ || !update.skipped) {
    const GuardVerdict verdict = guard_.check(step_ + 1, loss_, update.grad_norm, [&] { return tensor_norms(); });
    if (verdict.kind == GuardVerdict::Kind::stop) fail("{}", verdict.message);
    if (verdict.kind == GuardVerdict::Kind::spike) shown_->note(verdict.message);
  }
  const double took = seconds_since(start);
  ++step_;
  tokens_ += config_.tokens_per_step();
  if (step_ > config_.untimed_steps) seconds_ += took;

  StepMetrics m;
  m.step = step_;
  m.loss = loss_;
  m.lr = multiplier * step_plans_->groups()[0].lr;
  m.grad_norm = update.grad_norm;
  m.tokens = tokens_;
  m.tok_per_s = static_cast<double>(config_.tokens_per_step()) / took;
  m.mfu = mfu(m.tok_per_s);
  m.progress = p;
  m.seconds = seconds_;
  m.device = label_;
  const bool due = config_.eval_every > 0 && step_ % config_.eval_every == 0;
  if ((due || finished()) && held_out_) {
    evaluate();
    m.val_loss = val_loss_;
    m.val_bpb = val_bpb_;
  }
  metrics_->write(m);
  if (events_) {
    events_->scalar("train/loss", step_, m.loss);
    events_->scalar("train/lr", step_, m.lr);
    events_->scalar("train/grad_norm", step_, m.grad_norm);
    events_->scalar("train/tok_per_s", step_, m.tok_per_s);
    if (m.val_bpb) events_->scalar("val/bpb", step_, *m.val_bpb);
  }
  show(m.tok_per_s);
}

void Run::show(double tok_per_s) {
  ProgressState s;
  s.step = step_;
  s.total_steps = !replay_.empty() ? static_cast<int64_t>(replay_.size()) : config_.steps;
  s.progress = progress();
  s.loss = loss_;
  s.val_bpb = val_bpb_;
  s.tok_per_s = tok_per_s;
  s.mfu = mfu(tok_per_s);
  const double each = seconds_ / static_cast<double>(std::max<int64_t>(1, step_ - config_.untimed_steps));
  s.seconds_left = s.total_steps > 0 ? each * static_cast<double>(s.total_steps - step_)
                                     : std::max(0.0, 60.0 * config_.minutes - seconds_);
  shown_->update(s);
}

void Run::evaluate() {
  const Evaluation e = evaluator_->run(*held_out_);
  val_loss_ = e.val_loss;
  val_bpb_ = e.val_bpb;
  evaluated_ = step_;
}

void Run::sample() {
  if (sampled_ == step_) return;
  sampled_ = step_;
  const Tokenizer& tokenizer = *data_.tokenizer;
  std::vector<int32_t> prompt;
  if (const auto bos = tokenizer.bos_id()) prompt.push_back(*bos);
  tokenizer.encode_to(config_.prompt, AllowedSpecials::none(), prompt);
  if (prompt.empty()) return;
  const int64_t longest = std::min(config_.model.seq, static_cast<int64_t>(prompt.size()) + config_.sample_tokens);
  if (static_cast<int64_t>(prompt.size()) >= longest) return;
  if (!generator_) generator_ = std::make_unique<Generator>(config_.model, state_, device_, longest);
  generator_->reset();
  GenerateOptions options;
  options.max_tokens = config_.sample_tokens;
  options.sampling.temperature = config_.temperature;
  options.sampling.top_k = config_.top_k;
  options.sampling.seed = config_.seed;
  if (const auto bos = tokenizer.bos_id()) options.stop_tokens.push_back(*bos);
  const Generated text = generate(*generator_, tokenizer, prompt, options, {});
  samples_->write({step_, config_.prompt, text.text, label_});
  if (events_) events_->text("sample", step_, config_.prompt + text.text);
  shown_->note(fmt::format("step {} writes: {}{}", step_, config_.prompt, text.text));
}

void Run::save() {
  if (saved_ == step_) return;
  metrics_->sync();
  const auto tensor = [&](const std::string& name) {
    const State::Tensor& t = state_.at(name);
    return TensorToWrite{name, t.type.dtype, t.type.shape, state_.host(name)};
  };
  std::vector<TensorToWrite> model, optimizer;
  for (const Param& p : parameters(config_.model)) model.push_back(tensor(p.name));
  for (const auto& [name, type] : optimizer_state(step_plans_->groups())) optimizer.push_back(tensor(name));
  nlohmann::json j{{"tokens", tokens_},
                   {"seconds", seconds_},
                   {"total_seconds", earlier_ + seconds_since(started_)},
                   {"best_bpb", best_bpb_ ? nlohmann::json(*best_bpb_) : nlohmann::json(nullptr)},
                   {"guard", guard_.save()},
                   {"data", loader_->state()},
                   {"seed", config_.seed}};
  if (scaler_) j["loss_scale"] = scaler_->save();
  const bool best = val_bpb_ && evaluated_ == step_ && (!best_bpb_ || *val_bpb_ < *best_bpb_);
  if (best) j["best_bpb"] = *val_bpb_;
  const std::string state = j.dump();
  checkpoints_->save({step_, model, optimizer, state, label_});
  if (best) {
    best_bpb_ = val_bpb_;
    checkpoints_->mark_best(step_, *val_bpb_);
  }
  saved_ = step_;
}

std::optional<double> Run::mfu(double tok_per_s) const {
  if (!options_.peak_flops_per_second || label_.simulated) return std::nullopt;
  return flops_per_token(config_.model) * tok_per_s / *options_.peak_flops_per_second;
}

RunSummary Run::summarize() const {
  RunSummary s;
  s.val_bpb = val_bpb_;
  s.val_loss = val_loss_;
  s.training_seconds = seconds_;
  s.total_seconds = earlier_ + seconds_since(started_);
  s.peak_memory_bytes = peak_resident_bytes();
  // As autoresearch has it: the timed steps only, evaluations and samples left out.
  const int64_t timed = (step_ - config_.untimed_steps) * config_.tokens_per_step();
  if (timed > 0 && seconds_ > 0) s.mfu = mfu(static_cast<double>(timed) / seconds_);
  s.tokens = tokens_;
  s.steps = step_;
  s.parameters = count_parameters(config_.model);
  s.depth = config_.model.n_layer;
  s.xz_bpb = compressors_.xz_bpb;
  s.ppmd_bpb = compressors_.ppmd_bpb;
  s.device = label_;
  return s;
}

TrainResult Run::execute() {
  InterruptScope interrupt;
  while (!finished() && !interrupt.requested()) {
    train_step();
    if (config_.sample_every > 0 && step_ % config_.sample_every == 0 && !finished()) sample();
    if (config_.checkpoint_every > 0 && step_ % config_.checkpoint_every == 0) save();
  }
  if (interrupt.requested()) {
    save();
    shown_->finish();
    shown_->note(fmt::format("interrupted; saved step {}. Continue with: propane train --resume --out {}", step_,
                             options_.out.string()));
    return {summarize(), interrupt.exit_code()};
  }
  if (held_out_ && evaluated_ != step_) evaluate();
  save();
  if (config_.sample_tokens > 0) sample();
  shown_->finish();
  const RunSummary summary = summarize();
  write_file_atomically(options_.out / "summary.json", summary_json(summary));
  write_report(options_.out);
  return {summary, 0};
}

}  // namespace

TrainResult train(const TrainOptions& options, Device& device) { return Run(options, device).execute(); }

}  // namespace propane::train
