"""Learning rate, Muon's momentum and its decay over a run."""
import math


def autoresearch_schedule(progress, step, decay=0.2, final_part=0.5):
    """What MuonAdamW.step takes. `progress` is used budget / budget in [0, 1]; `step` counts updates from 0."""
    return {
        "lr_scale": 1.0 if progress < 1 - final_part else max(0.0, 1 - progress) / final_part,
        "momentum": 0.85 + 0.10 * min(step / 300, 1.0),
        "weight_decay": decay * (1 - progress),
    }


def cosine_schedule(step, steps, warmup, final=0.1):
    """Multiplier at `step` (from 0): linear up to 1 over `warmup` steps, then a half cosine down to `final` at `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
