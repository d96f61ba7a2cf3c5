"""Trains the demo model in PyTorch for so many seconds and scores it: the peer at equal seconds.

    python bench/peers/train_demo_torch.py --train DIR/train.tok --val DIR/val.tok --seconds 150 --seed 1

The same model, optimizer, schedule and held-out tokens as `propane train --preset demo`. Only training steps count
towards the seconds: torch.compile has finished before the clock starts, and the evaluation is outside it. Every target
of the held-out text is scored once, in windows of seq tokens every seq / 2. One JSON object on stdout.
"""
import argparse
import math
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

import torch_peer as peer
from reference import autoresearch_schedule, windows_scoring_each_token_once
from token_shard import read_tokens


def shuffled_rows(tokens, starts, row_tokens, rng):
    """Endless rows of row_tokens + 1 tokens: per pass the documents in a new order, cut at a new phase, rows shuffled.
    Each token is a target once per pass."""
    documents = np.split(tokens.astype(np.int64), starts[1:].astype(np.int64))
    while True:
        text = np.concatenate([documents[i] for i in rng.permutation(len(documents))])
        text = text[rng.integers(row_tokens) :]
        n = (len(text) - 1) // row_tokens
        inputs = text[: n * row_tokens].reshape(n, row_tokens)
        targets = text[1 : n * row_tokens + 1].reshape(n, row_tokens)
        for i in rng.permutation(n):
            yield inputs[i], targets[i]


def batches(rows, count):
    while True:
        inputs, targets = zip(*(next(rows) for _ in range(count)))
        yield torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets))


@torch.no_grad()
def held_out_nats(model, tokens, seq, bos, rows=32):
    """(sum of nats, targets scored) over every target that is not BOS."""
    text = torch.from_numpy(tokens.astype(np.int64))
    inputs, targets = [], []
    for start, first in windows_scoring_each_token_once(len(text), seq):
        window = torch.full((seq + 1,), bos)
        piece = text[start : start + seq + 1]
        window[: len(piece)] = piece
        target = window[1:].clone()
        target[:first] = -1
        target[len(piece) - 1 :] = -1
        target[target == bos] = -1
        inputs.append(window[:-1])
        targets.append(target)
    nats, count = 0.0, 0
    for i in range(0, len(inputs), rows):
        target = torch.stack(targets[i : i + rows]).flatten()
        logits = model(torch.stack(inputs[i : i + rows])).flatten(0, 1)
        nats += F.cross_entropy(logits, target, ignore_index=-1, reduction="sum").item()
        count += (target >= 0).sum().item()
    return nats, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peer.add_arguments(parser)
    parser.add_argument("--train", required=True, help="token shard or .npy")
    parser.add_argument("--val", required=True, help="token shard or .npy")
    parser.add_argument("--val-bytes", type=int, help="bytes of the held-out text; a shard says it itself")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--warmdown", type=float, default=0.6, help="share of the budget in which the rate falls to 0")
    parser.add_argument("--matrix-lr", type=float, default=0.02)
    parser.add_argument("--embedding-lr", type=float, default=0.3)
    parser.add_argument("--head-lr", type=float, default=0.004)
    args = parser.parse_args()
    peer.setup(args)

    train, starts, _ = read_tokens(args.train)
    val, _, val_bytes = read_tokens(args.val)
    val_bytes = args.val_bytes or val_bytes
    if val_bytes is None:
        parser.error("--val-bytes is needed with a .npy of held-out tokens")
    bos = int(train[0])
    if max(train.max(), val.max()) >= args.vocab:
        parser.error(f"--vocab {args.vocab} is too small for tokens up to {max(train.max(), val.max())}")

    model, _, _, seq = peer.make_model(args)
    loss_of = peer.make_loss(model, args.compile)
    parameters = list(model.parameters())
    rates = dict(matrix_lr=args.matrix_lr, embedding_lr=args.embedding_lr, head_lr=args.head_lr)

    def fresh_start():
        model.init(torch.Generator().manual_seed(args.seed))
        rows = shuffled_rows(train, starts, seq, np.random.default_rng(args.seed))
        return peer.make_optimizer(model, "muon", args.compile, **rates), batches(rows, args.rows)

    def step(progress, count):
        tokens, targets = next(data)
        schedule = autoresearch_schedule(progress, count, final_part=args.warmdown)
        return peer.training_step(loss_of, optimizer, parameters, tokens, targets, **schedule)

    optimizer, data = fresh_start()
    for count in range(5):  # compiles, with the schedule's values changing so that nothing is compiled again later
        step(count / 5, count)
    optimizer, data = fresh_start()

    start, count, used = time.perf_counter(), 0, 0.0
    while used < args.seconds:
        loss = step(used / args.seconds, count)
        count += 1
        used = time.perf_counter() - start
        if count % 100 == 0:
            print(f"step {count}  loss {loss.item():.4f}  {used:.0f} s", file=sys.stderr)
    nats, scored = held_out_nats(model, val, seq, bos)
    peer.report(peer=f"torch {torch.__version__}", compiled=args.compile, seed=args.seed, seconds=used, steps=count,
                tokens=count * args.rows * seq, tok_per_s=count * args.rows * seq / used, val_loss=nats / scored,
                val_bpb=nats / (math.log(2) * val_bytes), peak_memory_bytes=peer.peak_memory_bytes())


if __name__ == "__main__":
    main()
