"""The built program's tokenizer against rustbpe, tiktoken and Hugging Face tokenizers, live.

Where the peers differ among themselves, and what ours does:
- tiktoken's cl100k pattern keeps white space at the end of a text in one chunk (`\\s++$`), the pattern that llama3 and
  Hugging Face's conversions of GPT-4's tokenizer use cuts it behind its last line end. Ours has both, by name.
- tiktoken throws text away that its pattern does not match, Hugging Face makes chunks of it. Ours keeps every byte.
  (The named patterns match all text.)
- `{1,3}+` is possessive to tiktoken, a repetition of a repetition to Hugging Face (Oniguruma), and `$` is the end of
  the text to one, of any line to the other. A tokenizer.json that ours writes says what tiktoken means in words that
  Hugging Face reads the same way.
- The NFC of Hugging Face 0.23 is of a Unicode before 14: it does not know the combining class of U+1AC3 and the like and
  leaves them where they stand. Ours agrees with Python's unicodedata.
- Code points assigned after Unicode 14 may be letters to newer peers and signs to ours; the texts here hold none.
"""

import base64
import json
import random
import subprocess
import unicodedata

import pytest
import rustbpe
import tiktoken
from tokenizers import Tokenizer

from propane_binary import ROOT, propane_or_skip
from tokenizer_texts import FIXTURES, PATTERNS, SPECIALS, random_texts

AUSTEN = ROOT / "data" / "austen"
TEXTS = random_texts(10_000, seed=2)


@pytest.fixture(scope="module")
def propane():
    return propane_or_skip()


def run_lines(propane, lines, *args):
    """Runs a --jsonl command on one JSON value a line and returns its lines' values."""
    done = subprocess.run([propane.path, "tokenizer", *map(str, args), "--jsonl"], check=True, capture_output=True,
                          input="".join(json.dumps(line) + "\n" for line in lines).encode())
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_ranks(path):
    return {base64.b64decode(token): int(rank) for token, rank in map(str.split, path.read_text().splitlines())}


class Trained:
    """One vocabulary as tokenizer.json, rank file, and in each peer."""

    def __init__(self, propane, folder, pattern):
        self.json, self.ranks = folder / "tokenizer.json", folder / "ranks.tiktoken"
        self.files = [AUSTEN / "emma.txt", AUSTEN / "persuasion.txt"]
        propane.run("tokenizer", "train", *self.files, "--vocab-size", 4096, "--pattern", pattern,
                    "--special", ",".join(SPECIALS), "--out", self.json, "--tiktoken", self.ranks)
        mergeable = read_ranks(self.ranks)
        self.tiktoken = tiktoken.Encoding(pattern, pat_str=PATTERNS[pattern], mergeable_ranks=mergeable,
                                          special_tokens={s: len(mergeable) + i for i, s in enumerate(SPECIALS)})
        self.hugging_face = Tokenizer.from_file(str(self.json))


@pytest.fixture(scope="module", params=PATTERNS)
def trained(request, propane, tmp_path_factory):
    return request.param, Trained(propane, tmp_path_factory.mktemp(request.param), request.param)


def first_difference(a, b, texts=TEXTS):
    return next(((texts[i], x, y) for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), None)


def test_merges_are_rustbpes(trained):
    name, files = trained
    texts = [d for f in files.files for d in f.read_text(encoding="utf-8").split("\f")]
    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(texts, 4096 - len(SPECIALS), pattern=PATTERNS[name])
    assert read_ranks(files.ranks) == {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}


def test_encodes_as_tiktoken(propane, trained):
    _, files = trained
    ours = run_lines(propane, TEXTS, "encode", "--tokenizer", files.json)
    assert first_difference(ours, files.tiktoken.encode_ordinary_batch(TEXTS)) is None


def test_encodes_as_hugging_face(propane, trained):
    _, files = trained
    ours = run_lines(propane, TEXTS, "encode", "--tokenizer", files.json)
    theirs = [e.ids for e in files.hugging_face.encode_batch(TEXTS, add_special_tokens=False)]
    assert first_difference(ours, theirs) is None


def test_rank_file_encodes_as_tiktoken(propane, trained):
    name, files = trained
    ours = run_lines(propane, TEXTS, "encode", "--tokenizer", files.ranks, "--pattern", name)
    assert first_difference(ours, files.tiktoken.encode_ordinary_batch(TEXTS)) is None


