"""Makes tests/fixtures/vocabulary/: small SentencePiece models, the same as GGUF files and tokenizer.json, byte-level BPE as
GGUF, and what their peers make of texts.

pip install sentencepiece==0.2.3 tokenizers==0.23.3 gguf==0.19.0 llama-cpp-python==0.3.36 protobuf==7.36.2 numpy==2.4.6

Where the peers differ among themselves, and whom Propane follows, stands in tokenizer/gguf_vocabulary_test.cpp.
"""

import base64
import io
import json
import pathlib
import sys
import unicodedata

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from llama_cpp import Llama
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import vocabulary_texts
from tokenizer_texts import PATTERNS, random_texts

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "vocabulary"
AUSTEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "austen"
PRE = ["default", "gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "trillion", "granite-docling", "exaone4", "a.x-4.0", "mellum",
       "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2", "falcon", "llama-bpe",
       "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "dbrx", "smaug-bpe", "chatglm-bpe", "glm4",
       "qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2", "qwen35", "gpt-4o", "llama4",
       "kanana2", "minimax-m2", "tekken", "deepseek-llm", "deepseek-coder", "deepseek-v3", "hunyuan-dense", "joyai-llm", "bloom",
       "poro-chat", "gpt3-finnish", "viking", "bailingmoe", "bailingmoe2", "llada-moe", "seed-coder", "exaone-moe", "laguna",
       "minicpm5"]


def write_json(name: str, value) -> None:
    (FIXTURES / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")


def corpus() -> list[str]:
    lines = (AUSTEN / "persuasion.txt").read_text(encoding="utf-8").replace("\f", "\n").split("\n")[:4000]
    return [line for line in lines if line.strip()] + vocabulary_texts.SENTENCES * 40


def train(name: str, **options) -> sentencepiece.SentencePieceProcessor:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, minloglevel=2, num_threads=1, character_coverage=0.9995,
        control_symbols=["<|turn|>"], user_defined_symbols=vocabulary_texts.DEFINED, **options)
    # A training's paths and date are nobody's business, and no reader looks at its statistics.
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    proto.trainer_spec.ClearField("input")
    proto.trainer_spec.ClearField("model_prefix")
    (FIXTURES / f"{name}.model").write_bytes(proto.SerializeToString())
    return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


