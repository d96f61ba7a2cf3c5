"""PyTorch's float32 matmul rate on an n x n x n product; one JSON object on stdout."""
import argparse

import torch

import torch_peer as peer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    a, b = torch.randn(args.n, args.n), torch.randn(args.n, args.n)
    out = torch.empty(args.n, args.n)
    seconds = peer.median_seconds(lambda: torch.mm(a, b, out=out), 3, args.steps)
    peer.report(peer=f"torch {torch.__version__}", n=args.n, threads=args.threads, gflop_s=2e-9 * args.n**3 / seconds)


if __name__ == "__main__":
    main()
