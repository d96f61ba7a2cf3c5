"""The reference models against transformers and against themselves, in float64: the oracle is checked first."""
from dataclasses import replace

import pytest
import torch
import transformers

from hugging_face import Float64Throughout, gpt2_state, llama_state
from make_model_fixtures import STEP_CASES, forward, make_batch, make_model
from reference import FLOAT32_EPS, Gpt, GptConfig, Llama

TOLERANCE = 1e-10


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def hf_logits(config, state, tokens):
    with torch.no_grad(), Float64Throughout():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").double().eval()
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert not unexpected and all(name.endswith("inv_freq") for name in missing)
        return model(tokens, use_cache=False).logits


def hf_llama_config(c):
    cls = transformers.Qwen3Config if c.qk_norm else transformers.Qwen2Config if c.qkv_bias else transformers.LlamaConfig
    rope = {"rope_type": "default", "rope_theta": c.rope_theta}
    if c.rope_scaling:
        s = c.rope_scaling
        rope |= {"rope_type": "llama3", "factor": s.factor, "low_freq_factor": s.low_freq_factor,
                 "high_freq_factor": s.high_freq_factor, "original_max_position_embeddings": s.original_max_position}
    return cls(vocab_size=c.vocab, hidden_size=c.dim, intermediate_size=c.hidden, num_hidden_layers=c.layers,
               num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, head_dim=c.head_dim, rms_norm_eps=c.eps,
               rope_parameters=rope, tie_word_embeddings=c.tied, max_position_embeddings=64)


# Hugging Face has neither a softcap nor a mask between the documents of a row.
@pytest.mark.parametrize("case", [case for case in STEP_CASES if case.startswith("llama")])
def test_llama_has_transformers_logits(case):
    config = replace(STEP_CASES[case], softcap=0.0, mask_documents=False)
    _, model = make_model(case, config)
    tokens = torch.from_numpy(make_batch(case, config.vocab, 3, 23)["tokens"]).long()
    expected = hf_logits(hf_llama_config(config), llama_state(config, model.state_dict()), tokens)
    assert relative(model(tokens), expected) < TOLERANCE


def test_gpt2_has_transformers_logits():
    c = STEP_CASES["gpt2"]
    _, model = make_model("gpt2", c)
    tokens = torch.from_numpy(make_batch("gpt2", c.vocab, 3, c.positions)["tokens"]).long()
    hf = transformers.GPT2Config(vocab_size=c.vocab, n_positions=c.positions, n_embd=c.dim, n_layer=c.layers,
                                 n_head=c.heads, layer_norm_epsilon=c.eps)
    assert relative(model(tokens), hf_logits(hf, gpt2_state(model.state_dict()), tokens)) < TOLERANCE


def test_gpt_without_lambdas_value_embeddings_and_windows_is_transformers_nanochat():
    """What transformers has of this model: norms, RoPE's sign, QK norm after it, relu squared, softcap."""
    c = GptConfig(depth=3, dim=36, heads=3, kv_heads=1, head_dim=12, vocab=37, seq=14, window_pattern="L")
    _, model = make_model("nanochat", c)
    state = {"model.embed_tokens.weight": model.wte, "lm_head.weight": model.lm_head}
    names = {"attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj",
             "attn.out": "self_attn.o_proj", "mlp.up": "mlp.fc1", "mlp.down": "mlp.fc2"}
    with torch.no_grad():
        for i, layer in enumerate(model.layers):
            model.resid_lambda[i].fill_(1)
            model.x0_lambda[i].zero_()
            if layer.attn.ve is not None:
                layer.attn.ve.zero_()
            for ours, theirs in names.items():
                state[f"model.layers.{i}.{theirs}.weight"] = layer.get_parameter(ours)
        hf = transformers.NanoChatConfig(
            vocab_size=c.vocab, hidden_size=c.dim, intermediate_size=c.mlp_ratio * c.dim, num_hidden_layers=c.depth,
            num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, head_dim=c.head_dim, rms_norm_eps=FLOAT32_EPS,
            final_logit_softcapping=c.softcap, rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta})
        tokens = torch.from_numpy(make_batch("nanochat", c.vocab, 3, c.seq)["tokens"]).long()
        assert relative(model(tokens), hf_logits(hf, state, tokens)) < TOLERANCE


