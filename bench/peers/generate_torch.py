"""Decoding speed of PyTorch, float32, batch 1, greedy, with a static KV cache; one JSON object on stdout.

    python bench/peers/generate_torch.py --model demo --tokens 200
    python bench/peers/generate_torch.py --model gpt2-124M --tokens 128 --no-compile

tok_per_s counts the generated tokens after the prompt has been read, the median of --repeat runs. bytes_per_token is
what a token must read: every matrix once and the head, the embedding tables not.
"""
import argparse
import statistics
import time

import torch
import torch._inductor.config as inductor

import torch_peer as peer
from torch_decode import Decoder


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peer.add_arguments(parser)
    parser.add_argument("--prompt", type=int, default=16, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=200, help="tokens to generate")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--freeze", action=argparse.BooleanOptionalAction, default=True,
                        help="let the compiler take the weights as constants and repack them")
    parser.add_argument("--cpp-wrapper", action=argparse.BooleanOptionalAction, default=True,
                        help="let the compiler call its kernels from C++ instead of Python")
    args = parser.parse_args()
    base = peer.memory_bytes()
    peer.setup(args)
    inductor.freezing, inductor.cpp_wrapper = args.freeze, args.cpp_wrapper

    model, *_ = peer.make_model(args)
    model.eval().requires_grad_(False)
    decoder = Decoder(model, args.prompt + args.tokens)
    step = torch.compile(decoder, dynamic=False, fullgraph=True) if args.compile else decoder
    prompt = torch.randint(model.config.vocab, (args.prompt,))
    positions = torch.arange(args.prompt + args.tokens).split(1)

    def generate():
        """Seconds of the tokens after the prompt."""
        for i in range(args.prompt):
            token = step(prompt[i : i + 1], positions[i])
        start = time.perf_counter()
        for i in range(args.prompt, args.prompt + args.tokens):
            token = step(token, positions[i])
        return time.perf_counter() - start

    with torch.no_grad():
        generate()  # compiles
        rate = args.tokens / statistics.median(generate() for _ in range(args.repeat))
    tables = ("wte", "pos_embed", ".ve") + (() if isinstance(model, peer.Gpt2) else ("tok_embed",))
    read = sum(p.numel() for name, p in model.named_parameters() if not name.endswith(tables)) * 4
    peer.report(peer=f"torch {torch.__version__}", compiled=args.compile, model=args.model, threads=args.threads,
                prompt=args.prompt, tokens=args.tokens, tok_per_s=rate, bytes_per_token=read,
                achieved_gb_s=rate * read / 1e9, peak_memory_bytes=peer.peak_memory_bytes(), base_memory_bytes=base)


if __name__ == "__main__":
    main()
