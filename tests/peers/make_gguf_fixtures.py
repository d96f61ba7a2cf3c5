#!/usr/bin/env python3
"""Makes the .gguf files of tests/fixtures/formats/ with the package that defines the format.

    pip install gguf==0.19.0 numpy==2.4.6
    python3 tests/peers/make_gguf_fixtures.py
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import quantize

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "formats"


def write(path):
    writer = GGUFWriter(path, "test")
    writer.add_custom_alignment(64)
    for name, value in {"u8": 255, "u16": 65535, "u32": 2**32 - 1, "u64": 2**64 - 1}.items():
        getattr(writer, f"add_{name.replace('u', 'uint')}")(f"test.{name}", value)
    for name, value in {"i8": -128, "i16": -32768, "i32": -(2**31), "i64": -(2**63)}.items():
        getattr(writer, f"add_{name.replace('i', 'int')}")(f"test.{name}", value)
    writer.add_float32("test.f32", 0.1)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.yes", True)
    writer.add_bool("test.no", False)
    writer.add_string("test.string", "naïve")
    writer.add_array("test.strings", ["a", "", "語"])
    writer.add_array("test.floats", [0.5, -1.5])
    writer.add_array("test.booleans", [True, False, True])
    writer.add_key_value("test.bytes", [1, 2, 255], GGUFValueType.ARRAY, sub_type=GGUFValueType.UINT8)
    writer.add_array("test.nested", [[1, 2], [3]])
    writer.add_tensor("matrix", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("halves", np.array([1.5, -2.25], dtype=np.float16))
    rows = np.linspace(-1, 1, 3 * 64, dtype=np.float32).reshape(3, 64)
    q8_0 = GGMLQuantizationType.Q8_0
    writer.add_tensor("blocks", quantize(rows, q8_0), raw_dtype=q8_0)
    writer.add_tensor("ids", np.array([[[7, -7]]], dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(FOLDER / "numbers.gguf")
    # Version 2 differs from 3 only in its number, for files of this byte order; the package no longer writes it.
    content = bytearray((FOLDER / "numbers.gguf").read_bytes())
    content[4] = 2
    (FOLDER / "numbers_v2.gguf").write_bytes(content)
