#!/usr/bin/env python3
"""Makes tests/fixtures/architectures/: a tiny random model of every architecture with transformers' logits for a row of
tokens, as a Hugging Face folder and, where llama.cpp has the architecture, as GGUF with the tensor names of the gguf
package and the changes of llama.cpp's converter (order of rotary rows, gains plus one, experts stacked).

    pip install torch==2.11.0 transformers==5.23.0 gguf==0.19.0 safetensors numpy
    python3 tests/peers/make_architecture_fixtures.py
"""

import copy
import math
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers as hf
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "architectures"
LAYERS, TOKENS, VOCAB = 2, 24, 64
COMMON = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, attn_implementation="eager", pad_token_id=0,
              bos_token_id=1, eos_token_id=2)
ROPE = {"rope_type": "default", "rope_theta": 10000.0}


def llama():
    return hf.LlamaConfig(**COMMON, rms_norm_eps=1e-5, tie_word_embeddings=False, rope_parameters=ROPE)


def llama3():
    rope = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=32)
    return hf.LlamaConfig(**COMMON, head_dim=16, tie_word_embeddings=True, attention_bias=True, rope_parameters=rope)


def llama_yarn():
    rope = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
    return hf.LlamaConfig(**COMMON, head_dim=16, rope_parameters=rope)


def llama_linear():
    rope = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
    return hf.LlamaConfig(**COMMON, rope_parameters=rope)


def smollm3():
    return hf.SmolLM3Config(**COMMON | {"num_hidden_layers": 4}, rope_parameters=ROPE | {"rope_theta": 5e6})


def qwen2():
    return hf.Qwen2Config(**COMMON, rope_parameters=ROPE | {"rope_theta": 1e6}, tie_word_embeddings=True)


def qwen3():
    return hf.Qwen3Config(**COMMON, head_dim=16, rope_parameters=ROPE | {"rope_theta": 1e6})


def mistral():
    return hf.MistralConfig(**COMMON, head_dim=8, sliding_window=7, rope_parameters=ROPE)


def phi3():
    return hf.Phi3Config(**COMMON, sliding_window=9, rope_parameters=ROPE)


def phi3_longrope():
    rope = ROPE | dict(rope_type="longrope", short_factor=[1.0, 1.25, 2.5], long_factor=[1.5, 4.0, 9.0],
                       partial_rotary_factor=0.75, original_max_position_embeddings=32)
    return hf.Phi3Config(**COMMON | {"max_position_embeddings": 128}, original_max_position_embeddings=32,
                         rope_parameters=rope, tie_word_embeddings=True)


def gemma2():
    return hf.Gemma2Config(**COMMON | {"max_position_embeddings": 64}, head_dim=16, sliding_window=6,
                           query_pre_attn_scalar=16, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                           rope_parameters=ROPE)


def gemma3():
    layers = 6  # the last is global
    rope = {"full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": ROPE}
    return hf.Gemma3TextConfig(**COMMON | {"num_hidden_layers": layers, "intermediate_size": 32}, head_dim=16,
                               sliding_window=6, query_pre_attn_scalar=16, rope_parameters=rope)


def gpt2():
    return hf.GPT2Config(vocab_size=VOCAB, n_positions=40, n_embd=32, n_layer=LAYERS, n_head=4,
                         attn_implementation="eager", bos_token_id=1, eos_token_id=2)


def qwen3_moe():
    return hf.Qwen3MoeConfig(**COMMON, head_dim=8, moe_intermediate_size=24, num_experts=6, num_experts_per_tok=2,
                             norm_topk_prob=True, decoder_sparse_step=1, rope_parameters=ROPE)


def gpt_oss():
    rope = dict(rope_type="yarn", rope_theta=150000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                original_max_position_embeddings=16)
    return hf.GptOssConfig(**COMMON | {"intermediate_size": 32}, head_dim=8, num_local_experts=4,
                           num_experts_per_tok=2, sliding_window=6, rope_parameters=rope)


CASES = [llama, llama3, llama_yarn, llama_linear, smollm3, qwen2, qwen3, mistral, phi3, phi3_longrope, gemma2, gemma3,
         gpt2, qwen3_moe, gpt_oss]
ARCHITECTURES = dict(llama="llama", llama3="llama", smollm3="smollm3", qwen2="qwen2", qwen3="qwen3", phi3="phi3",
                     phi3_longrope="phi3", gemma2="gemma2", gemma3="gemma3", gpt2="gpt2", qwen3_moe="qwen3moe",
                     gpt_oss="gpt-oss")


def randomize(model, name):
    """Weights that matter: norms away from one, biases and sinks away from zero, all exact in bfloat16 and half."""
    generator = torch.Generator().manual_seed(sum(name.encode()))
    gemma = name.startswith("gemma")
    with torch.no_grad():
        for key, p in model.named_parameters():
            r = torch.randn(p.shape, generator=generator)
            norm = "norm" in key or ".ln_" in key
            if norm and p.dim() == 1 and key.endswith("weight"):
                r = 0.3 * r + (0 if gemma else 1)
            elif p.dim() == 1 or key.endswith("_bias"):
                r = 0.3 * r
            elif "embed" in key or "wte" in key or "wpe" in key:
                r = 0.8 * r
            else:
                r = r * 1.3 / math.sqrt(32)
            r = r.bfloat16().float()
            p.copy_(torch.where(r.abs() < 2**-13, torch.zeros(()), r))


