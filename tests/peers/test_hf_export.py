"""Models that the program trains and exports: transformers loads them and computes the program's own logits."""
import pytest
import torch
import transformers
from safetensors.torch import load_file

from propane_binary import ROOT, propane_or_skip

TRAIN = """
[optimizer]
kind = "adamw"
lr = 0.003
[train]
rows = 2
"""
# One switch of the llama family each; the vocabulary is the data's.
MODELS = {
    "llama": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 3\nn_kv_head = 1\nhidden = 100\ntied = false',
    "llama_tied": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 4\nhidden = 100\nrope_theta = 500.0',
    "llama3_rope": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 4\nhidden = 100\nrope_scaling_factor = 8.0\n'
                   "rope_original_max_position = 16.0",
    "qwen2": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 4\nn_kv_head = 2\nhidden = 100\nqkv_bias = true',
    "qwen3": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 4\nn_kv_head = 2\nhead_dim = 16\nhidden = 100\n'
             "qk_norm = true",
    "rustane": 'family = "llama"\nn_layer = 2\ndim = 48\nn_head = 4\nhidden = 100\nrope_interleaved = true\n'
               "damped_residual = true",
    "gpt2": 'family = "gpt2"\nn_layer = 2\ndim = 48\nn_head = 3',
}
VOCAB, SEQ = 512, 64


@pytest.fixture(scope="module")
def propane():
    return propane_or_skip()


@pytest.fixture(scope="module")
def data(propane, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    text = (ROOT / "data" / "austen" / "persuasion.txt").read_text()[:60_000]
    (folder / "text.txt").write_text(text)
    propane.prepare([folder / "text.txt"], folder / "out", VOCAB)
    return folder / "out"


@pytest.fixture(scope="module", params=MODELS)
def exported(request, propane, data, tmp_path_factory):
    """(run folder, its model in transformers, transformers' folder)"""
    folder = tmp_path_factory.mktemp(request.param)
    config = f"[model]\n{MODELS[request.param]}\nvocab = {VOCAB}\nseq = {SEQ}\n{TRAIN}"
    propane.train(config, data, folder / "run", 2)
    propane.convert(folder / "run", folder / "hf")
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(folder / "hf", output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    return folder / "run", model.float().eval(), folder / "hf"


def test_transformers_computes_the_programs_logits(propane, exported):
    run, model, _ = exported
    tokens = torch.randint(VOCAB, (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = model(tokens).logits[0]
    ours = torch.tensor(propane.logits(run, tokens[0].tolist()))
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-4


def test_training_moved_every_tensor(propane, exported):
    """Logits that agree say little about a tensor that is still zero or one."""
    run, _, _ = exported
    state = load_file(propane.checkpoint(run))
    constant = [name for name, value in state.items() if value.numel() > 1 and value.std() == 0]
    assert not constant


def test_the_exported_tokenizer_loads_and_round_trips(exported):
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported[2])
    text = "It was a truth, naïve or not: 12 + 30 = 42.\n\n— “Quite,” said she."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert max(ids) < VOCAB and tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
