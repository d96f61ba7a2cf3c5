"""Makes tests/fixtures/tokenizer/ with rustbpe, tiktoken and Hugging Face tokenizers.

pip install rustbpe==0.1.0 tiktoken==0.14.0 tokenizers==0.23.3; Python 3.11, whose unicodedata is Unicode 14.
"""

import base64
import importlib.metadata
import json
import pathlib
import sys
import unicodedata

import rustbpe
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import decoders

from tokenizer_texts import FIXTURES, PATTERNS, SPECIALS, random_texts

VERSIONS = {"rustbpe": "0.1.0", "tiktoken": "0.14.0", "tokenizers": "0.23.3"}
AUSTEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "austen"


def documents(*names: str) -> list[str]:
    """The pieces between form feeds, as `propane` cuts a .txt into documents."""
    return [d for name in names for d in (AUSTEN / name).read_text(encoding="utf-8").split("\f") if d.strip()]


def ranks_of(texts: list[str], pattern: str, vocab_size: int) -> dict[bytes, int]:
    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(texts, vocab_size, pattern=pattern)
    return {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}


def rank_file(ranks: dict[bytes, int]) -> str:
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())


def write(name: str, content: str) -> None:
    (FIXTURES / name).write_text(content, encoding="utf-8")


def write_json(name: str, value) -> None:
    write(name, json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def make_assigned() -> None:
    ranges: list[list[int]] = []
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cn", "Cs"):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    write_json("assigned_14.json", ranges)


def make_tiktoken(texts: list[str]) -> None:
    """A small vocabulary a pattern, the texts' ids with it, and text with specials in it."""
    small = documents("emma.txt")
    with_specials = [t[: len(t) // 2] + special + t[len(t) // 2:] for t, special in zip(texts[:40], SPECIALS * 10)]
    out = {"texts": texts, "with_specials": with_specials, "patterns": {}}
    for name, pattern in PATTERNS.items():
        ranks = ranks_of(small, pattern, 1000)
        write(f"{name}.tiktoken", rank_file(ranks))
        specials = {text: len(ranks) + i for i, text in enumerate(SPECIALS)}
        encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)
        out["patterns"][name] = {
            "ids": encoding.encode_ordinary_batch(texts, num_threads=1),
            "ids_with_specials": [encoding.encode(t, allowed_special="all") for t in with_specials],
        }
    write_json("tiktoken_encodings.json", out)


def trained(tokenizer: Tokenizer, specials: list[str], vocab_size: int) -> Tokenizer:
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(documents("persuasion.txt"), trainer)
    return tokenizer


def hugging_face_tokenizers() -> dict[str, Tokenizer]:
    """The forms in which models publish byte-level tokenizers."""
    split = lambda pattern: pre_tokenizers.Split(Regex(pattern), "isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    gpt2 = Tokenizer(models.BPE())
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2 = trained(gpt2, ["<|endoftext|>"], 700)

    roberta = Tokenizer(models.BPE())
    roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    roberta = trained(roberta, ["<s>", "</s>"], 700)
    roberta.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    roberta.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))

    smollm = Tokenizer(models.BPE())
    smollm.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    smollm = trained(smollm, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 700)

    llama3 = Tokenizer(models.BPE(ignore_merges=True))
    llama3.pre_tokenizer = pre_tokenizers.Sequence([split(PATTERNS["llama3"]), plain])
    llama3 = trained(llama3, [], 700)
    llama3.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    begin = llama3.token_to_id("<|begin_of_text|>")
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                      special_tokens=[("<|begin_of_text|>", begin)])])

    qwen2 = Tokenizer(models.BPE())
    qwen2.normalizer = normalizers.NFC()
    qwen2.pre_tokenizer = pre_tokenizers.Sequence([split(PATTERNS["qwen2"]), plain])
    qwen2 = trained(qwen2, [], 700)
    qwen2.add_special_tokens(["<|endoftext|>", "<|im_start|>"])
    qwen2.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("caf\u00e9", single_word=True, normalized=True),
                      AddedToken("<tail>", rstrip=True, normalized=False)])
    return {"gpt2": gpt2, "roberta": roberta, "smollm": smollm, "llama3": llama3, "qwen2": qwen2}


