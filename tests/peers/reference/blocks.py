"""The pieces that the models share: norms, RoPE, attention and the loss."""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

# Machine epsilon of float32: torch's default for a float32 rms_norm, and autoresearch's in practice.
FLOAT32_EPS = 1.1920929e-7


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3's stretching of the slow rotations (Grattafiori et al., 2024)."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position: int


def rms_norm(x, weight=None, eps=FLOAT32_EPS):
    """x / sqrt(mean(x^2) + eps) over the last axis; eps None means the machine epsilon of x's dtype."""
    return F.rms_norm(x, (x.size(-1),), weight, eps)


def rope_frequencies(head_dim, theta, scaling=None):
    """Radians per position of each pair, [head_dim / 2], float64."""
    freq = theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    if scaling is None:
        return freq
    turns = scaling.original_max_position * freq / (2 * math.pi)  # in the context that the model was trained with
    smooth = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    smooth = smooth.clamp(0, 1)
    return (1 - smooth) * freq / scaling.factor + smooth * freq


def rope_tables(seq, head_dim, theta, dtype, scaling=None):
    """cos and sin of position * frequency, each [seq, head_dim / 2]; computed in float64, then rounded to dtype."""
    angle = torch.arange(seq, dtype=torch.float64)[:, None] * rope_frequencies(head_dim, theta, scaling)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rope(x, cos, sin, pairing="half"):
    """Rotates the pairs of x [batch, seq, heads, head_dim] by plus the tables' angle.

    pairing "half": channel j with j + head_dim / 2 (Hugging Face); "adjacent": channel 2j with 2j + 1 (Meta, GGUF).
    """
    cos, sin = cos[:, None, :], sin[:, None, :]
    if pairing == "half":
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)
    if pairing != "adjacent":
        raise ValueError(f"rope: pairing must be 'half' or 'adjacent', not {pairing!r}")
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


def visible_keys(seq, window, doc_start=None, device=None):
    """Which key j query i sees, [1 or batch, seq, seq] bool.

    `window` counts the visible keys, the query's own included. `doc_start` [batch, seq] is the position in the row at
    which the query's document starts; None lets documents of one row see each other.
    """
    i = torch.arange(seq, device=device)[:, None]
    j = torch.arange(seq, device=device)[None, :]
    mask = ((j <= i) & (i - j < window))[None]
    if doc_start is not None:
        mask = mask & (j[None] >= doc_start[:, :, None])
    return mask


def attention(q, k, v, window, doc_start=None, fused=False):
    """Causal attention, scale 1 / sqrt(head_dim); query head h reads key/value head h // (heads / kv_heads).

    q [batch, seq, heads, head_dim], k and v [batch, seq, kv_heads, head_dim] -> [batch, seq, heads * head_dim].
    fused=True takes the same sums through torch's scaled_dot_product_attention.
    """
    batch, seq, heads, head_dim = q.shape
    groups = heads // k.size(2)
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    if fused:
        whole = window >= seq and doc_start is None
        mask = None if whole else visible_keys(seq, window, doc_start, q.device)[:, None]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=whole, enable_gqa=groups > 1)
    else:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        score = q @ k.transpose(-1, -2) / math.sqrt(head_dim)
        score = score.masked_fill(~visible_keys(seq, window, doc_start, q.device)[:, None], -torch.inf)
        out = torch.softmax(score, dim=-1) @ v
    return out.transpose(1, 2).reshape(batch, seq, heads * head_dim)


def softcap(logits, cap):
    """cap * tanh(logits / cap), in float32 or better; cap 0 leaves the logits alone."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return cap * torch.tanh(logits / cap) if cap else logits


def mean_cross_entropy(logits, targets):
    """Mean over the targets that are not -1, in nats. logits [batch, seq, vocab], targets [batch, seq]."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().long(), ignore_index=-1)
