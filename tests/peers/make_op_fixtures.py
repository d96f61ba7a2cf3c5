"""Writes tests/fixtures/ops/torch.json: single ops in float64 as PyTorch, transformers and our reference optimizer have
them, gradients included, for the tests of backends/ref.

    python tests/peers/make_op_fixtures.py [--out FOLDER]
"""
import argparse
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from reference.optim import muon_update

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "ops"


def rand(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tensor(t):
    return {"shape": list(t.shape), "data": t.detach().flatten().tolist()}


def tensors(**named):
    return {name: tensor(t) for name, t in named.items()}


def with_gradients(function, seed_of_seed, **inputs):
    """The inputs, y = function(inputs in this order), a random dy, and the gradient of every input."""
    for t in inputs.values():
        t.requires_grad_()
    y = function(*inputs.values())
    dy = rand(*y.shape, seed=seed_of_seed)
    y.backward(dy)
    return tensors(**inputs, y=y, dy=dy, **{f"grad_{name}": t.grad for name, t in inputs.items()})


def attention():
    """SDPA under an explicit mask: grouped heads, a window, documents and a row whose last keys are not in use."""
    batch, seq, heads, kv_heads, head_dim, window, scale = 2, 6, 4, 2, 5, 3, 0.4
    kv_len = torch.tensor([6, 4])
    doc_start = torch.tensor([[0, 0, 2, 2, 2, 5], [0, 0, 0, 0, 0, 0]])
    i, j = torch.arange(seq)[None, :, None], torch.arange(seq)[None, None, :]
    sees = (j <= i) & (j > i - window) & (j < kv_len[:, None, None]) & (j >= doc_start[:, :, None])

    def function(q, k, v):
        repeat = heads // kv_heads
        q, k, v = (t.transpose(1, 2) for t in (q, k.repeat_interleave(repeat, 2), v.repeat_interleave(repeat, 2)))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=sees[:, None], scale=scale).transpose(1, 2)

    case = with_gradients(function, 13, q=rand(batch, seq, heads, head_dim, seed=10),
                          k=rand(batch, seq, kv_heads, head_dim, seed=11),
                          v=rand(batch, seq, kv_heads, head_dim, seed=12))
    return case | tensors(kv_len=kv_len, doc_start=doc_start) | {"window": window, "scale": scale}


def rope(**scaling):
    """Llama's rotation of [1, seq, heads, head_dim] in transformers, the angles taken to float64."""
    head_dim, theta, original = 16, 500000.0, 64
    parameters = {"rope_type": "default", "rope_theta": theta}
    if scaling:
        parameters = {"rope_type": "llama3", "rope_theta": theta, "original_max_position_embeddings": original} | scaling
    config = LlamaConfig(hidden_size=2 * head_dim, num_attention_heads=2, head_dim=head_dim,
                         max_position_embeddings=1024, rope_parameters=parameters)
    frequencies = LlamaRotaryEmbedding(config).inv_freq
    positions = torch.tensor([0, 1, 7, 100])
    angles = positions[:, None].double() * frequencies.double()
    angles = torch.cat([angles, angles], dim=-1)[None]
    x = rand(1, 4, 2, head_dim, seed=20)
    y, _ = apply_rotary_pos_emb(x, x, angles.cos(), angles.sin(), unsqueeze_dim=2)
    case = tensors(x=x, positions=positions[None], y=y, frequencies=frequencies.double())
    return case | {"theta": theta, "original_max_position": original, **scaling}


def cross_entropy():
    targets = torch.tensor([[3, -1], [0, 6], [-1, 2]])

    def function(logits):
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none").view(3, 2)

    return with_gradients(function, 31, logits=3 * rand(3, 2, 7, seed=30)) | tensors(targets=targets)


def adamw(steps=3):
    settings = dict(lr=0.03, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    p = rand(3, 4, seed=40)
    case = tensors(start=p)
    optimizer = torch.optim.AdamW([p], **settings)
    grads = [rand(3, 4, seed=41 + i) for i in range(steps)]
    for g in grads:
        p.grad = g
        optimizer.step()
    state = optimizer.state[p]
    return case | tensors(grads=torch.stack(grads), end=p, first=state["exp_avg"], second=state["exp_avg_sq"]) | {
        "hyper": [settings["lr"], *settings["betas"], settings["eps"], settings["weight_decay"]]}


def muon(rows, cols, steps=2):
    lr, momentum, weight_decay = 0.02, 0.9, 0.2
    w, buffer = rand(1, rows, cols, seed=50), torch.zeros(1, rows, cols, dtype=torch.float64)
    second = torch.zeros((1, rows, 1) if rows >= cols else (1, 1, cols), dtype=torch.float64)
    case = tensors(start=w[0])
    grads = rand(steps, rows, cols, seed=51)
    for g in grads:
        muon_update(w, g[None].clone(), buffer, second, lr, momentum, weight_decay, torch.float64)
    return case | tensors(grads=grads, end=w[0], first=buffer[0], second=second.flatten()) | {
        "hyper": [lr, momentum, 0.95, weight_decay]}


def cases():
    x = lambda: 2 * rand(3, 5, seed=1)
    gain, bias = lambda: rand(5, seed=2), lambda: rand(5, seed=3)
    functions = {
        "activation_relu2": lambda x: F.relu(x).square(),
        "activation_gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "activation_gelu": F.gelu,
        "activation_silu": F.silu,
        "activation_sigmoid": torch.sigmoid,
        "softcap": lambda x: 3 * torch.tanh(x / 3),
    }
    out = {name: with_gradients(function, 4, x=x()) for name, function in functions.items()}
    out["swiglu"] = with_gradients(lambda gate, up: F.silu(gate) * up, 4, gate=x(), up=rand(3, 5, seed=5))
    out["rms_norm"] = with_gradients(lambda x, gain: F.rms_norm(x, (5,), gain, 1e-5), 4, x=x(), gain=gain())
    out["layer_norm"] = with_gradients(lambda x, gain, bias: F.layer_norm(x, (5,), gain, bias, 1e-5), 4, x=x(),
                                       gain=gain(), bias=bias())
    out["linear"] = with_gradients(F.linear, 4, x=x(), w=rand(4, 5, seed=6), bias=rand(4, seed=7))
    out["attention"] = attention()
    out["rope"] = rope()
    out["rope_llama3"] = rope(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
    out["cross_entropy"] = cross_entropy()
    out["adamw"] = adamw()
    out["muon_tall"], out["muon_wide"], out["muon_square"] = muon(7, 4), muon(3, 6), muon(5, 5)
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases().items()]
    (folder / "torch.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
