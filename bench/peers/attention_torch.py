"""Attention of the CPU backend against torch's scaled_dot_product_attention, in one run, two threads, float32, causal.

    python3 bench/peers/attention_torch.py build/fused_kernels

Every shape is timed in turns, ours then torch's, three times; the medians and their ratio are printed (above 1: ours is
faster). Torch gets its own favourite layout [batch, heads, seq, dim], contiguous; ours reads packed qkv rows.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

SHAPES = [  # batch, seq, heads, head_dim
    (8, 256, 4, 64),
    (8, 256, 4, 128),
    (8, 1024, 4, 64),
    (8, 1024, 4, 128),
    (8, 2048, 4, 64),
    (8, 2048, 4, 128),
    (4, 256, 12, 64),
]


def median_ms(body):
    body()
    times = []
    while sum(times) < 1.0 and len(times) < 200 or len(times) < 5:
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def torch_ms(batch, seq, heads, dim):
    q, k, v = (torch.randn(batch, heads, seq, dim, requires_grad=True) for _ in range(3))
    d_o = torch.randn(batch, heads, seq, dim)

    def forward():
        with torch.no_grad():
            F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def both():
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        torch.autograd.grad(o, (q, k, v), d_o)

    forward_ms = median_ms(forward)
    return forward_ms, median_ms(both) - forward_ms


def our_ms(program, batch, seq, heads, dim):
    arguments = [program, "attention", *map(str, (batch, seq, heads, heads, dim, 0))]
    row = json.loads(subprocess.run(arguments, capture_output=True, check=True, text=True).stdout)
    return row["forward_ms"], row["backward_ms"]


def main():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("batch  seq heads  dim |  forward ms: ours  torch  ratio | backward ms: ours  torch  ratio | both")
    for batch, seq, heads, dim in SHAPES:
        ours, theirs = [], []
        for _ in range(3):
            ours.append(our_ms(sys.argv[1], batch, seq, heads, dim))
            theirs.append(torch_ms(batch, seq, heads, dim))
        (of, ob), (tf, tb) = ((statistics.median(t) for t in zip(*times)) for times in (ours, theirs))
        print(f"{batch:5} {seq:4} {heads:5} {dim:4} | {of:17.2f} {tf:6.2f} {tf / of:6.2f} | "
              f"{ob:17.2f} {tb:6.2f} {tb / ob:6.2f} | {(tf + tb) / (of + ob):4.2f}", flush=True)


if __name__ == "__main__":
    main()
