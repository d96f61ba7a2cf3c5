"""One-token decoding with a KV cache for the reference models: static shapes, so that one compiled graph serves."""
import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import Gpt, Gpt2
from reference.blocks import rms_norm, softcap


class Decoder(nn.Module):
    """Batch 1, greedy. The caches hold `length` positions; forward(token [1], position [1]) returns the next token [1]
    and writes the caches in place. Attention reads all cached positions, the unused ones masked."""

    def __init__(self, model, length):
        super().__init__()
        if not isinstance(model, (Gpt, Gpt2)):
            raise ValueError("the decoder knows the gpt and gpt2 families")
        self.model, c = model, model.config
        n_kv, head_dim = (c.n_kv, c.head_dim) if isinstance(model, Gpt) else (c.heads, c.dim // c.heads)
        for i in range(len(model.layers)):
            for kind in "kv":
                self.register_buffer(f"{kind}{i}", torch.zeros(1, n_kv, length, head_dim))
        self.register_buffer("index", torch.arange(length))
        if isinstance(model, Gpt):
            cos, sin = model.tables(length)
            self.register_buffer("cos", cos)
            self.register_buffer("sin", sin)

    def attend(self, i, q, k, v, position, window=None):
        keys, values = getattr(self, f"k{i}"), getattr(self, f"v{i}")
        keys.index_copy_(2, position, k.transpose(1, 2))
        values.index_copy_(2, position, v.transpose(1, 2))
        seen = self.index <= position
        if window is not None and window < len(self.index):
            seen = seen & (position - self.index < window)
        q = q.transpose(1, 2)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen[None], enable_gqa=q.size(1) != keys.size(1))
        return out.transpose(1, 2).flatten(-2)

    def gpt(self, token, position):
        m, c = self.model, self.model.config
        cos, sin = self.cos[position], self.sin[position]
        x = x0 = rms_norm(F.embedding(token, m.wte), eps=c.eps)[None]
        for i, layer in enumerate(m.layers):
            x = m.resid_lambda[i] * x + m.x0_lambda[i] * x0
            q, k, v = layer.attn.qkv(rms_norm(x, eps=c.eps), token[None], cos, sin)
            x = x + F.linear(self.attend(i, q, k, v, position, c.window(i)), layer.attn.out)
            x = x + layer.mlp(rms_norm(x, eps=c.eps))
        return softcap(F.linear(rms_norm(x, eps=c.eps), m.lm_head), c.softcap)

    def gpt2(self, token, position):
        m = self.model
        x = (F.embedding(token, m.tok_embed) + F.embedding(position, m.pos_embed))[None]
        for i, layer in enumerate(m.layers):
            q, k, v = layer.attn.split(layer.ln1(x))
            x = x + F.linear(self.attend(i, q, k, v, position), layer.attn.out, layer.attn.out_bias)
            x = x + layer.mlp(layer.ln2(x))
        return F.linear(m.ln_f(x), m.tok_embed)

    def forward(self, token, position):
        logits = (self.gpt if isinstance(self.model, Gpt) else self.gpt2)(token, position)
        return logits[0, 0].argmax().view(1)
