"""TensorBoard reads the event files that train/tensorboard.cpp writes, and writes the bytes its unit test expects."""
import math
import os
import re
import subprocess
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.summary.writer.event_file_writer import EventFileWriter

ROOT = Path(__file__).resolve().parents[2]


def train_tests():
    """The built unit tests of train/, which hold the program that writes the run."""
    named = os.environ.get("PROPANE_TRAIN_TESTS")
    built = [Path(named)] if named else sorted(ROOT.glob("build/**/train_tests"), key=lambda p: p.stat().st_mtime)
    return built[-1] if built else pytest.skip("train_tests is not built")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("tensorboard")
    subprocess.run([train_tests(), "--gtest_filter=TensorBoardWriter.WritesARunAndItsContinuation"], check=True,
                   env={**os.environ, "PROPANE_TENSORBOARD_OUT": str(out)})
    return out


@pytest.fixture(scope="module")
def run(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return accumulator.Reload()


def test_scalars_come_back(run):
    loss = run.Scalars("train/loss")
    assert [e.step for e in loss] == list(range(1, 162))
    assert [e.value for e in loss[:150]] == pytest.approx([9 / step for step in range(1, 151)], rel=1e-7)


def test_a_resumed_run_replaces_the_steps_it_repeats(run):
    loss = {e.step: e.value for e in run.Scalars("train/loss")}
    assert loss[150] == pytest.approx(9 / 150)
    assert loss[151] == loss[160] == -1
    assert math.isnan(loss[161])


def test_steps_beyond_32_bits(run):
    assert [(e.step, e.value) for e in run.Scalars("val/bpb")] == [(2**40, 1.25)]


def test_samples_are_text(run):
    assert run.SummaryMetadata("samples").plugin_data.plugin_name == "text"
    (event,) = run.Tensors("samples")
    assert event.step == 100
    assert event.tensor_proto.string_val[0].decode() == "**Once** upon a \ufffd time"


def test_the_unit_tests_bytes_are_tensorboards_own(tmp_path):
    """The literals of tensorboard_test.cpp, rebuilt with TensorBoard's protobufs and writer."""
    scalar = Event(step=300, summary=Summary(value=[Summary.Value(tag="train/loss", simple_value=2.5)]))
    text = TensorProto(dtype=7, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]), string_val=[b"hi"])
    plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    sample = Event(step=1, summary=Summary(value=[Summary.Value(tag="samples", tensor=text, metadata=plugin)]))
    writer = EventFileWriter(str(tmp_path))
    writer.add_event(scalar)
    writer.add_event(sample)
    writer.close()
    (file,) = tmp_path.iterdir()
    theirs = []
    for raw in RawEventFileLoader(str(file)).Load():
        event = Event.FromString(raw)
        event.ClearField("wall_time")
        event.ClearField("source_metadata")
        theirs.append(event.SerializeToString())
    source = (ROOT / "train" / "tensorboard_test.cpp").read_text()
    block = source[source.index("WritesTheBytesOfTensorBoardsOwnWriter"):source.index("AnEventIsInTheFile")]
    ours = []
    for expected in re.findall(r"without_time\(records\[\d\]\),(.*?)\);\n", block, re.S):
        literals = re.findall(r'"((?:[^"\\]|\\.)*)"', expected)
        ours.append(b"".join(bytes(part, "ascii").decode("unicode_escape").encode("latin-1") for part in literals))
    assert ours == theirs