def make_hugging_face(texts: list[str]) -> None:
    additions = ["<|endoftext|>", "<|im_start|>", "<s>", "<mask>", "<|begin_of_text|>", "<tool_call>", " caf\u00e9 ",
                 "cafe\u0301", "xcaf\u00e9", "<tail> \n"]
    with_added = [t[: len(t) // 2] + a + t[len(t) // 2:] for t, a in zip(texts[:100], additions * 10)]
    out = {"with_added": with_added, "tokenizers": {}}
    for name, tokenizer in hugging_face_tokenizers().items():
        document = json.loads(tokenizer.to_str())
        if name == "gpt2":  # older files write a merge as one string
            document["model"]["merges"] = [" ".join(m) for m in document["model"]["merges"]]
        write_json(f"hf_{name}.json", document)
        # Without special tokens in the text Hugging Face cannot be told to look for none, so the plain texts hold none.
        encode = lambda t: tokenizer.encode(t, add_special_tokens=False).ids
        out["tokenizers"][name] = {"ids": [encode(t) for t in texts], "ids_with_added": [encode(t) for t in with_added]}
    write_json("hf_encodings.json", out)
    write_json("hf_tiny.json", tiny())


def tiny() -> dict:
    """A file small enough for a fuzzer to take apart, with every part that the reader knows."""
    vocab = {token: i for i, token in enumerate(["a", "b", "\u0120", "1", "ab", "\u0120a", "aba"])}
    flags = ["single_word", "lstrip", "rstrip", "normalized"]
    start = {"id": 7, "content": "<s>", "special": True} | dict.fromkeys(flags, False)
    odd = {"id": 8, "content": "<t>", "special": False} | dict.fromkeys(flags, True)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"id": "<s>", "ids": [7], "tokens": ["<s>"]}
    return {
        "added_tokens": [start, odd],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "Split", "pattern": {"Regex": "[ab]+|\\s"}, "behavior": "Removed", "invert": True},
            {"type": "Split", "pattern": {"String": "."}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": {"type": "TemplateProcessing", "special_tokens": {"<s>": special}, "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": []},
        "decoder": byte_level,
        "model": {"type": "BPE", "ignore_merges": True, "vocab": vocab, "merges": [["a", "b"], ["\u0120", "a"], ["ab", "a"]]},
    }


def make_nfc(texts: list[str]) -> None:
    marks = [chr(c) for c in range(0x300, 0x370)]
    composed = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c)) and not
                unicodedata.decomposition(chr(c)).startswith("<")]
    samples = [unicodedata.normalize("NFD", "".join(composed[i:i + 40])) for i in range(0, len(composed), 40)]
    samples += [t + marks[i % 112] + marks[i * 7 % 112] + "".join(marks[i * 11 % 112:][:3]) for i, t in enumerate(texts)]
    samples += ["".join(chr(0x1100 + i % 19) + chr(0x1161 + i % 21) + chr(0x11A7 + i % 28) for i in range(200)),
                "".join(chr(0xAC00 + 28 * i) + chr(0x11A7 + i % 28) for i in range(200)), "".join(composed)]
    write_json("nfc.json", [[s, unicodedata.normalize("NFC", s)] for s in samples])


def make_replaced() -> None:
    """Token bytes as autoresearch counts them: the length of bytes.decode('utf-8', errors='replace')."""
    pieces = [b"a", b"\xc3", b"\xa9", b"\xe2", b"\x82", b"\xac", b"\xf0", b"\x9f", b"\x98", b"\x80", b"\xff", b"\xed",
              b"\xa0", b"\xe0", b"\xf4", b"\x90", b"\xc0"]
    samples = [a + b + c for a in pieces for b in pieces for c in pieces] + [a + b for a in pieces for b in pieces]
    write_json("replaced.json", [[list(s), len(s.decode("utf-8", errors="replace").encode())] for s in samples])


def main() -> None:
    for package, version in VERSIONS.items():
        if (found := importlib.metadata.version(package)) != version:
            sys.exit(f"expected {package} {version}, found {found}")
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"expected Unicode 14.0.0 (Python 3.11), found {unicodedata.unidata_version}")
    FIXTURES.mkdir(parents=True, exist_ok=True)
    make_assigned()
    texts = random_texts(300, seed=1)
    write("rustbpe_8188.tiktoken", rank_file(ranks_of(documents("emma.txt", "persuasion.txt"), PATTERNS["autoresearch"], 8188)))
    make_tiktoken(texts)
    make_hugging_face(texts)
    make_nfc(texts[:100])
    make_replaced()


if __name__ == "__main__":
    main()
