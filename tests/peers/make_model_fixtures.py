"""Makes tests/fixtures/models: whole training steps of small models in float64, from tests/peers/reference.

    python tests/peers/make_model_fixtures.py [--out tests/fixtures/models]

A case NAME is two files. NAME.json: `family`, `config` (the reference's dataclass, field by field), `parameters`,
`flops_per_token` for gpt, and for a training case `optimizer` and `steps`. NAME.safetensors, all float64 or int32:

    tokens, targets [rows, seq]      int32; a target of -1 is left out of the loss
    doc_start [rows, seq]            int32; the position at which the token's document starts in its row.
                                     Obeyed only where config.mask_documents
    param.<name>, grad.<name>        parameters, and d loss / d parameter
    logits [rows, seq, vocab]        after the softcap
    loss [1]                         mean nats

A training case has tokens, targets and doc_start [steps, rows, seq], `param.<name>` before the first step and
`final.<name>` after the last; the losses, gradient norms and every hyper-parameter of each step are in its JSON.
"""
import argparse
import json
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from reference import (
    AdamW, Gpt, Gpt2, Gpt2Config, GptConfig, Llama, LlamaConfig, MuonAdamW, RopeScaling, autoresearch_schedule,
    bits_per_byte, clip_by_global_norm, cosine_schedule, mean_cross_entropy, token_byte_length,
    windows_scoring_each_token_once,
)

MODELS = {GptConfig: ("gpt", Gpt), LlamaConfig: ("llama", Llama), Gpt2Config: ("gpt2", Gpt2)}
LLAMA_3 = RopeScaling(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position=16)

STEP_CASES = {
    # autoresearch's own switches: short and long windows, no mask between documents.
    "gpt": GptConfig(depth=3, dim=36, heads=3, head_dim=12, vocab=37, seq=14),
    # Every dimension odd where it may be, grouped queries, other pattern and ratio, dtype's own eps, masked documents.
    "gpt_gqa_documents": GptConfig(depth=4, dim=40, heads=4, kv_heads=2, head_dim=10, vocab=29, seq=9, mlp_ratio=3,
                                   window_pattern="LS", eps=None, gate_channels=7, rope_theta=500.0, softcap=9.0,
                                   mask_documents=True),
    "llama": LlamaConfig(layers=2, dim=24, hidden=38, heads=3, kv_heads=1, head_dim=8, vocab=31),
    "llama_qwen2": LlamaConfig(layers=2, dim=24, hidden=33, heads=4, kv_heads=2, head_dim=6, vocab=31, tied=True,
                               qkv_bias=True, rope_theta=1e6, eps=1e-6),
    "llama_qwen3": LlamaConfig(layers=2, dim=20, hidden=31, heads=4, kv_heads=2, head_dim=8, vocab=27, tied=True,
                               qk_norm=True, rope_theta=1e6, eps=1e-6),
    "llama_llama3_rope": LlamaConfig(layers=2, dim=24, hidden=37, heads=2, kv_heads=2, head_dim=12, vocab=31,
                                     rope_theta=500.0, rope_scaling=LLAMA_3),
    "llama_rustane": LlamaConfig(layers=3, dim=24, hidden=34, heads=3, kv_heads=3, head_dim=8, vocab=31, tied=True,
                                 rope_pairing="adjacent", residual_scale=LlamaConfig.damped(3), softcap=15.0,
                                 mask_documents=True),
    "gpt2": Gpt2Config(layers=2, dim=24, heads=3, vocab=31, positions=16),
}


def generator(*key):
    return np.random.default_rng(zlib.crc32("/".join(map(str, key)).encode()))


