"""AdamW, and autoresearch's MuonAdamW: Muon with Polar Express and NorMuon on a layer's matrices, AdamW on the rest."""
from collections import defaultdict

import torch

# Amsel et al., "The Polar Express" (2025): five odd quintics X <- aX + (b XX' + c (XX')^2) X, with autoresearch's digits.
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


@torch.no_grad()
def clip_by_global_norm(params, max_norm):
    """Scales all gradients by min(1, max_norm / (norm + 1e-6)), as torch does; returns the norm before that."""
    grads = [p.grad for p in params]
    norm = torch.stack([g.square().sum() for g in grads]).sum().sqrt()
    for g in grads:
        g.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


class AdamW:
    """Bias-corrected Adam with decoupled decay (Loshchilov & Hutter), the order of operations of torch.optim.AdamW.

    Each group is a dict with params, lr, betas, eps and weight_decay; lr may change between steps.
    """

    def __init__(self, groups):
        self.param_groups = [dict(group) for group in groups]
        self.steps = 0
        self.state = {p: (torch.zeros_like(p), torch.zeros_like(p)) for g in self.param_groups for p in g["params"]}

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for group in self.param_groups:
            lr, (beta1, beta2) = group["lr"], group["betas"]
            for p in group["params"]:
                m, v = self.state[p]
                m.lerp_(p.grad, 1 - beta1)
                v.lerp_(p.grad.square(), 1 - beta2)
                denom = (v / (1 - beta2**self.steps)).sqrt() + group["eps"]
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(lr / (1 - beta1**self.steps) * m / denom)


def polar_express(g):
    """Nearest semi-orthogonal matrix, roughly: g [..., rows, cols] with its singular values driven towards one."""
    x = g / (g.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    tall = x.size(-2) > x.size(-1)
    for a, b, c in POLAR_EXPRESS:
        s = x.mT @ x if tall else x @ x.mT
        s = b * s + c * (s @ s)
        x = a * x + (x @ s if tall else s @ x)
    return x


def muon_update(w, g, momentum_buffer, second_moment, lr, momentum, weight_decay, dtype, beta2=0.95):
    """One step in place on a stack of equal shapes: w, g, momentum_buffer [n, rows, cols].

    second_moment is [n, rows, 1], or [n, 1, cols] for matrices wider than tall. Polar Express runs in `dtype`, and so
    does the rest of the update, as in autoresearch.
    """
    momentum_buffer.lerp_(g, 1 - momentum)
    nesterov = g.lerp(momentum_buffer, momentum)
    u = polar_express(nesterov.to(dtype))
    # NorMuon (Li et al., 2025): even out the rows (or columns) by their running mean square, keep the Frobenius norm.
    axis = -1 if w.size(-2) >= w.size(-1) else -2
    mean_square = u.to(torch.promote_types(dtype, torch.float32)).square().mean(dim=axis, keepdim=True)
    second_moment.lerp_(mean_square.to(second_moment.dtype), 1 - beta2)
    scale = second_moment.clamp_min(1e-10).rsqrt()
    norm = mean_square.sum(dim=(-2, -1), keepdim=True).sqrt()
    scaled_norm = (mean_square * scale.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
    # The norms are over all rows * cols elements: each mean square stands for size(axis) of them.
    elements = w.size(axis) ** 0.5
    u = u * (scale * (norm * elements / (scaled_norm * elements).clamp_min(1e-10))).to(u.dtype)
    # Cautious decay (Liang et al., 2024; Chen et al., 2025): only where it agrees with the update.
    w.sub_(lr * u + lr * weight_decay * w * (u * w >= 0))


def compiled_muon_update():
    """muon_update as one compiled graph a shape; the rates become tensors, or each new value would compile again."""
    compiled = torch.compile(muon_update, dynamic=False)

    def update(w, g, momentum_buffer, second_moment, lr, momentum, weight_decay, dtype):
        lr, momentum, weight_decay = (torch.tensor(value, dtype=w.dtype) for value in (lr, momentum, weight_decay))
        compiled(w, g, momentum_buffer, second_moment, lr, momentum, weight_decay, dtype)

    return update


class MuonAdamW:
    """autoresearch's groups over a Gpt. Learning rates are those of the schedule's multiplier 1.

    `dtype` is Polar Express's (bfloat16 upstream). `adamw` builds the AdamW of the other groups and `muon` is the
    update; a benchmark passes fused ones, torch.optim.AdamW and compiled_muon_update().
    """

    def __init__(self, model, dtype=torch.bfloat16, matrix_lr=0.04, embedding_lr=0.6, head_lr=0.004, scalar_lr=0.5,
                 betas=(0.8, 0.95), adamw=AdamW, muon=muon_update):
        width = (model.config.dim / 768) ** -0.5
        named = dict(model.named_parameters())
        rates = {
            "lm_head": (head_lr * width, betas),
            "wte": (embedding_lr * width, betas),
            "ve": (embedding_lr * width, betas),
            "resid_lambda": (scalar_lr * 0.01, betas),
            "x0_lambda": (scalar_lr, (0.96, 0.95)),
        }
        self.group_names = defaultdict(list)
        for name in named:
            parts = name.split(".")
            if parts[0] in rates:
                self.group_names[parts[0]].append(name)
            else:
                self.group_names["ve" if parts[-1] == "ve" else "muon"].append(name)
        self.adamw = adamw([
            dict(params=[named[n] for n in self.group_names[key]], lr=lr, betas=group_betas, eps=1e-10, weight_decay=0.0)
            for key, (lr, group_betas) in rates.items()
        ])
        self.base_lrs = [group["lr"] for group in self.adamw.param_groups]
        self.matrix_lr, self.dtype, self.muon = matrix_lr, dtype, muon
        by_shape = defaultdict(list)
        for name in self.group_names["muon"]:
            by_shape[named[name].shape].append(named[name])
        self.stacks = []
        for (rows, cols), params in by_shape.items():
            like = dict(dtype=params[0].dtype, device=params[0].device)
            second = (len(params), rows, 1) if rows >= cols else (len(params), 1, cols)
            self.stacks.append((params, torch.zeros(len(params), rows, cols, **like), torch.zeros(second, **like)))

    @torch.no_grad()
    def step(self, lr_scale=1.0, momentum=0.95, weight_decay=0.0):
        """`lr_scale` multiplies every group's rate; momentum and decay are Muon's."""
        for group, lr in zip(self.adamw.param_groups, self.base_lrs):
            group["lr"] = lr * lr_scale
        self.adamw.step()
        for params, momentum_buffer, second_moment in self.stacks:
            rows, cols = params[0].shape
            lr = lr_scale * self.matrix_lr * max(1.0, rows / cols) ** 0.5
            w = torch.stack(list(params))
            g = torch.stack([p.grad for p in params])
            self.muon(w, g, momentum_buffer, second_moment, lr, momentum, weight_decay, self.dtype)
            torch._foreach_copy_(params, list(w.unbind(0)))
