"""Prefill and decoding speed of llama.cpp, through llama-cpp-python's low-level interface.

    python bench/peers/llama_cpp_speed.py MODEL.gguf [--prompt 512] [--tokens 128] [--depth 0] [--threads 2]

Random tokens, greedy choice left out, as llama-bench does: pp is one batch of --prompt tokens into an empty cache, tg is
--tokens single tokens after --depth others. One JSON object on stdout; the median of --repeat rounds.
"""
import argparse
import ctypes
import json
import random
import resource
import statistics
import sys
import time

import llama_cpp


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()

    @llama_cpp.llama_log_callback
    def quiet(level, text, data):
        pass

    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    started = time.perf_counter()
    model_params = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(args.model.encode(), model_params)
    if not model:
        sys.exit(f"{args.model}: llama.cpp cannot load it")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = max(args.prompt, args.depth + args.tokens) + 8
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = args.threads
    context = llama_cpp.llama_init_from_model(model, params)
    loaded = time.perf_counter() - started
    vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    memory = llama_cpp.llama_get_memory(context)
    rng = random.Random(1)

    def decode(count):
        ids = (llama_cpp.llama_token * count)(*(rng.randrange(vocab) for _ in range(count)))
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, count)) != 0:
            sys.exit("llama_decode failed")
        llama_cpp.llama_synchronize(context)

    def fill(count):
        while count > 0:
            decode(min(count, 512))
            count -= 512

    decode(1)
    prefill, generate = [], []
    for _ in range(args.repeat):
        llama_cpp.llama_memory_clear(memory, True)
        start = time.perf_counter()
        fill(args.prompt)
        prefill.append(args.prompt / (time.perf_counter() - start))
        llama_cpp.llama_memory_clear(memory, True)
        fill(args.depth)
        start = time.perf_counter()
        for _ in range(args.tokens):
            decode(1)
        generate.append(args.tokens / (time.perf_counter() - start))
    print(json.dumps({
        "pp_tok_per_s": statistics.median(prefill),
        "tg_tok_per_s": statistics.median(generate),
        "load_seconds": loaded,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode(),
    }))


if __name__ == "__main__":
    main()
