#!/usr/bin/env python3
"""Makes tests/fixtures/quant/ with the packages that define the block formats.

    pip install gguf==0.19.0 numpy==2.4.6 llama-cpp-python==0.3.36
    python3 tests/peers/make_quant_fixtures.py [--out DIR]

TYPE.blocks, TYPE.f32   random blocks with extreme scales among them, and the floats that gguf says they are
rows.f32                numbers to quantize: for each distribution of ROWS, one after the other, 16 rows of 512 columns
importance.f32          a weight for each of the 512 columns
llama_errors.json       root mean squared errors of llama.cpp's quantizers on these rows, relative to the rows themselves:
                        {type: {distribution: [without importance, with it (both sums weighted)]}}
"""

import argparse
import ctypes
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

Q = GGMLQuantizationType
FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "quant"

# Where a type's halves lie in its block. Those of BF16 and MXFP4 are no halves, and any bits of them are agreed upon.
HALVES = {
    Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q2_K: [80, 82], Q.Q3_K: [108],
    Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208], Q.IQ4_NL: [0], Q.IQ4_XS: [0], Q.MXFP4: [], Q.F16: [0],
    Q.BF16: [],
}  # fmt: skip
EXTREME_HALVES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00]

QUANTIZED = [Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q4_K, Q.Q5_K, Q.Q6_K]
ROWS = ["gaussian", "student", "outliers"]
SHAPE = (16, 512)


def random_blocks(qtype, rng):
    elements, size = GGML_QUANT_SIZES[qtype]
    blocks = rng.integers(0, 256, (1024 if elements == 1 else 96 if elements == 32 else 24, size), dtype=np.uint8)
    for offset in HALVES[qtype]:
        halves = blocks[:, offset : offset + 2].copy().view("<u2")[:, 0]
        halves[halves & 0x7C00 == 0x7C00] &= 0xBFFF  # infinities and NaNs have no agreed bits
        # Every other block has a scale of a size that models have; the first ones are as extreme as halves get.
        halves[::2] = rng.normal(0, 0.02, len(halves[::2])).astype(np.float16).view("<u2")
        extremes = rng.permutation(EXTREME_HALVES)
        halves[: len(extremes)] = extremes
        blocks[:, offset : offset + 2] = halves[:, None].view(np.uint8)
    return blocks


def dequantization(out):
    for qtype in HALVES:
        blocks = random_blocks(qtype, np.random.default_rng(int(qtype)))
        (out / f"{qtype.name}.blocks").write_bytes(blocks.tobytes())
        with np.errstate(over="ignore"):  # by MXFP4's largest scales
            floats = dequantize(blocks, qtype).astype("<f4")
        (out / f"{qtype.name}.f32").write_bytes(floats.tobytes())


def rows_to_quantize():
    rng = np.random.default_rng(20)
    made = {
        "gaussian": rng.normal(size=SHAPE),
        "student": rng.standard_t(3, size=SHAPE),
        "outliers": rng.normal(size=SHAPE) * np.exp(rng.normal(size=(1, SHAPE[1]))),
    }
    importance = np.exp(1.5 * rng.normal(size=SHAPE[1])).astype(np.float32)
    return {name: np.ascontiguousarray(0.02 * made[name], dtype=np.float32) for name in ROWS}, importance


def llama_quantizer():
    """quantize(qtype, rows, importance or None) by llama.cpp's library."""
    import llama_cpp

    library = ctypes.CDLL(str(next(Path(llama_cpp.__file__).parent.glob("lib/libggml-base.*"))))
    chunk = library.ggml_quantize_chunk
    chunk.restype = ctypes.c_size_t
    chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]

    def quantize(qtype, rows, importance):
        elements, size = GGML_QUANT_SIZES[qtype]
        blocks = np.zeros((rows.shape[0], rows.shape[1] // elements * size), np.uint8)
        weights = importance.ctypes.data if importance is not None else None
        chunk(int(qtype), rows.ctypes.data, blocks.ctypes.data, 0, *rows.shape, weights)
        return blocks

    return quantize


def relative_error(qtype, blocks, rows, importance):
    weights = np.float64(1) if importance is None else importance.astype(np.float64)
    difference = dequantize(blocks, qtype).astype(np.float64) - rows
    return float(np.sqrt((weights * difference**2).sum() / (weights * rows.astype(np.float64) ** 2).sum()))


def quantization(out):
    rows, importance = rows_to_quantize()
    (out / "rows.f32").write_bytes(b"".join(rows[name].tobytes() for name in ROWS))
    (out / "importance.f32").write_bytes(importance.tobytes())
    quantize = llama_quantizer()
    errors = {
        qtype.name: {
            name: [relative_error(qtype, quantize(qtype, rows[name], w), rows[name], w) for w in (None, importance)]
            for name in ROWS
        }
        for qtype in QUANTIZED
    }
    (out / "llama_errors.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=FOLDER)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    dequantization(folder)
    quantization(folder)
