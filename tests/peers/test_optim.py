"""The reference optimizers and schedules against torch's own and against what defines them."""
import pytest
import torch

from make_model_fixtures import STEP_CASES, forward, make_batch, make_model
from reference import AdamW, MuonAdamW, autoresearch_schedule, clip_by_global_norm, cosine_schedule
from reference.optim import compiled_muon_update, muon_update, polar_express


def rand(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_adamw_is_torchs():
    settings = [dict(lr=0.03, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
                dict(lr=0.5, betas=(0.96, 0.95), eps=1e-10, weight_decay=0.0)]
    ours, theirs = ([rand(5, 3), rand(7, seed=1)] for _ in range(2))
    a = AdamW([dict(params=[p], **s) for p, s in zip(ours, settings)])
    b = torch.optim.AdamW([dict(params=[p], **s) for p, s in zip(theirs, settings)])
    for step in range(10):
        for i, (p, q) in enumerate(zip(ours, theirs)):
            p.grad = rand(*p.shape, seed=10 * step + i)
            q.grad = p.grad.clone()
        a.step(), b.step()
    for p, q in zip(ours, theirs):
        assert torch.allclose(p, q, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clipping_is_torchs(max_norm):
    ours, theirs = ([rand(5, 3), rand(7, seed=1)] for _ in range(2))
    for p, q in zip(ours, theirs):
        p.grad, q.grad = p.clone(), p.clone()
    assert torch.allclose(clip_by_global_norm(ours, max_norm), torch.nn.utils.clip_grad_norm_(theirs, max_norm))
    for p, q in zip(ours, theirs):
        assert torch.allclose(p.grad, q.grad, rtol=1e-14)


@pytest.mark.parametrize("shape", [(12, 12), (40, 12), (3, 32)])
def test_polar_express_brings_singular_values_near_one(shape):
    u, s, v = torch.linalg.svd(rand(*shape), full_matrices=False)
    matrix = u @ torch.diag(torch.logspace(0, -2, len(s), dtype=s.dtype)) @ v  # condition number 100
    values = torch.linalg.svdvals(polar_express(matrix))
    assert values.min() > 0.8 and values.max() < 1.2
    # It acts on singular values only.
    assert torch.allclose(u.mT @ polar_express(matrix) @ v.mT, torch.diag(values), atol=0.25)


def test_a_stack_is_updated_as_its_matrices_would_be():
    shape = (3, 6, 4)
    w, g, m, v = (rand(*shape, seed=i) for i in range(4))
    v = v[:, :, :1].square()
    alone = [[t[i : i + 1].clone() for t in (w, g, m, v)] for i in range(3)]
    muon_update(w, g, m, v, 0.02, 0.9, 0.1, torch.float64)
    for i, (wi, gi, mi, vi) in enumerate(alone):
        muon_update(wi, gi, mi, vi, 0.02, 0.9, 0.1, torch.float64)
        assert torch.allclose(wi[0], w[i], rtol=1e-13) and torch.allclose(vi[0], v[i], rtol=1e-13)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_normuon_keeps_the_norm_of_the_orthogonal_update(shape):
    w, g = torch.zeros(1, *shape, dtype=torch.float64), rand(1, *shape)
    second = torch.zeros((1, shape[0], 1) if shape[0] >= shape[1] else (1, 1, shape[1]), dtype=torch.float64)
    muon_update(w, g.clone(), torch.zeros_like(w), second, 1.0, 0.0, 0.0, torch.float64)
    assert torch.allclose(w.norm(), polar_express(g).norm(), rtol=1e-12)
    squares = w[0].square().mean(dim=1 if shape[0] >= shape[1] else 0)
    assert torch.allclose(squares, squares.mean().expand_as(squares), rtol=1e-9)  # the first step evens out completely


def test_decay_is_applied_only_where_it_agrees_with_the_update():
    w, g = rand(1, 6, 6), rand(1, 6, 6, seed=1)
    state = lambda: (torch.zeros_like(w), torch.zeros(1, 6, 1, dtype=w.dtype))
    plain, decayed = w.clone(), w.clone()
    muon_update(plain, g, *state(), 0.1, 0.9, 0.0, torch.float64)
    muon_update(decayed, g, *state(), 0.1, 0.9, 0.5, torch.float64)
    agrees = (w - plain) * w >= 0
    assert agrees.any() and not agrees.all()
    assert torch.allclose(plain - decayed, 0.1 * 0.5 * w * agrees, atol=1e-15)


def test_zero_gradients_move_nothing_but_by_decay():
    w = rand(1, 6, 4)
    before = w.clone()
    muon_update(w, torch.zeros_like(w), torch.zeros_like(w), torch.zeros(1, 6, 1, dtype=w.dtype), 0.1, 0.9, 0.0,
                torch.float64)
    assert torch.equal(w, before)


def test_groups_cover_every_parameter_once():
    _, model = make_model("groups", STEP_CASES["gpt"])
    optimizer = MuonAdamW(model)
    names = [name for group in optimizer.group_names.values() for name in group]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert "layers.0.attn.ve_gate" in optimizer.group_names["muon"]
    assert optimizer.group_names["ve"] == ["layers.0.attn.ve", "layers.2.attn.ve"]


def test_torchs_fused_adamw_and_compiled_muon_take_the_same_steps():
    """The fast parts that the benchmarks use compute what the reference does."""
    config = STEP_CASES["gpt"]
    fused = lambda groups: torch.optim.AdamW(groups, fused=True)
    finals = []
    for parts in ({}, {"adamw": fused, "muon": compiled_muon_update()}):
        _, model = make_model("fast", config)
        optimizer = MuonAdamW(model, dtype=torch.float64, **parts)
        for step in range(4):
            model.zero_grad()
            forward(model, make_batch(f"fast/{step}", config.vocab, 2, config.seq))[1].backward()
            optimizer.step(**autoresearch_schedule(step / 4, step))
        finals.append(list(model.parameters()))
    for plain, fast in zip(*finals):
        assert torch.allclose(plain, fast, rtol=1e-8, atol=1e-10)


def test_autoresearch_schedule_at_its_corners():
    assert autoresearch_schedule(0.0, 0) == {"lr_scale": 1.0, "momentum": 0.85, "weight_decay": 0.2}
    assert autoresearch_schedule(0.5, 150) == pytest.approx(dict(lr_scale=1.0, momentum=0.90, weight_decay=0.1))
    assert autoresearch_schedule(0.75, 300) == pytest.approx(dict(lr_scale=0.5, momentum=0.95, weight_decay=0.05))
    assert autoresearch_schedule(1.0, 900) == pytest.approx(dict(lr_scale=0.0, momentum=0.95, weight_decay=0.0))


def test_cosine_schedule_at_its_corners():
    assert [cosine_schedule(s, 12, 2) for s in (0, 1, 2, 7, 12)] == pytest.approx([0.5, 1.0, 1.0, 0.55, 0.1])