def initial_value(name, shape, rng):
    """Values with every term of the model in play: nothing zero, no two tensors alike."""
    noise = rng.standard_normal(shape)
    kind = name.rsplit(".", 1)[-1]
    if name.startswith("resid_lambda") or "norm" in kind or kind == "weight":
        return 1 + 0.2 * noise
    if name.startswith("x0_lambda"):
        return 0.1 + 0.1 * noise
    if "bias" in kind:
        return 0.3 * noise
    if kind in ("wte", "ve", "tok_embed", "pos_embed"):
        return noise if kind != "tok_embed" else 0.5 * noise
    return 1.3 * noise / np.sqrt(shape[-1])


def make_model(case, config):
    family, cls = MODELS[type(config)]
    model = cls(config).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(initial_value(name, tuple(p.shape), generator(case, name))))
    return family, model


def make_batch(case, vocab, rows, seq):
    """Tokens, targets (the next token, about one in ten -1) and document starts of rows with one to three documents."""
    rng = generator(case, "batch")
    tokens = rng.integers(0, vocab, (rows, seq + 1), dtype=np.int32)
    targets = np.where(rng.random((rows, seq)) < 0.1, np.int32(-1), tokens[:, 1:])
    starts = rng.random((rows, seq)) < 0.2
    starts[0, :] = False  # one row stays a single document
    doc_start = np.maximum.accumulate(np.where(starts, np.arange(seq, dtype=np.int32), 0), axis=1)
    return {"tokens": np.ascontiguousarray(tokens[:, :-1]), "targets": targets, "doc_start": doc_start.astype(np.int32)}


def forward(model, batch):
    tokens, targets, doc_start = (torch.from_numpy(batch[k]).long() for k in ("tokens", "targets", "doc_start"))
    logits = model(tokens, doc_start)
    return logits, mean_cross_entropy(logits, targets)


def describe(family, config, model):
    out = {"family": family, "config": asdict(config), "parameters": sum(p.numel() for p in model.parameters())}
    if family == "gpt":
        out["flops_per_token"] = config.flops_per_token()
        out["windows"] = [config.window(i) for i in range(config.depth)]
    return out


def arrays(prefix, model, of=lambda p: p):
    return {f"{prefix}.{name}": of(p).detach().numpy().copy() for name, p in model.named_parameters()}


def step_case(case, config):
    """One forward and backward pass."""
    family, model = make_model(case, config)
    batch = make_batch(case, config.vocab, rows=3, seq=getattr(config, "seq", 11))
    logits, loss = forward(model, batch)
    loss.backward()
    tensors = batch | arrays("param", model) | arrays("grad", model, lambda p: p.grad)
    tensors |= {"logits": logits.detach().numpy(), "loss": loss.detach().numpy().reshape(1)}
    return describe(family, config, model), tensors


def training_case(case, config, update, rows, seq, steps=10):
    """`update(model, step)` takes one optimizer step on the gradients and returns what it used."""
    family, model = make_model(case, config)
    batches = [make_batch(f"{case}/{step}", config.vocab, rows, seq) for step in range(steps)]
    tensors = {key: np.stack([b[key] for b in batches]) for key in batches[0]} | arrays("param", model)
    log = []
    for step, batch in enumerate(batches):
        model.zero_grad()
        _, loss = forward(model, batch)
        loss.backward()
        log.append({"loss": loss.item()} | update(model, step))
    return describe(family, config, model) | {"steps": log}, tensors | arrays("final", model)


def muon_adamw_case():
    """Ten Muon + AdamW steps, float64 in Polar Express too, on a schedule that passes through its linear decay."""
    config = GptConfig(depth=3, dim=32, heads=2, head_dim=16, vocab=33, seq=12)
    optimizer = None

    def update(model, step):
        nonlocal optimizer
        optimizer = optimizer or MuonAdamW(model, dtype=torch.float64)
        used = autoresearch_schedule(progress=step / 10, step=step)
        optimizer.step(**used)
        return {"progress": step / 10} | used

    meta, tensors = training_case("gpt_muon_adamw", config, update, rows=2, seq=config.seq)
    meta["optimizer"] = {
        "matrix_lr": optimizer.matrix_lr,
        "beta2": 0.95,
        "muon": optimizer.group_names["muon"],
        "adamw": [
            {"parameters": optimizer.group_names[key], "lr": lr, "betas": group["betas"], "eps": group["eps"]}
            for key, lr, group in zip(("lm_head", "wte", "ve", "resid_lambda", "x0_lambda"), optimizer.base_lrs,
                                      optimizer.adamw.param_groups)
        ],
    }
    return meta, tensors


