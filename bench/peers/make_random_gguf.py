"""A llama of random weights as a GGUF file, for measuring speed where no weights are to be had.

    python bench/peers/make_random_gguf.py OUT.gguf --type Q4_0 [--layers 22 --dim 2048 --hidden 5632 --heads 32 --kv-heads 4]

The defaults are TinyLlama's 1.1B. Q4_K_M is llama.cpp's recipe: Q6_K for the output, for half of attn_v and ffn_down.
Blocks are quantized from one small random matrix, repeated: the speed does not depend on the values.
"""
import argparse

import gguf
import numpy as np


def more_bits(layer, layers):
    """Layers that Q4_K_M gives more bits in attn_v and ffn_down (llama.cpp's use_more_bits)."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


# Blocks of 256 that PyPI's gguf cannot quantize: random bits with small scales are as good for timing.
SCALES = {"Q4_K": (0, 2), "Q6_K": (208, 1)}  # where a block's half-precision scales begin, and how many


def blocks(rng, kind, rows, columns):
    qtype = gguf.GGMLQuantizationType[kind]
    elements, size = gguf.GGML_QUANT_SIZES[qtype]
    if kind in SCALES:
        data = rng.integers(0, 256, (rows, columns // elements, size), dtype=np.uint8)
        first, count = SCALES[kind]
        scale = np.full(count, 1e-4, dtype=np.float16).view(np.uint8)
        data[:, :, first : first + 2 * count] = scale
        return data.reshape(rows, -1)
    few = rng.standard_normal((min(rows, 64), columns), dtype=np.float32) * 0.02
    packed = gguf.quants.quantize(few, qtype)
    return np.ascontiguousarray(np.resize(packed, (rows, packed.shape[1])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--type", required=True, choices=["Q4_0", "Q4_1", "Q8_0", "Q4_K_M", "F16"])
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--hidden", type=int, default=5632)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=4)
    parser.add_argument("--vocab", type=int, default=32000)
    a = parser.parse_args()
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(a.out, "llama")
    writer.add_name(f"random llama {a.type}")
    writer.add_block_count(a.layers)
    writer.add_context_length(8192 + 512)
    writer.add_embedding_length(a.dim)
    writer.add_feed_forward_length(a.hidden)
    writer.add_head_count(a.heads)
    writer.add_head_count_kv(a.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(a.dim // a.heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(a.vocab)
    writer.add_tokenizer_model("llama")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    writer.add_token_list(special + [f"t{i}" for i in range(a.vocab - len(special))])
    writer.add_token_scores([0.0] * len(special) + [-float(i) for i in range(a.vocab - len(special))])
    types = [2, 3, 3] + [6] * 256 + [1] * (a.vocab - len(special))
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def matrix(name, rows, columns, kind=None):
        kind = kind or {"Q4_K_M": "Q4_K"}.get(a.type, a.type)
        writer.add_tensor(name, blocks(rng, kind, rows, columns), raw_dtype=gguf.GGMLQuantizationType[kind])

    def ones(name):
        writer.add_tensor(name, np.ones(a.dim, dtype=np.float32))

    kv_dim = a.dim // a.heads * a.kv_heads
    matrix("token_embd.weight", a.vocab, a.dim)
    ones("output_norm.weight")
    matrix("output.weight", a.vocab, a.dim, "Q6_K" if a.type == "Q4_K_M" else None)
    for i in range(a.layers):
        big = "Q6_K" if a.type == "Q4_K_M" and more_bits(i, a.layers) else None
        at = f"blk.{i}."
        ones(at + "attn_norm.weight")
        matrix(at + "attn_q.weight", a.dim, a.dim)
        matrix(at + "attn_k.weight", kv_dim, a.dim)
        matrix(at + "attn_v.weight", kv_dim, a.dim, big)
        matrix(at + "attn_output.weight", a.dim, a.dim)
        ones(at + "ffn_norm.weight")
        matrix(at + "ffn_gate.weight", a.hidden, a.dim)
        matrix(at + "ffn_up.weight", a.hidden, a.dim)
        matrix(at + "ffn_down.weight", a.dim, a.hidden, big)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
