"""Reads a token shard of formats/token_shard.h, or a plain .npy of tokens."""
from pathlib import Path

import numpy as np

HEADER = np.dtype([("magic", "S8"), ("version", "<u4"), ("token_bytes", "<u4"), ("tokens", "<u8"), ("documents", "<u8"),
                   ("text_bytes", "<u8"), ("vocab", "<u8"), ("rest", "V80")])


def read_tokens(path):
    """Returns (tokens, starts of the documents, bytes of text behind them or None when the file does not say)."""
    path = Path(path)
    if path.suffix == ".npy":
        tokens = np.load(path)
        return tokens, np.flatnonzero(tokens == tokens[0]), None
    header = np.fromfile(path, HEADER, count=1)[0]
    if header["magic"] != b"PROPANE\x1a" or header["version"] != 1:
        raise ValueError(f"{path}: expected a version 1 token shard of Propane or a .npy file")
    width, count = int(header["token_bytes"]), int(header["tokens"])
    tokens = np.fromfile(path, f"<u{width}", count=count, offset=HEADER.itemsize)
    starts = HEADER.itemsize + -(-count * width // 8) * 8
    return tokens, np.fromfile(path, "<u8", count=int(header["documents"]), offset=starts), int(header["text_bytes"])