def rotary_rows(w, heads):
    """llama.cpp's order of the rows of q and k: each pair of rotate_half side by side."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def to_gguf(name, config, state):
    """The converter's view of a state: GGUF's names and float32 arrays."""
    names = gguf.get_tensor_name_map(next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == ARCHITECTURES[name]),
                                     getattr(config, "num_hidden_layers"))
    out, experts = {}, {}
    for key, value in state.items():
        w = value.float().numpy()
        if ARCHITECTURES[name] in ("llama", "smollm3"):
            if ".q_proj." in key:
                w = rotary_rows(w, config.num_attention_heads)
            if ".k_proj." in key:
                w = rotary_rows(w, config.num_key_value_heads)
        if name.startswith("gemma") and key.endswith("norm.weight"):
            w = w + 1
        if name == "gpt2" and key.split(".")[-2] in ("c_attn", "c_proj", "c_fc") and w.ndim == 2:
            w = w.T
        if name == "qwen3_moe" and ".experts." in key and key.split(".")[5].isdigit():
            stem, number, leaf = key.split(".experts.")[0], *key.split(".experts.")[1].split(".", 1)
            experts.setdefault(f"{stem}.experts.{leaf}", {})[int(number)] = w
            continue
        if name == "gpt_oss" and ".experts." in key:
            stem = key.split("experts.")[0] + "experts."
            suffix = ".bias" if key.endswith("_bias") else ".weight"
            if "gate_up" in key:
                for i, part in enumerate(("gate_proj", "up_proj")):
                    half = w[..., i::2]
                    experts[stem + part + suffix] = half if suffix == ".bias" else half.swapaxes(1, 2)
            else:
                experts[stem + "down_proj" + suffix] = w if suffix == ".bias" else w.swapaxes(1, 2)
            continue
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if key.endswith(".sinks"):
            out[names.get_name(key) + ".weight"] = w
            continue
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = w
    for key, value in experts.items():
        w = np.stack([value[i] for i in range(len(value))]) if isinstance(value, dict) else value
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = w
    return out


def rope_metadata(w, config, head_dim):
    """Of plain, yarn, linear and llama3 scaling, the last as llama.cpp's tensor of divisors."""
    rope = config.rope_parameters
    if "full_attention" in rope:
        w.add_float32(f"{w.arch}.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    kind = rope["rope_type"]
    if kind in ("yarn", "linear"):
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN if kind == "yarn" else gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        w.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
    if kind == "llama3":
        low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
        high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
        factors = []
        for i in range(0, head_dim, 2):
            wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
            smooth = (rope["original_max_position_embeddings"] / wavelength - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 if wavelength < high else rope["factor"] if wavelength > low else
                           1 / ((1 - smooth) / rope["factor"] + smooth))
        w.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))
    if kind == "longrope":
        original, factor = rope["original_max_position_embeddings"], config.max_position_embeddings
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor / original) / math.log(original)))
        w.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))
        w.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))


def write_gguf(path, name, config, state):
    w = gguf.GGUFWriter(path, ARCHITECTURES[name])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_head_count(config.num_attention_heads)
    w.add_vocab_size(VOCAB)
    w.add_tokenizer_model("no_vocab")
    if name == "gpt2":
        w.add_feed_forward_length(4 * config.hidden_size)
        w.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        w.add_feed_forward_length(config.intermediate_size)
        w.add_head_count_kv(config.num_key_value_heads)
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
        w.add_layer_norm_rms_eps(config.rms_norm_eps)
        rope_metadata(w, config, head_dim)
    if ARCHITECTURES[name] in ("phi3", "gemma2", "gemma3", "gpt-oss"):
        w.add_sliding_window(config.sliding_window or 0)
    if name == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    if name in ("qwen3_moe", "gpt_oss"):
        w.add_expert_count(getattr(config, "num_experts", 0) or config.num_local_experts)
        w.add_expert_used_count(config.num_experts_per_tok)
        w.add_expert_feed_forward_length(getattr(config, "moe_intermediate_size", 0) or config.intermediate_size)
    for key, array in to_gguf(name, config, state).items():
        matrix = array.ndim >= 2 and not key.endswith(".bias") and "gate_inp" not in key
        w.add_tensor(key, np.ascontiguousarray(array, dtype=np.float16 if matrix else np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make(case):
    name, config = case.__name__, case()
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomize(model, name)
    tokens = torch.from_numpy(np.random.default_rng(sum(name.encode())).integers(0, VOCAB, TOKENS)).long()
    with torch.no_grad():
        logits = model(tokens[None], use_cache=False).logits[0].float().contiguous()
    copy.deepcopy(model).bfloat16().save_pretrained(folder, max_shard_size="30KB" if name == "llama" else "1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({"tokens": tokens.int(), "logits": logits}, folder / "expected.safetensors")
    if name in ARCHITECTURES:
        from safetensors.torch import load_file
        state = {}
        for file in folder.glob("model*.safetensors"):
            state |= load_file(file)
        write_gguf(folder / f"{name}.gguf", name, config, state)


if __name__ == "__main__":
    for case in CASES:
        make(case)
