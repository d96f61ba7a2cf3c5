"""How the live tests talk to the built program: everything they assume about its command line is here."""
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Propane:
    """Runs the built program; a failing command fails the test with what it said."""

    def __init__(self, path):
        self.path = Path(path).resolve()

    def run(self, *args):
        done = subprocess.run([self.path, *map(str, args)], capture_output=True, text=True)
        assert done.returncode == 0, f"propane {' '.join(map(str, args))} exited {done.returncode}: {done.stderr}"
        return done.stdout

    def prepare(self, sources, out, vocab_size):
        self.run("data", "prepare", *sources, "--out", out, "--vocab-size", vocab_size)

    def train(self, config, data, out, steps, *more):
        """`config` is the text of a TOML file."""
        file = out.with_suffix(".toml")
        file.write_text(config)
        self.run("train", "--config", file, "--data", data, "--out", out, "--steps", steps, *more)

    def convert(self, run, out):
        self.run("convert", "--model", run, "--to", "hf", "--out", out)

    def logits(self, run, tokens):
        """Logits after each of the tokens, [len(tokens)][vocab]."""
        ids = ",".join(map(str, tokens))
        return json.loads(self.run("generate", "--model", run, "--prompt-ids", ids, "--dump-logits"))["logits"]

    def evaluate(self, run):
        return json.loads(self.run("eval", "--model", run, "--json"))

    @staticmethod
    def checkpoint(run):
        """The newest model.safetensors of a run."""
        steps = (run / "checkpoints").glob("step-*/model.safetensors")
        return max(steps, key=lambda path: int(path.parent.name.removeprefix("step-")))


def propane_or_skip():
    """The program named by PROPANE_BIN, else the one that `make build` leaves at build/propane."""
    path = os.environ.get("PROPANE_BIN") or ROOT / "build" / "propane"
    if not Path(path).exists():
        pytest.skip(f"there is no {path}: run make build, or set PROPANE_BIN")
    return Propane(path)
