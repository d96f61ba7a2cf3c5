"""A gpt that the program trains: PyTorch computes the same logits and the same val_bpb from its checkpoint."""
import math
import sys

import pytest
import torch
from safetensors.torch import load_file

from propane_binary import ROOT, propane_or_skip
from reference import Gpt, GptConfig

sys.path.insert(0, str(ROOT / "bench" / "peers"))
from token_shard import read_tokens  # noqa: E402
from train_demo_torch import held_out_nats  # noqa: E402

CONFIG = GptConfig(depth=3, dim=64, heads=4, kv_heads=2, head_dim=16, vocab=512, seq=48, window_pattern="SL")
TOML = """
[model]
family = "gpt"
depth = 3
dim = 64
head_dim = 16
n_kv_head = 2
vocab = 512
seq = 48
window_pattern = "SL"
[optimizer]
kind = "muon"
[train]
rows = 4
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(the program, the data folder, the run folder, the reference model with the run's weights)"""
    propane = propane_or_skip()
    folder = tmp_path_factory.mktemp("gpt")
    (folder / "text.txt").write_text((ROOT / "data" / "austen" / "persuasion.txt").read_text()[:60_000])
    propane.prepare([folder / "text.txt"], folder / "data", CONFIG.vocab)
    propane.train(TOML, folder / "data", folder / "run", 5)
    model = Gpt(CONFIG)
    model.load_state_dict(load_file(propane.checkpoint(folder / "run")))
    return propane, folder / "data", folder / "run", model.requires_grad_(False)


def test_logits_token_by_token(run):
    propane, _, folder, model = run
    # Longer than the short window, so that the cache's window counts.
    tokens = torch.randint(CONFIG.vocab, (1, CONFIG.seq), generator=torch.Generator().manual_seed(1))
    ours = torch.tensor(propane.logits(folder, tokens[0].tolist()))
    theirs = model(tokens)[0]
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-4


def test_val_loss_and_val_bpb(run):
    propane, data, folder, model = run
    shards = sorted(data.glob("val*"))
    assert len(shards) == 1
    tokens, _, text_bytes = read_tokens(shards[0])
    nats, scored = held_out_nats(model.double(), tokens, CONFIG.seq, bos=int(tokens[0]))
    measured = propane.evaluate(folder)
    assert measured["tokens"] == scored
    assert measured["val_loss"] == pytest.approx(nats / scored, rel=1e-4)
    assert measured["val_bpb"] == pytest.approx(nats / (math.log(2) * text_bytes), rel=1e-4)
