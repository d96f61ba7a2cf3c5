"""The benchmarks' PyTorch side computes what the reference does: a fast peer that is wrong would prove nothing."""
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
from make_model_fixtures import STEP_CASES, make_model  # noqa: E402
from reference import windows_scoring_each_token_once  # noqa: E402
from token_shard import HEADER, read_tokens  # noqa: E402
from torch_decode import Decoder  # noqa: E402
from train_demo_torch import held_out_nats, shuffled_rows  # noqa: E402


@pytest.mark.parametrize("case", ["gpt", "gpt_gqa_documents", "gpt2"])
def test_cached_decoding_gives_the_whole_models_logits(case):
    config = STEP_CASES[case]
    _, model = make_model(case, config)
    model.requires_grad_(False)
    length = getattr(config, "seq", 12)
    decoder = Decoder(model, length).double()
    tokens = torch.randint(config.vocab, (length,), generator=torch.Generator().manual_seed(1))
    one = decoder.gpt2 if case == "gpt2" else decoder.gpt
    stepwise = torch.cat([one(tokens[i : i + 1], torch.tensor([i]))[0] for i in range(length)])
    assert torch.allclose(stepwise, model(tokens[None])[0], rtol=1e-10, atol=1e-10)


def test_a_pass_makes_every_token_but_the_edges_a_target_once():
    tokens = np.arange(103)
    rows = shuffled_rows(tokens, np.array([0, 20, 70]), 10, np.random.default_rng(1))
    targets = [t for _ in range(9) for t in next(rows)[1]]  # 103 tokens are 9 or 10 rows, by the phase
    assert len(set(targets)) == len(targets) == 90
    inputs, targets = next(rows)
    assert all(t == i + 1 for i, t in zip(inputs, targets) if i not in (19, 69, 102))


def test_held_out_nats_are_those_of_the_windows():
    config = STEP_CASES["gpt"]
    _, model = make_model("held_out", config)
    bos = 3
    tokens = np.random.default_rng(2).integers(0, config.vocab, 75).astype(np.uint16)
    expected, count = 0.0, 0
    with torch.no_grad():
        for start, first in windows_scoring_each_token_once(len(tokens), config.seq):
            window = torch.from_numpy(tokens[start : start + config.seq + 1].astype(np.int64))
            nats = torch.log_softmax(model(window[None, :-1])[0], dim=-1)
            for i in range(first, len(window) - 1):
                if window[i + 1] != bos:
                    expected -= nats[i, window[i + 1]].item()
                    count += 1
    nats, scored = held_out_nats(model, tokens, config.seq, bos, rows=4)
    assert scored == count and nats == pytest.approx(expected, rel=1e-12)


def test_a_token_shard_is_read(tmp_path):
    """Laid out by hand from the comment in formats/token_shard.h; the checksums are not looked at."""
    header = np.zeros(1, HEADER)
    header[0] = (b"PROPANE\x1a", 1, 2, 5, 2, 17, 300, b"")
    body = np.array([256, 1, 2, 256, 9], "<u2").tobytes() + bytes(6) + np.array([0, 3], "<u8").tobytes()
    (tmp_path / "a.tok").write_bytes(header.tobytes() + body)
    tokens, starts, text_bytes = read_tokens(tmp_path / "a.tok")
    assert tokens.tolist() == [256, 1, 2, 256, 9] and starts.tolist() == [0, 3] and text_bytes == 17
    assert HEADER.itemsize == 128
