"""bench_gemm's shapes with PyTorch's own matrix product (MKL or oneDNN), in turn with ours and OpenBLAS.

    python bench/gemm_torch.py build/bench_gemm [--seconds 0.3]

Each line: GFLOP/s, medians, on one thread and on two, of ours, OpenBLAS and torch.
"""
import argparse
import json
import statistics
import subprocess
import time

import torch

SHAPES = [
    ("linear", 192, 192, 192), ("linear", 4096, 768, 192), ("linear", 2048, 576, 576), ("linear", 1024, 768, 768),
    ("linear", 1024, 3072, 768), ("linear", 1024, 768, 3072), ("linear", 1024, 50257, 768),
    ("linear", 2048, 2048, 2048), ("dx", 1024, 768, 3072), ("dw", 768, 768, 1024), ("dw", 3072, 768, 1024),
]


def torch_gflops(kind, m, n, k, threads, seconds):
    torch.set_num_threads(threads)
    a = torch.randn((k, m) if kind == "dw" else (m, k))
    b = torch.randn((n, k) if kind == "linear" else (k, n))
    a, b = (a.T if kind == "dw" else a), (b.T if kind == "linear" else b)
    c = torch.zeros(m, n)
    run = (lambda: c.addmm_(a, b)) if kind == "dw" else (lambda: torch.mm(a, b, out=c))
    run()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 3:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return 2e-9 * m * n * k / statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_gemm", help="the program built from bench/gemm.cpp")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure")
    args = parser.parse_args()
    print(f"{'kind':<7}{'m':>6}{'n':>7}{'k':>6}{'ours':>15}{'OpenBLAS':>15}{'torch':>15}   one thread, two threads")
    for kind, m, n, k in SHAPES:
        shape = f"{kind},{m},{n},{k}"
        command = [args.bench_gemm, "--json", "--threads", "2", "--seconds", str(args.seconds), "--shape", shape]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        torch_rates = [torch_gflops(kind, m, n, k, threads, args.seconds) for threads in (1, 2)]
        rates = [ours["ours_1"], ours["ours_2"], ours.get("openblas_1", 0), ours.get("openblas_2", 0), *torch_rates]
        print(f"{kind:<7}{m:>6}{n:>7}{k:>6}" + "".join(f"{one:>8.1f}{two:>7.1f}" for one, two in zip(rates[::2], rates[1::2])), flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