@pytest.mark.parametrize("case", STEP_CASES)
def test_fused_attention_changes_neither_loss_nor_gradients(case):
    config = STEP_CASES[case]
    batch = make_batch(case, config.vocab, rows=3, seq=getattr(config, "seq", 11))
    results = []
    for fused in (False, True):
        _, model = make_model(case, config)
        model.fused = fused
        _, loss = forward(model, batch)
        results.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for explicit, fused in zip(*results):
        assert relative(fused, explicit) < TOLERANCE


@pytest.mark.parametrize("case", STEP_CASES)
def test_gradients_are_central_differences(case):
    config = STEP_CASES[case]
    _, model = make_model(case, config)
    batch = make_batch(case, config.vocab, rows=2, seq=getattr(config, "seq", 11))
    forward(model, batch)[1].backward()
    step = 1e-5
    generator = torch.Generator().manual_seed(1)
    for name, p in model.named_parameters():
        direction = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        with torch.no_grad():
            p.add_(direction, alpha=step)
            above = forward(model, batch)[1]
            p.add_(direction, alpha=-2 * step)
            below = forward(model, batch)[1]
            p.add_(direction, alpha=step)
        assert (p.grad * direction).sum().item() == pytest.approx(((above - below) / (2 * step)).item(), rel=1e-5,
                                                                  abs=1e-9), name


def test_masked_documents_are_computed_as_if_alone():
    config = replace(STEP_CASES["llama"], mask_documents=True)
    _, model = make_model("alone", config)
    tokens = torch.arange(12)[None] % config.vocab
    doc_start = torch.tensor([[0] * 5 + [5] * 7])
    packed = model(tokens, doc_start)
    # RoPE sees only differences of positions, so a document may start anywhere.
    assert relative(packed[:, :5], model(tokens[:, :5])) < TOLERANCE
    assert relative(packed[:, 5:], model(tokens[:, 5:])) < TOLERANCE


def test_short_window_sees_half_the_sequence_and_the_query_itself():
    config = GptConfig(depth=1, dim=32, heads=2, head_dim=16, vocab=17, seq=8, window_pattern="S")
    assert config.window(0) == 8  # the last layer is long whatever the pattern says
    config = replace(config, depth=2)
    assert [config.window(i) for i in range(2)] == [5, 8]
    _, model = make_model("window", config)
    base = torch.arange(8)[None]
    changed = base.clone()
    changed[0, 0] = 11

    def reached(layer_output):
        return [i for i in range(8) if not torch.equal(layer_output[0][0, i], layer_output[1][0, i])]

    outputs = []
    model.layers[0].attn.register_forward_hook(lambda *args: outputs.append(args[2]))
    model(base), model(changed)
    assert reached(outputs) == [0, 1, 2, 3, 4]


def test_autoresearch_depth_8_has_its_published_size_and_cost():
    config = GptConfig.autoresearch(8)
    with torch.device("meta"):
        model = Gpt(config)
    assert sum(p.numel() for p in model.parameters()) == 50_332_176
    assert config.flops_per_token() == pytest.approx(239.1e6, rel=1e-3)


def test_rustane_parameter_count():
    config = replace(STEP_CASES["llama_rustane"], layers=6, dim=768, hidden=2048, heads=6, kv_heads=6, head_dim=128,
                     vocab=8192)
    with torch.device("meta"):
        parameters = sum(p.numel() for p in Llama(config).parameters())
    assert parameters == 6 * (4 * 768**2 + 3 * 768 * 2048) + 8192 * 768 + 768 * 13


def test_bfloat16_autocast_stays_near_float64():
    config = STEP_CASES["gpt"]
    _, model = make_model("gpt", config)
    batch = make_batch("gpt", config.vocab, 3, config.seq)
    exact, _ = forward(model, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = forward(model.float(), batch)
    assert rounded.dtype == torch.float32
    assert relative(rounded.double(), exact) < 0.05
