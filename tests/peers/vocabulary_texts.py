"""Texts for the tests of vocabularies: those of tokenizer_texts.py, and what models of pieces treat in ways of their own."""

import random

from tokenizer_texts import random_texts

SENTENCES = [
    "Der Zug fährt über die Brücke; größer wäre schöner.", "Всё смешалось в доме Облонских.", "Ἐν ἀρχῇ ἦν ὁ Λόγος.",
    "三人行，必有我师焉。择其善者而从之。", "吾輩は猫である。名前はまだ無い。", "나는 학교에 갑니다.", "في البدء كان الكلمة.",
    "सभी मनुष्य जन्म से स्वतन्त्र हैं।", "L'été, où êtes-vous ? À Noël !", "👩‍👩‍👧 🇩🇪 👍🏽 😀", "def f(x):\n    return x ** 2  # 12345\n",
]
CONTROLS = ["<s>", "</s>", "<|turn|>"]
DEFINED = ["<tool>", "<tool><tool>"]
_PIECES = [" ", "  ", "   ", "\u2581", "\u2581\u2581", "\n", "\n\n", "\t", "\r\n", "<", ">", "<0x41>", "<unk>", "ﬁ", "①", "Å", "e\u0301", "ｱ",
           "the", " of", "ing", "Emma", "12", "2024", "'s", ".", "é", "語", "ё", "😀", "\u200d", "\ufeff", "\xa0", "\x00", "\x07"]


def piece_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    out = ["", " ", "  ", " a", "a ", "  a  b  ", "\u2581a", "\n", " \n ", *SENTENCES]
    while len(out) < count:
        words = [rng.choice(_PIECES if rng.random() < 0.7 else SENTENCES) for _ in range(rng.randrange(1, 14))]
        text = "".join(w if w in _PIECES else w[rng.randrange(len(w)):][: rng.randrange(1, 20)] for w in words)
        out.append(text)
    return out


def texts(count: int, seed: int) -> list[str]:
    return piece_texts(count // 2, seed) + random_texts(count - count // 2, seed + 1, 30)


def with_added(plain: list[str]) -> list[str]:
    added = CONTROLS + DEFINED
    return [t[: len(t) // 2] + added[i % len(added)] + t[len(t) // 2:] + added[i % 3] * (i % 2) for i, t in enumerate(plain)]
