#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "graph/state.h"
#include "infer/generator.h"
#include "tokenizer/tokenizer.h"
#include "train/checkpoint.h"
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

// Where a run is; what state.json keeps.
struct Position {
  int64_t step = 0;          // updates done
  int64_t tokens = 0;        // trained on
  double seconds = 0;        // counted towards the budget
  double total_seconds = 0;  // of earlier processes of this run
};

class Run {
 public:
  Run(const TrainOptions& options, Device& device);
  TrainResult execute();

 private:
  void open_folder();
  void load_checkpoint();
  double progress() const;
  bool finished() const;
  double lr_multiplier(double p) const;
  void train_step();
  void evaluate();
  void sample();
  void save();
  std::vector<std::pair<std::string, double>> tensor_norms();
  RunSummary summarize() const;

  const TrainOptions& options_;
  const RunConfig& config_;
  Device& device_;
  DeviceLabel label_;
  Clock::time_point started_ = Clock::now();
  DataSet data_;
  State state_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<EvalTokens> held_out_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::unique_ptr<SampleWriter> samples_;
  std::unique_ptr<TensorboardWriter> events_;
  std::unique_ptr<Progress> shown_;
  std::unique_ptr<Generator> generator_;
  Guard guard_;
  std::optional<LossScaler> scaler_;
  std::vector<StepMetrics> replay_;
  Position at_;
  int64_t saved_step_ = -1, evaluated_step_ = -1, sampled_step_ = -1;
  std::optional<double> val_loss_, val_bpb_, best_bpb_;
};

}  // namespace

}  // namespace propane::train