def test_specials_are_recognised_as_both_peers_do(propane, trained):
    _, files = trained
    texts = [t[:7] + s + t[7:] + s for t, s in zip(TEXTS, SPECIALS * 500)]
    ours = run_lines(propane, texts, "encode", "--tokenizer", files.json, "--allow-special", "all")
    assert ours == [files.tiktoken.encode(t, allowed_special="all") for t in texts]
    assert ours == [e.ids for e in files.hugging_face.encode_batch(texts, add_special_tokens=False)]
    plain = run_lines(propane, texts, "encode", "--tokenizer", files.json)
    assert plain == files.tiktoken.encode_ordinary_batch(texts)


def test_decodes_to_the_texts(propane, trained):
    _, files = trained
    ids = files.tiktoken.encode_ordinary_batch(TEXTS)
    assert run_lines(propane, ids, "decode", "--tokenizer", files.json) == TEXTS
    # Tokens that end inside a character decode with replacement characters, as in tiktoken.
    cut = [some[: len(some) // 2] for some in ids]
    assert run_lines(propane, cut, "decode", "--tokenizer", files.json) == [files.tiktoken.decode(some) for some in cut]


@pytest.mark.parametrize("name", ["gpt2", "roberta", "smollm", "llama3", "qwen2"])
def test_reads_hugging_faces_files(propane, name):
    path = FIXTURES / f"hf_{name}.json"
    tokenizer = Tokenizer.from_file(str(path))
    texts = TEXTS
    if tokenizer.normalizer:
        texts = [t for t in TEXTS if tokenizer.normalizer.normalize_str(t) == unicodedata.normalize("NFC", t)]
        assert len(texts) > 0.999 * len(TEXTS)
    theirs = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    ours = run_lines(propane, texts, "encode", "--tokenizer", path, "--allow-special", "all")
    assert first_difference(ours, theirs, texts) is None


def test_added_tokens_with_every_flag_are_found_as_hugging_face_does(propane):
    """hf_tiny.json: white space taken in, single words, normalized tokens, bytes without a token, text thrown away."""
    rng = random.Random(3)
    pieces = ["a", "b", " ", "1", "<s>", "<t>", ".", "x", "ab", "\u00e9", "e\u0301", "_", "\n"]
    texts = ["".join(rng.choices(pieces, k=rng.randrange(14))) for _ in range(3000)]
    path = FIXTURES / "hf_tiny.json"
    ours = run_lines(propane, texts, "encode", "--tokenizer", path, "--allow-special", "all")
    theirs = [e.ids for e in Tokenizer.from_file(str(path)).encode_batch(texts, add_special_tokens=False)]
    assert first_difference(ours, theirs, texts) is None


def test_the_peers_differ_in_white_space_at_the_end_of_a_text(propane, tmp_path):
    """The one place where a named pattern has two meanings in use."""
    files = {}
    for name in ("cl100k", "llama3"):
        (tmp_path / name).mkdir()
        files[name] = Trained(propane, tmp_path / name, name)
    text = ["a \n  "]
    for name, trained_files in files.items():
        assert run_lines(propane, text, "encode", "--tokenizer", trained_files.json) == \
            trained_files.tiktoken.encode_ordinary_batch(text)
    pieces = {name: t.hugging_face.pre_tokenizer.pre_tokenize_str(text[0]) for name, t in files.items()}
    assert [p for p, _ in pieces["cl100k"]] == ["a", "ĠĊĠĠ"] and [p for p, _ in pieces["llama3"]] == ["a", "ĠĊ", "ĠĠ"]


@pytest.mark.parametrize("args, code", [
    (("train", "{tmp}/none.txt", "--out", "{tmp}/t.json"), 1),
    (("train", "{austen}/emma.txt", "--vocab-size", "100", "--out", "{tmp}/t.json"), 2),
    (("train", "{austen}/emma.txt", "--pattern", "(", "--out", "{tmp}/t.json"), 2),
    (("train", "{austen}/emma.txt"), 2),
    (("encode", "--tokenizer", "{tmp}/none.json"), 1),
    (("decode", "--tokenizer", "{fixtures}/hf_gpt2.json", "99999"), 1),
    (("decode", "--tokenizer", "{fixtures}/hf_gpt2.json", "x"), 2),
    (("encode", "--tokenizer", "{fixtures}/hf_gpt2.json", "--allow-special", "<nope>"), 2),
])
def test_faults_are_one_sentence_and_write_nothing(propane, tmp_path, args, code):
    args = [a.format(tmp=tmp_path, austen=AUSTEN, fixtures=FIXTURES) for a in args]
    done = subprocess.run([propane.path, "tokenizer", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())
