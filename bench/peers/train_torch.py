"""Training throughput of PyTorch on one of our models, float32, random tokens; one JSON object on stdout.

    python bench/peers/train_torch.py --model demo --rows 32
    python bench/peers/train_torch.py --model gpt2-124M --rows 4 --seq-len 256 --no-compile

tok_per_s and ms_per_step are of the median step: forward, backward, optimizer. peak_memory_bytes is the process's
largest resident set and starts from base_memory_bytes, what importing torch takes.
"""
import argparse

import torch

import torch_peer as peer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peer.add_arguments(parser)
    parser.add_argument("--rows", type=int, help="rows of a step")
    parser.add_argument("--seq-len", type=int, help="tokens of a row")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=4)
    args = parser.parse_args()
    base = peer.memory_bytes()
    peer.setup(args)

    model, kind, rows, seq = peer.make_model(args)
    rows, seq = args.rows or rows, args.seq_len or seq
    optimizer = peer.make_optimizer(model, kind, args.compile)
    loss_of = peer.make_loss(model, args.compile)
    parameters = list(model.parameters())
    tokens = torch.randint(model.config.vocab, (8, rows, seq + 1))
    losses = []

    def step():
        batch = tokens[len(losses) % len(tokens)]
        losses.append(peer.training_step(loss_of, optimizer, parameters, batch[:, :-1], batch[:, 1:]))

    seconds = peer.median_seconds(step, args.warmup, args.steps)
    peer.report(peer=f"torch {torch.__version__}", compiled=args.compile, model=args.model, optimizer=kind,
                parameters=sum(p.numel() for p in parameters), rows=rows, seq=seq, threads=args.threads,
                tok_per_s=rows * seq / seconds, ms_per_step=1000 * seconds,
                peak_memory_bytes=peer.peak_memory_bytes(), base_memory_bytes=base,
                first_loss=losses[0].item(), last_loss=losses[-1].item())


if __name__ == "__main__":
    main()
