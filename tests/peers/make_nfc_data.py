"""Writes tokenizer/nfc_data.inc: Unicode's canonical decompositions and combining classes, for NFC.

Run with a Python whose unicodedata is of the Unicode version that the tokenizer's properties have (14.0: Python 3.11).
"""

import pathlib
import sys
import textwrap
import unicodedata

OUT = pathlib.Path(__file__).resolve().parents[2] / "tokenizer" / "nfc_data.inc"


def main() -> None:
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"expected Unicode 14.0.0 (Python 3.11), this Python has {unicodedata.unidata_version}")
    codes = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

    decompositions, seconds = [], set()
    for code in codes:
        fields = unicodedata.decomposition(chr(code)).split()
        if not fields or fields[0].startswith("<"):
            continue
        parts = [int(f, 16) for f in fields]
        composes = unicodedata.normalize("NFC", chr(code)) == chr(code)
        decompositions.append((code, parts[0], parts[1] if len(parts) > 1 else 0, int(composes)))
        if composes:
            seconds.add(parts[1])

    combining = []  # [first, last, class]
    for code in codes:
        value = unicodedata.combining(chr(code))
        if not value:
            continue
        if combining and combining[-1][1] == code - 1 and combining[-1][2] == value:
            combining[-1][1] = code
        else:
            combining.append([code, code, value])

    hangul = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    active = []  # [first, last]
    for code in codes:
        text = chr(code)
        if unicodedata.combining(text) or unicodedata.normalize("NFC", text) != text or code in seconds | hangul:
            if active and active[-1][1] == code - 1:
                active[-1][1] = code
            else:
                active.append([code, code])

    def table(declaration: str, rows) -> str:
        body = " ".join("{" + ", ".join(f"0x{v:X}" if v > 255 else str(v) for v in row) + "}," for row in rows)
        return declaration + " = {\n" + textwrap.fill(body, 118, initial_indent="    ", subsequent_indent="    ",
                                                       break_long_words=False) + "\n};\n"

    OUT.write_text(
        "// Unicode 14.0.0 as Python's unicodedata gives it; made by tests/peers/make_nfc_data.py.\n// clang-format off\n\n"
        "// {code, first, second or 0, whether the pair composes to the code again}, by code.\n"
        + table("constexpr Decomposition kDecompositions[]", decompositions)
        + "\n// {first, last, canonical combining class}, by first; all other codes have class 0.\n"
        + table("constexpr CombiningRange kCombining[]", combining)
        + "\n// {first, last}: a text without any of these is NFC.\n"
        + table("constexpr CodeRange kActive[]", active))


if __name__ == "__main__":
    main()
