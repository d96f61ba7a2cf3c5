"""GPT-2: LayerNorm and linears with bias, learned positions, GELU in its tanh form, tied head."""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .blocks import attention


@dataclass(frozen=True)
class Gpt2Config:
    layers: int
    dim: int
    heads: int
    vocab: int
    positions: int
    eps: float = 1e-5
    mask_documents: bool = False

    @staticmethod
    def small():
        """The 124M model; 50257 tokens padded to a multiple of 64 as training does."""
        return Gpt2Config(layers=12, dim=768, heads=12, vocab=50304, positions=1024)


class LayerNorm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.eps = config.eps
        self.weight = nn.Parameter(torch.empty(config.dim))
        self.bias = nn.Parameter(torch.empty(config.dim))

    def forward(self, x):
        return F.layer_norm(x, (x.size(-1),), self.weight, self.bias, self.eps)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Parameter(torch.empty(3 * config.dim, config.dim))  # rows: all of q, then k, then v
        self.qkv_bias = nn.Parameter(torch.empty(3 * config.dim))
        self.out = nn.Parameter(torch.empty(config.dim, config.dim))
        self.out_bias = nn.Parameter(torch.empty(config.dim))

    def split(self, x):
        """x [batch, seq, dim] -> q, k, v [batch, seq, heads, head_dim]."""
        qkv = F.linear(x, self.qkv, self.qkv_bias)
        return (t.unflatten(-1, (self.heads, -1)) for t in qkv.chunk(3, dim=-1))

    def forward(self, x, doc_start, fused):
        q, k, v = self.split(x)
        return F.linear(attention(q, k, v, x.size(1), doc_start, fused), self.out, self.out_bias)


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Parameter(torch.empty(4 * config.dim, config.dim))
        self.up_bias = nn.Parameter(torch.empty(4 * config.dim))
        self.down = nn.Parameter(torch.empty(config.dim, 4 * config.dim))
        self.down_bias = nn.Parameter(torch.empty(config.dim))

    def forward(self, x):
        return F.linear(F.gelu(F.linear(x, self.up, self.up_bias), approximate="tanh"), self.down, self.down_bias)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln1 = LayerNorm(config)
        self.attn = Attention(config)
        self.ln2 = LayerNorm(config)
        self.mlp = Mlp(config)


class Gpt2(nn.Module):
    def __init__(self, config, fused=False):
        super().__init__()
        self.config, self.fused = config, fused
        self.tok_embed = nn.Parameter(torch.empty(config.vocab, config.dim))
        self.pos_embed = nn.Parameter(torch.empty(config.positions, config.dim))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.ln_f = LayerNorm(config)
        self.init()

    @torch.no_grad()
    def init(self, generator=None):
        """GPT-2's: N(0, 0.02), both output projections of a layer N(0, 0.02 / sqrt(2 layers)), biases zero."""
        damped = 0.02 / math.sqrt(2 * self.config.layers)
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                p.zero_()
            elif name.endswith(".weight"):
                p.fill_(1.0)
            else:
                p.normal_(0, damped if name.endswith((".out", ".down")) else 0.02, generator=generator)

    def forward(self, tokens, doc_start=None):
        """tokens [batch, seq] -> logits [batch, seq, vocab]. A position is the row's, also after a document border."""
        doc_start = doc_start if self.config.mask_documents else None
        x = F.embedding(tokens, self.tok_embed) + self.pos_embed[: tokens.size(1)]
        for layer in self.layers:
            x = x + layer.attn(layer.ln1(x), doc_start, self.fused)
            x = x + layer.mlp(layer.ln2(x))
        return F.linear(self.ln_f(x), self.tok_embed)
