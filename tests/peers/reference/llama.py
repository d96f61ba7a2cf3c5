"""The llama family: llama 2 and 3, SmolLM2, qwen2 (bias on q, k, v), qwen3 (norms on q and k), Rustane's presets."""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .blocks import RopeScaling, attention, rms_norm, rope, rope_tables, softcap


@dataclass(frozen=True)
class LlamaConfig:
    layers: int
    dim: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False  # RMS norm with weights over each head of q and k, before RoPE (qwen3)
    rope_theta: float = 10000.0
    rope_pairing: str = "half"  # or "adjacent"
    rope_scaling: RopeScaling | None = None
    residual_scale: float = 1.0  # on both branches of a layer; see damped()
    softcap: float = 0.0  # 0: none
    eps: float = 1e-5
    mask_documents: bool = False

    @staticmethod
    def damped(layers):
        """Rustane's residual scale."""
        return 1 / math.sqrt(2 * layers)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = self.config = config
        q_dim, kv_dim = c.heads * c.head_dim, c.kv_heads * c.head_dim
        self.q = nn.Parameter(torch.empty(q_dim, c.dim))
        self.k = nn.Parameter(torch.empty(kv_dim, c.dim))
        self.v = nn.Parameter(torch.empty(kv_dim, c.dim))
        self.out = nn.Parameter(torch.empty(c.dim, q_dim))
        self.q_bias = nn.Parameter(torch.empty(q_dim)) if c.qkv_bias else None
        self.k_bias = nn.Parameter(torch.empty(kv_dim)) if c.qkv_bias else None
        self.v_bias = nn.Parameter(torch.empty(kv_dim)) if c.qkv_bias else None
        self.q_norm = nn.Parameter(torch.empty(c.head_dim)) if c.qk_norm else None
        self.k_norm = nn.Parameter(torch.empty(c.head_dim)) if c.qk_norm else None

    def forward(self, x, cos, sin, doc_start, fused):
        c = self.config
        q = F.linear(x, self.q, self.q_bias).unflatten(-1, (c.heads, c.head_dim))
        k = F.linear(x, self.k, self.k_bias).unflatten(-1, (c.kv_heads, c.head_dim))
        v = F.linear(x, self.v, self.v_bias).unflatten(-1, (c.kv_heads, c.head_dim))
        if c.qk_norm:
            q, k = rms_norm(q, self.q_norm, c.eps), rms_norm(k, self.k_norm, c.eps)
        q, k = rope(q, cos, sin, c.rope_pairing), rope(k, cos, sin, c.rope_pairing)
        return F.linear(attention(q, k, v, x.size(1), doc_start, fused), self.out)


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate = nn.Parameter(torch.empty(config.hidden, config.dim))
        self.up = nn.Parameter(torch.empty(config.hidden, config.dim))
        self.down = nn.Parameter(torch.empty(config.dim, config.hidden))

    def forward(self, x):
        return F.linear(F.silu(F.linear(x, self.gate)) * F.linear(x, self.up), self.down)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attn_norm = nn.Parameter(torch.empty(config.dim))
        self.attn = Attention(config)
        self.mlp_norm = nn.Parameter(torch.empty(config.dim))
        self.mlp = Mlp(config)


class Llama(nn.Module):
    def __init__(self, config, fused=False):
        super().__init__()
        self.config, self.fused = config, fused
        self.tok_embed = nn.Parameter(torch.empty(config.vocab, config.dim))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.Parameter(torch.empty(config.dim))
        self.lm_head = None if config.tied else nn.Parameter(torch.empty(config.vocab, config.dim))
        self.init()

    @torch.no_grad()
    def init(self, generator=None):
        """N(0, 0.02), norms one, biases zero."""
        for name, p in self.named_parameters():
            if name.endswith("norm"):
                p.fill_(1.0)
            elif name.endswith("bias"):
                p.zero_()
            else:
                p.normal_(0, 0.02, generator=generator)

    def forward(self, tokens, doc_start=None):
        """tokens [batch, seq] -> logits [batch, seq, vocab]. `doc_start` counts only with mask_documents."""
        c = self.config
        cos, sin = rope_tables(tokens.size(1), c.head_dim, c.rope_theta, self.norm.dtype, c.rope_scaling)
        doc_start = doc_start if c.mask_documents else None
        x = F.embedding(tokens, self.tok_embed)
        for layer in self.layers:
            branch = layer.attn(rms_norm(x, layer.attn_norm, c.eps), cos, sin, doc_start, self.fused)
            x = x + c.residual_scale * branch
            x = x + c.residual_scale * layer.mlp(rms_norm(x, layer.mlp_norm, c.eps))
        head = self.tok_embed if self.lm_head is None else self.lm_head
        return softcap(F.linear(rms_norm(x, self.norm, c.eps), head), c.softcap)