def adamw_case():
    """Ten steps of AdamW with decay on the matrices, clipping, and a cosine with two steps of warm-up."""
    config = LlamaConfig(layers=2, dim=24, hidden=40, heads=3, kv_heads=3, head_dim=8, vocab=31)
    settings = dict(lr=0.02, betas=(0.9, 0.95), eps=1e-8)
    max_norm, decay, steps, warmup, final = 1.0, 0.1, 10, 2, 0.1
    optimizer = None

    def update(model, step):
        nonlocal optimizer
        if optimizer is None:
            split = {True: [], False: []}
            for p in model.parameters():
                split[p.dim() >= 2].append(p)
            optimizer = AdamW([dict(params=split[d], weight_decay=decay * d, **settings) for d in (True, False)])
        norm = clip_by_global_norm(list(model.parameters()), max_norm)
        lr = settings["lr"] * cosine_schedule(step, steps, warmup, final)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        return {"grad_norm": norm.item(), "lr": lr}

    meta, tensors = training_case("llama_adamw", config, update, rows=2, seq=10, steps=steps)
    decayed = [name[len("param."):] for name, value in tensors.items() if name.startswith("param.") and value.ndim >= 2]
    meta["optimizer"] = settings | {"max_norm": max_norm, "weight_decay": decay, "warmup": warmup, "final": final,
                                    "decayed": decayed}
    return meta, tensors


def bpb_case():
    """The two byte counts on tokens of text, of torn UTF-8 and special ones, and the two sums of the metric."""
    pieces = ["a", " the", "\n", "é", "漢", "😀", "naïve", " 漢字"]
    tokens = [p.encode() for p in pieces]
    tokens += [b"\x80", b"\x80\x80", b"\xe6", b"\xe6\xbc", b"\xf0\x9f", b"\xf0\x9f\x98", b"a\xf0\x9f\x98", b"\xbc\xa2",
               b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5\x80", b"\xe2\x82x\xac", b"\xff\xfe\xff"]
    specials = ["<|reserved_0|>", "<|reserved_1|>"]
    lengths = {
        mode: [token_byte_length(t, autoresearch=mode == "autoresearch") for t in tokens] + [0] * len(specials)
        for mode in ("true", "autoresearch")
    }
    rng = generator("bpb")
    targets = rng.integers(-1, len(tokens) + len(specials), 200).tolist()
    nats = rng.gamma(2.0, 0.8, 200).tolist()
    windows = {f"{n},{seq}": list(windows_scoring_each_token_once(n, seq)) for n, seq in ((2, 8), (9, 8), (10, 8),
                                                                                         (40, 8), (37, 7), (100, 16))}
    return {
        "tokens_hex": [t.hex() for t in tokens],
        "special_tokens": specials,
        "byte_lengths": lengths,
        "targets": targets,
        "nats": nats,
        "bpb": {mode: bits_per_byte(nats, targets, table) for mode, table in lengths.items()},
        "windows": windows,
    }


def write(out, case, meta, tensors=None):
    (out / f"{case}.json").write_text(json.dumps(meta, indent=1) + "\n")
    if tensors is not None:
        path = out / f"{case}.safetensors"
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)
        path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[1] / "fixtures" / "models"
    parser.add_argument("--out", type=Path, default=default)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for case, config in STEP_CASES.items():
        write(out, case, *step_case(case, config))
    write(out, "gpt_muon_adamw", *muon_adamw_case())
    write(out, "llama_adamw", *adamw_case())
    write(out, "val_bpb", bpb_case())


if __name__ == "__main__":
    main()
