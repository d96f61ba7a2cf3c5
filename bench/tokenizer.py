"""Training and encoding speed against rustbpe and tiktoken, two threads each, on 20 MB of prose and code.

    python bench/tokenizer.py build/bench_tokenizer [--runs N] [--json]

needs rustbpe==0.1.0 and tiktoken==0.14.0. The text is the bundled novels and Python sources of the running interpreter's
library, as documents of at most 10,000 characters. The contenders take turns; each of ours is a fresh process with cold
caches. Merges and ids are checked to be equal.
"""

import argparse
import base64
import json
import os
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "2"  # read by rustbpe when it first runs

import rustbpe  # noqa: E402
import tiktoken  # noqa: E402

AUSTEN = pathlib.Path(__file__).resolve().parents[1] / "data" / "austen"
PATTERN = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
           r"|\s+(?!\S)|\s+")
VOCAB_SIZE = 8188
BYTES = 20_000_000
MAX_CHARACTERS = 10_000


def documents() -> list[str]:
    paths = sorted(AUSTEN.glob("*.txt")) + sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    out, size = [], 0
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8").replace("\0", "")
        except UnicodeDecodeError:
            continue  # a test of encodings
        for at in range(0, len(text), MAX_CHARACTERS):
            out.append(text[at:at + MAX_CHARACTERS])
            size += len(out[-1].encode())
            if size >= BYTES:
                return out
    sys.exit(f"expected {BYTES} bytes of text, found {size}: this Python has no sources of its library")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="bench_tokenizer")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    texts = documents()
    times: dict[str, list[float]] = {"train": [], "rustbpe": [], "encode": [], "tiktoken": []}

    with tempfile.TemporaryDirectory() as folder:
        corpus, ranks = f"{folder}/corpus", f"{folder}/ranks.tiktoken"
        pathlib.Path(corpus).write_bytes("\0".join(texts).encode())

        def ours(*command: str) -> dict:
            env = os.environ | {"PROPANE_BENCH_THREADS": "2"}
            return json.loads(subprocess.run([args.program, *command], env=env, check=True, capture_output=True).stdout)

        for _ in range(args.runs):
            times["train"].append(ours("train", corpus, str(VOCAB_SIZE), ranks)["seconds"])
            tokenizer = rustbpe.Tokenizer()
            start = time.perf_counter()
            tokenizer.train_from_iterator(texts, VOCAB_SIZE, pattern=PATTERN)
            times["rustbpe"].append(time.perf_counter() - start)
        mergeable = {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}
        lines = pathlib.Path(ranks).read_text().splitlines()
        if mergeable != {base64.b64decode(token): int(rank) for token, rank in map(str.split, lines)}:
            sys.exit("the merges differ from rustbpe's")

        encoding = tiktoken.Encoding("bench", pat_str=PATTERN, mergeable_ranks=mergeable, special_tokens={})
        for _ in range(args.runs):
            result = ours("encode", corpus, ranks)
            times["encode"].append(result["seconds"])
            start = time.perf_counter()
            ids = encoding.encode_ordinary_batch(texts, num_threads=2)
            times["tiktoken"].append(time.perf_counter() - start)
        tokens = checksum = 0
        for document in ids:
            for token in document:
                tokens += 1
                checksum += tokens * token % 1000003
        if (tokens, checksum) != (result["tokens"], result["checksum"]):
            sys.exit("the ids differ from tiktoken's")

    median = {name: statistics.median(values) for name, values in times.items()}
    size = sum(len(t.encode()) for t in texts)
    out = {"bytes": size, "documents": len(texts), "tokens": tokens, "threads": 2, "runs": args.runs,
           "train_seconds": median["train"], "rustbpe_seconds": median["rustbpe"],
           "train_ratio": median["rustbpe"] / median["train"],
           "encode_seconds": median["encode"], "tiktoken_seconds": median["tiktoken"],
           "encode_ratio": median["tiktoken"] / median["encode"]}
    if args.json:
        print(json.dumps(out))
        return
    print(f"{size / 1e6:.1f} MB in {len(texts)} documents, 2 threads, medians of {args.runs} runs")
    print(f"train   propane {median['train']:.3f} s   rustbpe  {median['rustbpe']:.3f} s   {out['train_ratio']:.1f} times as fast")
    print(f"encode  propane {median['encode']:.3f} s   tiktoken {median['tiktoken']:.3f} s   {out['encode_ratio']:.1f} times as fast")


if __name__ == "__main__":
    main()