def write_gguf(name: str, model: str, tokens, types, scores=None, merges=None, pre=None, charsmap=None, **keys) -> pathlib.Path:
    path = FIXTURES / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores is not None:
        writer.add_token_scores(scores)
    if merges is not None:
        writer.add_token_merges(merges)
    if charsmap:
        writer.add_precompiled_charsmap(charsmap)
    for key, value in keys.items():
        getattr(writer, f"add_{key}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_of(sp: sentencepiece.SentencePieceProcessor, name: str, model: str, **keys) -> pathlib.Path:
    kind = gguf.TokenType

    def type_of(i: int):
        if sp.IsUnknown(i):
            return kind.UNKNOWN
        if sp.IsControl(i):
            return kind.CONTROL
        if sp.IsByte(i):
            return kind.BYTE
        return kind.USER_DEFINED if sp.IdToPiece(i) in vocabulary_texts.DEFINED else kind.NORMAL

    ids = range(sp.GetPieceSize())
    return write_gguf(name, model, [sp.IdToPiece(i) for i in ids], [type_of(i) for i in ids],
                      [sp.GetScore(i) for i in ids], bos_token_id=sp.bos_id(), eos_token_id=sp.eos_id(),
                      unk_token_id=sp.unk_id(), **keys)


def llama_ids(path: pathlib.Path, plain: list[str], added: list[str]) -> dict:
    llama = Llama(model_path=str(path), vocab_only=True, verbose=False)
    encode = lambda t, special, ends=False: llama.tokenize(t.encode(), add_bos=ends, special=special)
    return {"ids": [encode(t, False) for t in plain], "added": [encode(t, True) for t in added],
            "added_not_special": [encode(t, False) for t in added], "ends": encode("a b", False, True)}


def make_sentencepiece(plain: list[str], added: list[str]) -> None:
    out = {}
    bpe = train("bpe", model_type="bpe", vocab_size=1100, byte_fallback=True, normalization_rule_name="identity",
                remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True)
    nfkc = train("unigram", model_type="unigram", vocab_size=1000, normalization_rule_name="nmt_nfkc")
    fallback = train("unigram_bytes", model_type="unigram", vocab_size=1000, byte_fallback=True,
                     normalization_rule_name="identity", remove_extra_whitespaces=False)
    for name, sp in {"bpe": bpe, "unigram": nfkc, "unigram_bytes": fallback}.items():
        # Lone surrogates do not come up, and the package finds user-defined symbols but no controls in a text.
        out[name] = {"ids": sp.encode(plain), "added": sp.encode(added), "decoded": [sp.decode(i) for i in sp.encode(plain)]}
    write_json("sentencepiece.json", out)

    charsmap = sentencepiece_model_pb2.ModelProto.FromString((FIXTURES / "unigram.model").read_bytes()) \
        .normalizer_spec.precompiled_charsmap
    paths = {"bpe": gguf_of(bpe, "bpe", "llama", add_bos_token=True, add_eos_token=False, add_space_prefix=True),
             "unigram": gguf_of(nfkc, "unigram", "t5", charsmap=charsmap, add_space_prefix=True, remove_extra_whitespaces=True,
                                add_bos_token=False, add_eos_token=True)}
    write_json("llama_cpp_pieces.json", {name: llama_ids(path, plain, added) for name, path in paths.items()})
    make_hugging_face(bpe, nfkc, charsmap, plain, added)


def one_code_each(text: str) -> bool:
    """Hugging Face's Precompiled looks up grapheme clusters, SentencePiece any string of its table: only texts of clusters of
    one code point are normalized alike."""
    return not any(unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf") or c in "\r\u200d" or 0x1100 <= ord(c) < 0x1200
                   or 0xA960 <= ord(c) < 0xA980 or 0xAC00 <= ord(c) < 0xD800 or 0x1F1E6 <= ord(c) < 0x1F400
                   or c in "\u0e33\u0eb3\uff9e\uff9f" for c in text)


def make_hugging_face(bpe, nfkc, charsmap: bytes, plain: list[str], added: list[str]) -> None:
    """The forms in which models publish SentencePiece's tokenizers."""
    replace = normalizers.Replace(" ", "\u2581")
    trailing = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]

    def trained(normalizer, pre_tokenizer, decoder, split=True):
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
        tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = replace, pre_tokenizers.Metaspace(), decoder
        specials = ["<unk>", "<s>", "</s>", "<|turn|>"] + [f"<0x{b:02X}>" for b in range(256)]
        tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1000, special_tokens=specials, show_progress=False,
                                                                     limit_alphabet=200))
        document = json.loads(tokenizer.to_str())
        document["added_tokens"] = [a for a in document["added_tokens"] if not a["content"].startswith("<0x")]
        # Runs of spaces, as real vocabularies have them.
        vocab, merges = document["model"]["vocab"], document["model"]["merges"]
        for n in (2, 4):
            vocab["\u2581" * n] = max(vocab.values()) + 1
            merges.append(["\u2581" * (n // 2)] * 2)
        tokenizer = Tokenizer.from_str(json.dumps(document))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in vocabulary_texts.DEFINED])
        return tokenizer

    llama2 = trained(normalizers.Sequence([normalizers.Prepend("\u2581"), replace]), None,
                     decoders.Sequence(trailing + [decoders.Strip(" ", 1, 0)]))
    mistral = trained(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
                      decoders.Sequence(trailing + [decoders.Strip(" ", 1, 0)]))
    gemma = trained(replace, pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(trailing))
    pieces = [(nfkc.IdToPiece(i), nfkc.GetScore(i)) for i in range(nfkc.GetPieceSize())]
    t5 = Tokenizer(models.Unigram(pieces, nfkc.unk_id(), False))
    t5.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True),
                                          normalizers.Replace(Regex(" {2,}"), "\u2581")])
    t5.pre_tokenizer, t5.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    t5.add_special_tokens(vocabulary_texts.CONTROLS + ["<unk>"])
    t5.add_tokens([AddedToken(t, normalized=False) for t in vocabulary_texts.DEFINED])
    out = {}
    for name, tokenizer in {"llama2": llama2, "mistral": mistral, "gemma": gemma, "t5": t5}.items():
        write_json(f"hf_{name}.json", json.loads(tokenizer.to_str()))
        encode = lambda t: tokenizer.encode(t, add_special_tokens=False).ids if name != "t5" or one_code_each(t) else None
        ids = [encode(t) for t in plain]
        out[name] = {"ids": ids, "added": [encode(t) for t in added],
                     "decoded": [None if i is None else tokenizer.decode(i, skip_special_tokens=False) for i in ids]}
    write_json("hugging_face.json", out)


