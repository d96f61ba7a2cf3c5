"""The committed values of single ops are what their script makes today."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
COMMITTED = json.loads((HERE.parent / "fixtures" / "ops" / "torch.json").read_text())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    out = tmp_path_factory.mktemp("ops")
    subprocess.run([sys.executable, HERE / "make_op_fixtures.py", "--out", out], check=True)
    return json.loads((out / "torch.json").read_text())


def close(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return a == pytest.approx(b, rel=1e-10, abs=1e-14)


def test_the_same_cases(fresh):
    assert fresh.keys() == COMMITTED.keys()


@pytest.mark.parametrize("name", COMMITTED)
def test_the_same_values(fresh, name):
    assert close(COMMITTED[name], fresh[name])
