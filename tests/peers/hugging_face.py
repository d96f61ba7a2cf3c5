"""Propane's llama and gpt2 parameters under Hugging Face's names, written independently of models/ in C++."""
import torch
from torch.overrides import TorchFunctionMode

LLAMA = {
    "tok_embed": "model.embed_tokens.weight",
    "norm": "model.norm.weight",
    "lm_head": "lm_head.weight",
    "attn_norm": "input_layernorm.weight",
    "mlp_norm": "post_attention_layernorm.weight",
    "attn.q": "self_attn.q_proj.weight",
    "attn.k": "self_attn.k_proj.weight",
    "attn.v": "self_attn.v_proj.weight",
    "attn.out": "self_attn.o_proj.weight",
    "attn.q_bias": "self_attn.q_proj.bias",
    "attn.k_bias": "self_attn.k_proj.bias",
    "attn.v_bias": "self_attn.v_proj.bias",
    "attn.q_norm": "self_attn.q_norm.weight",
    "attn.k_norm": "self_attn.k_norm.weight",
    "mlp.gate": "mlp.gate_proj.weight",
    "mlp.up": "mlp.up_proj.weight",
    "mlp.down": "mlp.down_proj.weight",
}
GPT2 = {
    "tok_embed": "transformer.wte.weight",
    "pos_embed": "transformer.wpe.weight",
    "ln_f.weight": "transformer.ln_f.weight",
    "ln_f.bias": "transformer.ln_f.bias",
    "ln1.weight": "ln_1.weight",
    "ln1.bias": "ln_1.bias",
    "ln2.weight": "ln_2.weight",
    "ln2.bias": "ln_2.bias",
    "attn.qkv": "attn.c_attn.weight",
    "attn.qkv_bias": "attn.c_attn.bias",
    "attn.out": "attn.c_proj.weight",
    "attn.out_bias": "attn.c_proj.bias",
    "mlp.up": "mlp.c_fc.weight",
    "mlp.up_bias": "mlp.c_fc.bias",
    "mlp.down": "mlp.c_proj.weight",
    "mlp.down_bias": "mlp.c_proj.bias",
}


def half_split_rows(weight, head_dim):
    """Rows of a q or k matrix for adjacent-pair RoPE, reordered so that half-split RoPE gives the same scores."""
    heads = weight.unflatten(0, (-1, head_dim // 2, 2))
    return heads.transpose(1, 2).reshape(weight.shape)


def llama_state(config, state):
    """Hugging Face's state dict of a reference Llama. Adjacent-pair RoPE and a residual scale are folded into weights."""
    if config.softcap:
        raise ValueError("Hugging Face's llama has no softcap")
    out = {}
    for name, weight in state.items():
        layer, _, rest = name.removeprefix("layers.").partition(".")
        if config.rope_pairing == "adjacent" and rest in ("attn.q", "attn.k"):
            weight = half_split_rows(weight, config.head_dim)
        if rest in ("attn.out", "mlp.down"):
            weight = config.residual_scale * weight
        out[f"model.layers.{layer}.{LLAMA[rest]}" if name.startswith("layers.") else LLAMA[name]] = weight
    if config.tied:
        out["lm_head.weight"] = out["model.embed_tokens.weight"]
    return out


def gpt2_state(state):
    """Hugging Face's state dict of a reference Gpt2; its linears hold [in, out]."""
    out = {}
    for name, weight in state.items():
        layer, _, rest = name.removeprefix("layers.").partition(".")
        if rest in ("attn.qkv", "attn.out", "mlp.up", "mlp.down"):
            weight = weight.mT.contiguous()
        out[f"transformer.h.{layer}.{GPT2[rest]}" if name.startswith("layers.") else GPT2[name]] = weight
    out["lm_head.weight"] = out["transformer.wte.weight"]
    return out


class Float64Throughout(TorchFunctionMode):
    """Inside it every request for float32 gets float64: transformers computes norms, RoPE tables and softmax in float32
    whatever the model's dtype, which would hide differences below 1e-7."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        swap = lambda value: torch.float64 if value is torch.float32 else value
        if func is torch.Tensor.float:
            return args[0].double()
        return func(*map(swap, args), **{key: swap(value) for key, value in (kwargs or {}).items()})
