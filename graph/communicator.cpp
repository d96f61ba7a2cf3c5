#include "graph/communicator.h"

#include <barrier>
#include <cstring>

#include "base/error.h"

namespace propane {

namespace {

// What the ranks of one group share: where each rank's operand is, and a barrier.
struct Meeting {
  explicit Meeting(int ranks) : operands(static_cast<size_t>(ranks)), barrier(ranks) {}
  std::vector<const void*> operands;
  std::barrier<> barrier;
};

class LocalRank : public Communicator {
 public:
  LocalRank(std::shared_ptr<Meeting> meeting, int rank) : meeting_(std::move(meeting)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(meeting_->operands.size()); }

  void all_reduce(DType dtype, const void* in, void* out, int64_t count) override { sum(dtype, in, out, 0, count); }
  void reduce_scatter(DType dtype, const void* in, void* out, int64_t count) override {
    if (count % size() != 0) fail("reduce_scatter: {} elements do not divide among {} ranks", count, size());
    const int64_t share = count / size();
    sum(dtype, in, out, share * rank_, share);
  }
  void all_gather(DType dtype, const void* in, void* out, int64_t count) override {
    const size_t bytes = static_cast<size_t>(count) * dtype_size(dtype);
    const std::vector<std::byte> own(static_cast<const std::byte*>(in), static_cast<const std::byte*>(in) + bytes);
    meet(own.data());
    for (size_t r = 0; r < meeting_->operands.size(); ++r)
      std::memcpy(static_cast<std::byte*>(out) + r * bytes, meeting_->operands[r], bytes);
    meeting_->barrier.arrive_and_wait();
  }

 private:
  void meet(const void* operand) {
    meeting_->operands[static_cast<size_t>(rank_)] = operand;
    meeting_->barrier.arrive_and_wait();
  }

  template <typename T>
  void sum_as(const void* in, void* out, int64_t first, int64_t count) {
    meet(in);
    std::vector<T> total(static_cast<size_t>(count), T{0});
    for (const void* operand : meeting_->operands)
      for (int64_t i = 0; i < count; ++i) total[static_cast<size_t>(i)] += static_cast<const T*>(operand)[first + i];
    meeting_->barrier.arrive_and_wait();  // all have read before anyone overwrites an operand
    std::memcpy(out, total.data(), total.size() * sizeof(T));
    meeting_->barrier.arrive_and_wait();
  }

  void sum(DType dtype, const void* in, void* out, int64_t first, int64_t count) {
    if (dtype == DType::f32) return sum_as<float>(in, out, first, count);
    if (dtype == DType::f64) return sum_as<double>(in, out, first, count);
    fail("ranks can add f32 and f64, found {}", dtype_name(dtype));
  }

  std::shared_ptr<Meeting> meeting_;
  int rank_;
};

}  // namespace

std::shared_ptr<Communicator> alone() { return local_ranks(1)[0]; }

std::vector<std::shared_ptr<Communicator>> local_ranks(int ranks) {
  auto meeting = std::make_shared<Meeting>(ranks);
  std::vector<std::shared_ptr<Communicator>> list;
  for (int r = 0; r < ranks; ++r) list.push_back(std::make_shared<LocalRank>(meeting, r));
  return list;
}

}  // namespace propane
