"""Propane's models, optimizer, data packing and metric once more, in PyTorch, written to be read.

This is the oracle of tests/fixtures/models and the PyTorch side of bench/peers. Parameters carry Propane's own names
(`layers.0.attn.q`, ...), so a state_dict and one of our model.safetensors are interchangeable. Linear weights are
[out, in]. Everything follows the dtype of the parameters: a model moved to float64 computes in float64 throughout.
"""
from .blocks import FLOAT32_EPS, mean_cross_entropy
from .bpb import bits_per_byte, token_byte_length, windows_scoring_each_token_once
from .gpt import Gpt, GptConfig
from .gpt2 import Gpt2, Gpt2Config
from .llama import Llama, LlamaConfig, RopeScaling
from .optim import AdamW, MuonAdamW, clip_by_global_norm
from .packing import packed_rows
from .schedule import autoresearch_schedule, cosine_schedule

__all__ = [
    "AdamW", "FLOAT32_EPS", "Gpt", "Gpt2", "Gpt2Config", "GptConfig", "Llama", "LlamaConfig", "MuonAdamW", "RopeScaling",
    "autoresearch_schedule", "bits_per_byte", "clip_by_global_norm", "cosine_schedule", "mean_cross_entropy",
    "packed_rows", "token_byte_length", "windows_scoring_each_token_once",
]
