"""Training throughput of MLX's CPU build on `autoresearch-mlx`: the depth 4 model and AdamW of that port.

    python bench/peers/train_mlx.py --rows 1
    LD_PRELOAD=libopenblas.so.0 OPENBLAS_NUM_THREADS=2 python bench/peers/train_mlx.py --rows 1

The wheel of mlx-cpu carries the reference BLAS, which is some fifty times slower than OpenBLAS; the second command puts
OpenBLAS in its place, so that MLX and not that library is compared. sgemm_gflop_s says what was in use.

The port's choices: norms with eps 1e-5 in the storage dtype, RoPE over adjacent pairs, dense additive window masks
that hide distances of seq / 2 and more, value embeddings, logits capped in float32. The port stores everything in
bfloat16, which has no fast matmul on a CPU; the default here is float32. One JSON object on stdout.
"""
import argparse
import json
import math
import resource
import statistics
import sys
import time
from functools import partial

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map_with_path

VOCAB, HEAD_DIM, GATE_CHANNELS, SOFTCAP = 8192, 128, 32, 15.0
BETAS, X0_BETAS, EPS = (0.8, 0.95), (0.96, 0.95), 1e-10


def make_parameters(depth, dtype):
    """The initial values of autoresearch, with random output projections so that nothing is multiplied by zero."""
    dim = math.ceil(64 * depth / HEAD_DIM) * HEAD_DIM
    s = math.sqrt(3) / math.sqrt(dim)
    uniform = lambda rows, cols: mx.random.uniform(-s, s, (rows, cols))
    layers = []
    for i in range(depth):
        attn = {name: uniform(dim, dim) for name in ("q", "k", "v", "out")}
        if i % 2 == (depth - 1) % 2:
            attn |= {"ve": uniform(VOCAB, dim), "ve_gate": mx.zeros((dim // HEAD_DIM, GATE_CHANNELS))}
        layers.append({"attn": attn, "mlp": {"up": uniform(4 * dim, dim), "down": uniform(dim, 4 * dim)}})
    params = {
        "wte": mx.random.normal((VOCAB, dim)),
        "lm_head": 0.001 * mx.random.normal((VOCAB, dim)),
        "resid_lambda": mx.ones((depth,)),
        "x0_lambda": mx.full((depth,), 0.1),
        "layers": layers,
    }
    return tree_map_with_path(lambda _, p: p.astype(dtype), params)


def norm(x):
    return x * mx.rsqrt(mx.mean(x * x, axis=-1, keepdims=True) + 1e-5)


def window_mask(seq, window, dtype):
    """Additive, -inf on later keys and on distances of `window` and more."""
    i, j = mx.arange(seq)[:, None], mx.arange(seq)[None, :]
    return mx.where((j > i) | (i - j >= window), -mx.inf, 0.0).astype(dtype)


def attention(p, x, tokens, mask):
    rows, seq, dim = x.shape
    heads = dim // HEAD_DIM
    q, k, v = ((x @ p[name].T).reshape(rows, seq, heads, HEAD_DIM) for name in ("q", "k", "v"))
    if "ve" in p:
        gate = 2 * mx.sigmoid(x[..., :GATE_CHANNELS] @ p["ve_gate"].T)
        v = v + gate[..., None] * p["ve"][tokens].reshape(v.shape)
    q, k, v = (t.transpose(0, 2, 1, 3) for t in (q, k, v))
    rope = partial(mx.fast.rope, dims=HEAD_DIM, traditional=True, base=10000.0, scale=1.0, offset=0)
    out = mx.fast.scaled_dot_product_attention(norm(rope(q)), norm(rope(k)), v, scale=HEAD_DIM**-0.5, mask=mask)
    return out.transpose(0, 2, 1, 3).reshape(rows, seq, dim) @ p["out"].T


def mlp(p, x):
    return mx.square(mx.maximum(x @ p["up"].T, 0)) @ p["down"].T


def loss_of(params, tokens, targets, masks):
    """Mean nats; masks holds one window mask a layer."""
    x = x0 = norm(params["wte"][tokens])
    for i, (layer, mask) in enumerate(zip(params["layers"], masks)):
        x = params["resid_lambda"][i] * x + params["x0_lambda"][i] * x0
        x = x + attention(layer["attn"], norm(x), tokens, mask)
        x = x + mlp(layer["mlp"], norm(x))
    logits = (norm(x) @ params["lm_head"].T).astype(mx.float32)
    logits = SOFTCAP * mx.tanh(logits / SOFTCAP)
    picked = mx.take_along_axis(logits, targets[..., None], axis=-1).squeeze(-1)
    return mx.mean(mx.logsumexp(logits, axis=-1) - picked)


def settings(path, dim):
    """(learning rate, betas, weight decay) of a parameter."""
    width = (dim / 768) ** -0.5
    name = path.split(".")[-1]
    rates = {"lm_head": 0.004 * width, "wte": 0.6 * width, "ve": 0.6 * width, "resid_lambda": 0.005, "x0_lambda": 0.5}
    if name in rates:
        return rates[name], X0_BETAS if name == "x0_lambda" else BETAS, 0.0
    return 0.04, BETAS, 0.2


def adamw(path, p, g, m, v, step, dim):
    """Returns the new p, m and v; the moments are float32."""
    lr, (beta1, beta2), decay = settings(path, dim)
    g = g.astype(mx.float32)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * mx.square(g)
    update = m / (1 - beta1**step) / (mx.sqrt(v / (1 - beta2**step)) + EPS)
    return (p * (1 - lr * decay) - lr * update).astype(p.dtype), m, v


def sgemm_gflop_s(n=1024):
    a, b = mx.random.normal((n, n)), mx.random.normal((n, n))
    mx.eval(a, b, a @ b)
    start = time.perf_counter()
    mx.eval(a @ b)
    return 2e-9 * n**3 / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--seq", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=1, help="the port takes 16 rows of 2048 at a time, twice a step")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1)
    args = parser.parse_args()
    mx.set_default_device(mx.cpu)
    mx.random.seed(42)

    dtype = getattr(mx, args.dtype)
    params = make_parameters(args.depth, dtype)
    dim = params["wte"].shape[1]
    half, whole = (window_mask(args.seq, w, dtype) for w in (args.seq // 2, args.seq))
    masks = [whole if i % 4 == 3 or i == args.depth - 1 else half for i in range(args.depth)]
    zeros = lambda: tree_map_with_path(lambda _, p: mx.zeros(p.shape), params)
    state = [params, zeros(), zeros(), mx.array(0.0)]
    gradient = mx.value_and_grad(loss_of)

    @partial(mx.compile, inputs=state, outputs=state)
    def step(tokens, targets):
        params, m, v, count = state
        loss, grads = gradient(params, tokens, targets, masks)
        count = count + 1
        new = tree_map_with_path(lambda path, *t: adamw(path, *t, count, dim), params, grads, m, v)
        pick = lambda index: tree_map_with_path(lambda _, t: t[index], new, is_leaf=lambda t: isinstance(t, tuple))
        state[:] = [pick(0), pick(1), pick(2), count]
        return loss

    seconds, losses = [], []
    for _ in range(args.warmup + args.steps):
        tokens = mx.random.randint(0, VOCAB, (args.rows, args.seq + 1))
        mx.eval(tokens, state)
        start = time.perf_counter()
        loss = step(tokens[:, :-1], tokens[:, 1:])
        mx.eval(loss, state)
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
    median = statistics.median(seconds[args.warmup :])
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps({
        "peer": f"mlx {mx.__version__} cpu", "model": "autoresearch-mlx", "optimizer": "adamw", "dtype": args.dtype,
        "parameters": sum(p.size for _, p in tree_flatten(params)), "rows": args.rows, "seq": args.seq,
        "tok_per_s": round(args.rows * args.seq / median, 2), "ms_per_step": round(1000 * median, 1),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "sgemm_gflop_s": round(sgemm_gflop_s(), 2), "first_loss": round(losses[0], 4), "last_loss": round(losses[-1], 4),
    }))


if __name__ == "__main__":
    main()
