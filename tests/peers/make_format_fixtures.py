#!/usr/bin/env python3
"""Makes tests/fixtures/formats/ with the packages that define the formats.

    pip install safetensors==0.8.0 numpy==2.4.6 pyarrow==26.0.1 zstandard==0.25.0 xxhash==3.5.0
    python3 tests/peers/make_format_fixtures.py
"""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
import zstandard
from safetensors import TensorSpec, serialize_file
from safetensors.numpy import save_file

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "formats"

# The documents of every text fixture. The tests hold the same list.
DOCUMENTS = [
    "The first document.\nIt has two lines.",
    "Zweites Dokument: ß, €, 語, 🙂.",
    "third " * 40 + "end",
    "A fourth, with \"quotes\", a backslash \\ and a tab\t.",
]


def safetensors():
    numbers = {
        "f64": np.linspace(-1, 1, 6, dtype=np.float64).reshape(2, 3),
        "f32": np.arange(5, dtype=np.float32) / 4,
        "f16": np.array([[1.5], [-2.25]], dtype=np.float16),
        "i64": np.array([-(2**40), 2**40], dtype=np.int64),
        "i32": np.array([[[7, -7]]], dtype=np.int32),
        "u16": np.array([0, 65535], dtype=np.uint16),
        "u8": np.array([1, 2, 255], dtype=np.uint8),
        "bool": np.array([True, False]),
        "i8": np.array([-1], dtype=np.int8),
        "scalar": np.array(3.5, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
    }
    save_file(numbers, FOLDER / "numbers.safetensors", metadata={"note": "naïve"})
    # numpy knows no bfloat16: 1.0, -2.0 and 3.140625 as their upper 16 bits.
    bits = np.array([0x3F80, 0xC000, 0x4049], dtype=np.uint16)
    spec = TensorSpec(dtype="bfloat16", shape=[3], data_ptr=bits.ctypes.data, data_len=bits.nbytes)
    serialize_file({"b": spec}, str(FOLDER / "bf16.safetensors"))


def text():
    plain = "\f".join(DOCUMENTS).encode()
    # The keys are in another order, escaped and not, with a blank line and an empty document between.
    lines = [json.dumps({"id": i, "text": d, "body": d.upper()}, ensure_ascii=i % 2 == 0) for i, d in enumerate(DOCUMENTS)]
    lines.insert(2, "")
    lines.insert(3, json.dumps({"text": "", "body": "x"}))
    jsonl = ("\n".join(lines) + "\n").encode()
    for name, content in {"documents.txt": plain, "documents.jsonl": jsonl}.items():
        (FOLDER / name).write_bytes(content)
        half = len(content) // 2  # two members, two frames
        with open(FOLDER / (name + ".gz"), "wb") as file:
            file.write(gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], mtime=0))
        compress = zstandard.ZstdCompressor(level=19, write_checksum=True).compress
        (FOLDER / (name + ".zst")).write_bytes(compress(content[:half]) + compress(content[half:]))


def parquet():
    rows = DOCUMENTS[:2] + [None, ""] + DOCUMENTS[2:]
    names = [f"row {i}" for i in range(len(rows))]
    nested = pa.array([[name] for name in names])
    table = pa.table({"name": names, "text": rows, "number": list(range(len(rows))), "list": nested})
    for codec in ("snappy", "zstd", "gzip", "none"):
        pq.write_table(table, FOLDER / f"documents.{codec}.parquet", compression=codec, row_group_size=4)
    large = table.set_column(1, "text", pa.array(rows, pa.large_string()))
    pq.write_table(large, FOLDER / "large_string.parquet", use_dictionary=False, data_page_version="2.0")
    required = pa.table([pa.array(DOCUMENTS)], schema=pa.schema([pa.field("text", pa.string(), nullable=False)]))
    pq.write_table(required, FOLDER / "required.parquet", compression="snappy")
    binary = pa.table({"text": pa.array([b"fine", b"caf\xe9"], pa.binary())})
    pq.write_table(binary, FOLDER / "latin1.parquet")
    many = pa.table({"text": [f"document {i}" for i in range(1000)]})
    pq.write_table(many, FOLDER / "many.parquet", compression="zstd", row_group_size=300, data_page_size=512)


def llmc():
    """llm.c's token files as its dev/data scripts lay them out: 256 int32, then the tokens."""
    header = np.zeros(256, dtype=np.int32)
    tokens = np.array([50256, 1, 2, 3, 50256, 4, 50256, 5, 6], dtype=np.uint16)
    header[:3] = 20240520, 1, len(tokens)
    (FOLDER / "llmc_gpt2.bin").write_bytes(header.tobytes() + tokens.tobytes())
    wide = np.array([128000, 70000, 1, 128000, 127999], dtype=np.uint32)
    header[:3] = 20240801, 7, len(wide)
    (FOLDER / "llmc_llama3.bin").write_bytes(header.tobytes() + wide.tobytes())


def shard():
    """Our own token shard, written down a second time from the description in formats/token_shard.h."""
    documents = [[299, 1, 2], [299], [299, 5, 6]]
    tokens = np.concatenate(documents).astype("<u2").tobytes()
    starts = np.cumsum([0] + [len(d) for d in documents[:-1]]).astype("<u8").tobytes()
    payload = tokens + bytes(-len(tokens) % 8) + starts
    header = b"PROPANE\x1a" + struct.pack("<2I6Q", 1, 2, 7, 3, 30, 300, 0xABCDEF, xxhash.xxh64_intdigest(payload))
    header += bytes(120 - len(header))
    (FOLDER / "shard.bin").write_bytes(header + struct.pack("<Q", xxhash.xxh64_intdigest(header)) + payload)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    safetensors()
    text()
    parquet()
    llmc()
    shard()