# llama.cpp cuts these by patterns that come near the models' own, and goes wrong where letters carry marks.
ORIGINAL = {
    "gpt-4o": PATTERNS["o200k"],
    "tekken": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
ORIGINAL |= dict.fromkeys(["llama4", "kanana2", "minimax-m2"], ORIGINAL["gpt-4o"])


def original_ids(pre: str, model: dict, plain: list[str], added: list[str]):
    tokenizer = Tokenizer(models.BPE(model["vocab"], [tuple(m) for m in model["merges"]], ignore_merges=pre == "tekken"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(ORIGINAL[pre]), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    encode = lambda texts: [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    return encode(plain), encode(added)


def make_byte_level(plain: list[str]) -> None:
    """One vocabulary whose merges cross everything that a pre-tokenizer may cut, under every name."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    samples = [t[:25] for t in plain + random_texts(3000, 77)] + ["12345678 1999", "  \n\n  \n", "!!??..//", "a b c d"] * 50
    tokenizer.train_from_iterator(corpus()[:500] + samples, trainers.BpeTrainer(
        vocab_size=2500, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    kind, normal = gguf.TokenType, len(tokens)
    tokens += ["<|im_start|>", "<|im_end|>", "<tool>", "[PAD0]"]
    types = [kind.NORMAL] * normal + [kind.CONTROL, kind.CONTROL, kind.USER_DEFINED, kind.UNUSED]
    merges = [" ".join(m) for m in model["merges"]]
    added = [t[:9] + ["<|im_start|>", "<tool>", "<|im_end|>", "[PAD0]"][i % 4] + t[9:] for i, t in enumerate(plain[:100])]
    out = {"texts": plain, "added_texts": added, "names": {}}
    for pre in PRE:
        path = write_gguf("pre", "gpt2", tokens, types, merges=merges, pre=pre, bos_token_id=normal, eos_token_id=normal + 1,
                          add_bos_token=True)
        try:
            ids = llama_ids(path, plain, added)
        except ValueError:
            print(f"{pre}: llama.cpp refuses it", file=sys.stderr)
            ids = None
        if pre in ORIGINAL:
            ids["ids"], ids["added"] = original_ids(pre, model, plain, added)
            ids["added_not_special"] = []
        if pre in ("deepseek-llm", "deepseek-coder"):
            # llama.cpp takes every wide space for a vertical tab there, which the pattern's range U+0800 to U+4E00 does not hold.
            for key, of in {"ids": plain, "added": added, "added_not_special": added}.items():
                ids[key] = [None if any(ord(c) >= 0x800 and c.isspace() for c in t) else i for t, i in zip(of, ids[key])]
        # Most names stand for the same cut: the ids once.
        same = next((n for n, v in out["names"].items() if v == ids), None)
        out["names"][pre] = same if same else ids
    write_gguf("pre", "gpt2", tokens, types, merges=merges, pre="gpt-2", bos_token_id=normal, eos_token_id=normal + 1,
               add_bos_token=True)
    write_json("llama_cpp_pre.json", out)


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    plain = vocabulary_texts.texts(700, 5)
    added = vocabulary_texts.with_added(plain[:200])
    write_json("texts.json", {"texts": plain, "added": added})
    make_sentencepiece(plain, added)
    make_byte_level(random_texts(350, 6, 30) + plain[:150])
