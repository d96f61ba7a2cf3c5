"""What the tokenizer's peers are asked to encode: random texts of code points assigned in Unicode 14."""

import json
import pathlib
import random

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "tokenizer"

# Patterns as the projects named write them.
PATTERNS = {
    "autoresearch": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+",
    # tiktoken 0.14's spelling; Hugging Face's ByteLevel has the original
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
    r"|\s+",
}

SPECIALS = ["<|reserved_0|>", "<|reserved_1|>", "<|reserved_2|>", "<|reserved_3|>"]

_COMMON = "'''''  \n\n\r\t/.,!?-_0123456789sStTdDmMlLvVeErR\u017f\u212a\u0085\u00a0\u180e\u2003\u2028\u3000\u01c5\u02b0\u0301\u00df\u4e2d"
_WORDS = ["the", " and", "It's", " WE'LL", " don't", "\n\n", "Emma", " Woodhouse", "1815", " \r\n", "...", "naïve", "Ünïcödé"]


def assigned_codes() -> list[int]:
    """The code points assigned in Unicode 14, surrogates left out."""
    ranges = json.loads((FIXTURES / "assigned_14.json").read_text())
    return [code for first, last in ranges for code in range(first, last + 1)]


def random_texts(count: int, seed: int, max_length: int = 40) -> list[str]:
    codes, rng = assigned_codes(), random.Random(seed)
    low = [c for c in codes if c < 0x3000]

    def piece() -> str:
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(_COMMON)
        if kind < 0.6:
            return rng.choice(_WORDS)
        return chr(rng.choice(low if kind < 0.8 else codes))

    return ["".join(piece() for _ in range(rng.randrange(max_length + 1))) for _ in range(count)]
