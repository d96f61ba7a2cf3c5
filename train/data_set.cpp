#include "train/data_set.h"

#include <algorithm>

#include "base/error.h"

namespace propane::train {

namespace {

std::vector<TokenShard> open_shards(const Path& folder, const std::string& prefix, uint64_t tokenizer_hash,
                                    const ModelConfig& model) {
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".bin")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<TokenShard> shards;
  for (const Path& file : files) {
    TokenShard shard(file);
    shard.verify();
    if (shard.tokenizer_hash() != 0 && shard.tokenizer_hash() != tokenizer_hash)
      fail("{}: the tokens were made by another tokenizer than the folder's tokenizer.json", file.string());
    if (static_cast<int64_t>(shard.vocab_size()) > model.vocab)
      fail("{}: its tokens come from a vocabulary of {}, the model's is {} ([model] vocab)", file.string(),
           shard.vocab_size(), model.vocab);
    shards.push_back(std::move(shard));
  }
  return shards;
}

}  // namespace

DataSet open_data(const Path& folder, const ModelConfig& model) {
  if (folder.empty())
    fail_usage("no data: --data DIR (or [data] dir) must name a folder made by `propane data prepare`");
  const Path tokenizer_path = folder / "tokenizer.json";
  if (!std::filesystem::is_directory(folder) || !std::filesystem::exists(tokenizer_path))
    fail("{}: expected a folder made by `propane data prepare`, with tokenizer.json and train-*.bin in it",
         folder.string());
  DataSet data;
  data.folder = folder;
  auto tokenizer = std::make_shared<Tokenizer>(Tokenizer::load(tokenizer_path));
  if (tokenizer->vocab_size() > model.vocab)
    fail("{}: its vocabulary has {} tokens, the model's {} ([model] vocab)", tokenizer_path.string(),
         tokenizer->vocab_size(), model.vocab);
  data.tokenizer = tokenizer;
  const uint64_t hash = xxh64(read_file(tokenizer_path));
  data.train = TokenCorpus(open_shards(folder, "train-", hash, model));
  data.held_out = TokenCorpus(open_shards(folder, "val-", hash, model));
  if (data.train.document_count() == 0) fail("{}: there is no train-*.bin with documents in it", folder.string());
  return data;
}

}  // namespace propane::train
