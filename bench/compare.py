"""The speed table: Propane and its peers in the same run on the same machine, two threads, float32, as ratios.

    python bench/compare.py --propane build/propane [--only train-demo,decode-gpt2] [--repeat 3]

Ours and the peer's take turns; the ratio is that of the medians. Needs tests/peers/requirements.txt.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
GPT2 = ["--preset", "gpt2-124M", "--set", "model.seq=256", "--set", "train.rows=4", "--set", "train.accumulate=1"]
MLX = ["--preset", "autoresearch-mlx", "--set", "train.rows=1", "--set", "train.accumulate=1"]

# name: (what, our arguments, {peer: its script and arguments})
ROWS = {
    "train-demo": ("training, demo model", ["train", "--preset", "demo", "--steps", "8"], {
        "torch.compile": ["train_torch.py", "--model", "demo", "--rows", "16", "--steps", "8"],
        "torch eager": ["train_torch.py", "--model", "demo", "--rows", "16", "--steps", "8", "--no-compile"]}),
    "train-gpt2": ("training, gpt2-124M, 4 x 256", ["train", *GPT2, "--steps", "4", "--warmup", "1"], {
        "torch.compile": ["train_torch.py", "--model", "gpt2-124M", "--rows", "4", "--seq-len", "256", "--steps", "4", "--warmup", "2"],
        "torch eager": ["train_torch.py", "--model", "gpt2-124M", "--rows", "4", "--seq-len", "256", "--steps", "4", "--warmup", "1", "--no-compile"]}),
    "train-mlx": ("training, autoresearch-mlx, 1 x 2048", ["train", *MLX, "--steps", "4", "--warmup", "1"], {
        "mlx-cpu, OpenBLAS": ["train_mlx.py", "--rows", "1", "--steps", "3"],
        "mlx-cpu as it comes": ["train_mlx.py", "--rows", "1", "--steps", "3"]}),
    "decode-demo": ("decoding, demo model", ["decode", "--preset", "demo", "--prompt-tokens", "16", "--tokens", "200"], {
        "torch.compile": ["generate_torch.py", "--model", "demo"],
        "torch eager": ["generate_torch.py", "--model", "demo", "--no-compile"]}),
    "decode-gpt2": ("decoding, gpt2-124M", ["decode", "--preset", "gpt2-124M", "--prompt-tokens", "16", "--tokens", "50", "--steps", "4"], {
        "torch.compile": ["generate_torch.py", "--model", "gpt2-124M", "--tokens", "50", "--repeat", "3"],
        "torch eager": ["generate_torch.py", "--model", "gpt2-124M", "--tokens", "50", "--repeat", "3", "--no-compile"]}),
}

# PyPI's mlx-cpu carries the reference BLAS; with Debian's libopenblas0 in its place MLX and not that library is compared.
ENVIRONMENT = {"mlx-cpu, OpenBLAS": {"LD_PRELOAD": "libopenblas.so.0", "OPENBLAS_NUM_THREADS": "2"}}


def run(command, environment={}):
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--propane", default="build/propane")
    parser.add_argument("--only", default=",".join(ROWS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    print("| what | Propane tok/s | peer | its tok/s | ratio | peak memory | of the peer's |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in args.only.split(","):
        what, ours, peers = ROWS[name]
        for peer, theirs in peers.items():
            mine, other = [], []
            for _ in range(args.repeat):
                mine.append(run([args.propane, "bench", *ours, "--threads", str(args.threads), "--json"]))
                script = [sys.executable, str(HERE / "peers" / theirs[0]), *theirs[1:]]
                threads = [] if "mlx" in theirs[0] else ["--threads", str(args.threads)]
                other.append(run(script + threads, ENVIRONMENT.get(peer, {})))
            median = lambda runs, key: statistics.median(r[key] for r in runs)
            a, b = median(mine, "tok_per_s"), median(other, "tok_per_s")
            ma, mb = median(mine, "peak_memory_bytes"), median(other, "peak_memory_bytes")
            print(f"| {what} | {a:.0f} | {peer} | {b:.0f} | **{a / b:.2f}** | {ma / 1e6:.0f} MB | {ma / mb:.2f} |", flush=True)
            extra = {k: round(statistics.median(r[k] for r in mine), 3) for k in
                     ("gflop_per_s", "fma_gflop_per_s", "mfu", "sgemm_gflop_per_s", "of_sgemm", "achieved_gb_s", "read_gb_s", "of_bandwidth") if isinstance(mine[0].get(k), float)}
            print(f"  {name}: {extra}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
