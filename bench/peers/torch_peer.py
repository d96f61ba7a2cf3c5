"""What the PyTorch benchmarks share: the models by name, a training step as fast as PyTorch makes it, and measuring.

The models are those of tests/peers/reference with torch's scaled_dot_product_attention. The step follows PyTorch's own
advice for a CPU: one torch.compile graph for forward and backward, fused AdamW, Muon stacked by shape and compiled,
gradients dropped rather than zeroed, freed memory kept by the allocator.
"""
import argparse
import ctypes
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "peers"))
from reference import (  # noqa: E402
    Gpt, Gpt2, Gpt2Config, GptConfig, Llama, LlamaConfig, MuonAdamW, clip_by_global_norm, mean_cross_entropy,
)
from reference.optim import compiled_muon_update, muon_update  # noqa: E402

FAMILIES = {"gpt": (GptConfig, Gpt), "llama": (LlamaConfig, Llama), "gpt2": (Gpt2Config, Gpt2)}


def add_arguments(parser):
    parser.add_argument("--model", default="demo", help="demo, gpt2-124M, or a JSON file with `family` and `config`")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--keep-freed-memory", action=argparse.BooleanOptionalAction, default=True,
                        help="keep glibc from returning large blocks to the system after every use")
    demo = parser.add_argument_group("dimensions of the demo model")
    demo.add_argument("--depth", type=int, default=4)
    demo.add_argument("--dim", type=int, default=192)
    demo.add_argument("--heads", type=int, default=3)
    demo.add_argument("--head-dim", type=int, default=64)
    demo.add_argument("--vocab", type=int, default=2048)
    demo.add_argument("--seq", type=int, default=256)
    demo.add_argument("--window-pattern", default="SL")
    demo.add_argument("--mlp-ratio", type=int, default=4)


def setup(args):
    """Threads, seed and allocator; call it before anything large is allocated."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.keep_freed_memory and sys.platform == "linux":
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def make_model(args):
    """Returns (model, what the optimizer is to be: "muon" or "adamw", default rows, default seq)."""
    if args.model == "demo":
        config = GptConfig(depth=args.depth, dim=args.dim, heads=args.heads, head_dim=args.head_dim, vocab=args.vocab,
                           seq=args.seq, window_pattern=args.window_pattern, mlp_ratio=args.mlp_ratio)
        return Gpt(config, fused=True), "muon", 32, args.seq
    if args.model == "gpt2-124M":
        config = Gpt2Config(layers=12, dim=768, heads=12, vocab=50257, positions=1024)
        return Gpt2(config, fused=True), "adamw", 4, 256
    described = json.loads(Path(args.model).read_text())
    config_class, model_class = FAMILIES[described["family"]]
    config = config_class(**described["config"])
    optimizer = "muon" if described["family"] == "gpt" else "adamw"
    return model_class(config, fused=True), optimizer, 8, getattr(config, "seq", 256)


def make_optimizer(model, kind, compiled=True, **rates):
    """Muon + AdamW (float32 in Polar Express too) or AdamW with decay on matrices, both in their fused forms."""
    fused = lambda groups: torch.optim.AdamW(groups, fused=True)
    if kind == "muon":
        muon = compiled_muon_update() if compiled else muon_update
        return MuonAdamW(model, dtype=torch.float32, adamw=fused, muon=muon, **rates)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    settings = dict(lr=rates.get("lr", 6e-4), betas=(0.9, 0.95), eps=1e-8)
    return fused([dict(params=matrices, weight_decay=0.1, **settings), dict(params=vectors, weight_decay=0.0, **settings)])


def make_loss(model, compiled=True):
    """tokens, targets [rows, seq] -> mean nats, one graph when compiled."""
    if isinstance(model, Gpt):
        tables = model.tables(model.config.seq)  # constant, so not computed again in every step

        def loss(tokens, targets):
            return mean_cross_entropy(model(tokens, tables=[t[: tokens.size(1)] for t in tables]), targets)
    else:
        def loss(tokens, targets):
            return mean_cross_entropy(model(tokens), targets)
    return torch.compile(loss, dynamic=False, fullgraph=True) if compiled else loss


def training_step(loss_of, optimizer, parameters, tokens, targets, clip=0.0, **schedule):
    """One whole step; returns the loss as a tensor."""
    loss = loss_of(tokens, targets)
    loss.backward()
    if clip:
        clip_by_global_norm(parameters, clip)
    optimizer.step(**schedule)
    for p in parameters:
        p.grad = None
    return loss.detach()


def median_seconds(step, warmup, steps):
    """Median wall-clock seconds of `steps` calls after `warmup` calls."""
    for _ in range(warmup):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_memory_bytes():
    """Largest resident set of this process so far, the interpreter's and libraries' part included."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def memory_bytes():
    """Resident set now; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def report(**values):
    """One JSON object on stdout, numbers to four digits after the point."""
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}), flush=True)
