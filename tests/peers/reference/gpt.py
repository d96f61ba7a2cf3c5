"""The `gpt` model: karpathy/autoresearch's (the nanochat family), every norm without weights and no bias anywhere."""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .blocks import FLOAT32_EPS, attention, rms_norm, rope, rope_tables, softcap


@dataclass(frozen=True)
class GptConfig:
    depth: int
    dim: int
    heads: int
    head_dim: int
    vocab: int
    seq: int
    kv_heads: int | None = None  # None: as many as heads
    window_pattern: str = "SSSL"  # tiled over the layers; the last layer is L whatever it says
    mlp_ratio: int = 4
    rope_theta: float = 10000.0
    softcap: float = 15.0
    eps: float | None = FLOAT32_EPS  # None: the machine epsilon of the dtype
    gate_channels: int = 32  # leading channels of the layer's input that the value embedding's gate reads
    mask_documents: bool = False  # autoresearch lets the documents of a row see each other

    @staticmethod
    def autoresearch(depth=8, vocab=8192, seq=2048):
        """The one-dial family: dim = 64 * depth rounded up to heads of 128."""
        heads = math.ceil(64 * depth / 128)
        return GptConfig(depth=depth, dim=128 * heads, heads=heads, head_dim=128, vocab=vocab, seq=seq)

    @property
    def n_kv(self):
        return self.kv_heads or self.heads

    def has_value_embedding(self, layer):
        return layer % 2 == (self.depth - 1) % 2

    def left_window(self, layer):
        """FlashAttention's left window: how many tokens before its own a query sees."""
        short = self.window_pattern[layer % len(self.window_pattern)].upper() == "S" and layer != self.depth - 1
        return self.seq // 2 if short else self.seq

    def window(self, layer):
        """Visible keys with the query's own."""
        return min(self.left_window(layer) + 1, self.seq)

    def flops_per_token(self):
        """Forward and backward, autoresearch's count: value embeddings, wte and scalars are not matmuls."""
        block = self.dim * self.head_dim * 2 * (self.heads + self.n_kv) + 2 * self.mlp_ratio * self.dim**2
        gates = sum(map(self.has_value_embedding, range(self.depth))) * self.n_kv * self.gate_channels
        matrices = self.depth * block + gates + self.vocab * self.dim
        scores = sum(12 * self.heads * self.head_dim * min(self.left_window(i), self.seq) for i in range(self.depth))
        return 6 * matrices + scores


class Attention(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.config, self.window = config, config.window(layer)
        q_dim, kv_dim = config.heads * config.head_dim, config.n_kv * config.head_dim
        self.q = nn.Parameter(torch.empty(q_dim, config.dim))
        self.k = nn.Parameter(torch.empty(kv_dim, config.dim))
        self.v = nn.Parameter(torch.empty(kv_dim, config.dim))
        self.out = nn.Parameter(torch.empty(config.dim, q_dim))
        self.ve = self.ve_gate = None
        if config.has_value_embedding(layer):
            self.ve = nn.Parameter(torch.empty(config.vocab, kv_dim))
            self.ve_gate = nn.Parameter(torch.empty(config.n_kv, config.gate_channels))

    def qkv(self, x, tokens, cos, sin):
        """x [batch, seq, dim] -> q, k, v [batch, seq, heads, head_dim], as attention takes them."""
        c = self.config
        q = F.linear(x, self.q).unflatten(-1, (c.heads, c.head_dim))
        k = F.linear(x, self.k).unflatten(-1, (c.n_kv, c.head_dim))
        v = F.linear(x, self.v).unflatten(-1, (c.n_kv, c.head_dim))
        if self.ve is not None:
            gate = 2 * torch.sigmoid(F.linear(x[..., : c.gate_channels], self.ve_gate))
            v = v + gate.unsqueeze(-1) * F.embedding(tokens, self.ve).view_as(v)
        # The rotation is by minus the angle: y1 = x1 cos + x2 sin, y2 = -x1 sin + x2 cos. The norm comes after it.
        q, k = rope(q, cos, -sin), rope(k, cos, -sin)
        return rms_norm(q, eps=c.eps), rms_norm(k, eps=c.eps), v

    def forward(self, x, tokens, cos, sin, doc_start, fused):
        q, k, v = self.qkv(x, tokens, cos, sin)
        return F.linear(attention(q, k, v, self.window, doc_start, fused), self.out)


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden = config.mlp_ratio * config.dim
        self.up = nn.Parameter(torch.empty(hidden, config.dim))
        self.down = nn.Parameter(torch.empty(config.dim, hidden))

    def forward(self, x):
        return F.linear(F.relu(F.linear(x, self.up)).square(), self.down)


class Layer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.attn = Attention(config, layer)
        self.mlp = Mlp(config)


class Gpt(nn.Module):
    def __init__(self, config, fused=False):
        super().__init__()
        self.config, self.fused = config, fused
        self.wte = nn.Parameter(torch.empty(config.vocab, config.dim))
        self.lm_head = nn.Parameter(torch.empty(config.vocab, config.dim))
        self.resid_lambda = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in range(config.depth))
        self.x0_lambda = nn.ParameterList(nn.Parameter(torch.full((1,), 0.1)) for _ in range(config.depth))
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.depth))
        self.init()

    @torch.no_grad()
    def init(self, generator=None):
        """autoresearch's: N(0, 1) and N(0, 0.001) for the embedding and the head, output projections and gates zero."""
        s = math.sqrt(3) / math.sqrt(self.config.dim)
        self.wte.normal_(0, 1, generator=generator)
        self.lm_head.normal_(0, 0.001, generator=generator)
        for layer in self.layers:
            attn = layer.attn
            for weight in (attn.q, attn.k, attn.v, layer.mlp.up):
                weight.uniform_(-s, s, generator=generator)
            attn.out.zero_()
            layer.mlp.down.zero_()
            if attn.ve is not None:
                attn.ve.uniform_(-s, s, generator=generator)
                attn.ve_gate.zero_()
        for i in range(self.config.depth):
            self.resid_lambda[i].fill_(1.0)
            self.x0_lambda[i].fill_(0.1)

    def tables(self, seq):
        return rope_tables(seq, self.config.head_dim, self.config.rope_theta, self.wte.dtype)

    def forward(self, tokens, doc_start=None, tables=None):
        """tokens [batch, seq] -> capped logits [batch, seq, vocab]. `doc_start` counts only with mask_documents."""
        c = self.config
        cos, sin = self.tables(tokens.size(1)) if tables is None else tables
        doc_start = doc_start if c.mask_documents else None
        x = x0 = rms_norm(F.embedding(tokens, self.wte), eps=c.eps)
        for i, layer in enumerate(self.layers):
            x = self.resid_lambda[i] * x + self.x0_lambda[i] * x0
            x = x + layer.attn(rms_norm(x, eps=c.eps), tokens, cos, sin, doc_start, self.fused)
            x = x + layer.mlp(rms_norm(x, eps=c.eps))
        return softcap(F.linear(rms_norm(x, eps=c.eps), self.lm_head), c.softcap)
