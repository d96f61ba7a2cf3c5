"""Writes jinja/unicode_data.inc: what Python's str methods know of each character.

Run with Python 3.11, whose unicodedata is Unicode 14.0.
"""

import pathlib
import sys
import textwrap
import unicodedata

OUT = pathlib.Path(__file__).resolve().parents[2] / "jinja" / "unicode_data.inc"
FLAGS = ["isalpha", "isdecimal", "isdigit", "isnumeric", "isupper", "islower", "istitle", "isprintable", "isspace",
         "isidentifier"]


def flags(char: str) -> int:
    found = sum(1 << bit for bit, name in enumerate(FLAGS) if getattr(char, name)())
    if ("a" + char).isidentifier():
        found |= 1 << len(FLAGS)
    if unicodedata.category(char) == "Lt":  # 'ǅ'.istitle() and .isupper() overlap otherwise
        found = found & ~(1 << FLAGS.index("isupper")) | 1 << FLAGS.index("istitle")
    else:
        found &= ~(1 << FLAGS.index("istitle"))
    return found


def main() -> None:
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"expected Unicode 14.0.0 (Python 3.11), this Python has {unicodedata.unidata_version}")
    codes = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

    known = [flags(chr(code)) if code in range(0xD800) or code > 0xDFFF else 0 for code in range(0x110000)]
    classes = []  # (first, flags of first, first + 2, ..., flags of first + 1, first + 3, ...)
    start = 0
    while start < len(known):
        end = start + 1
        while end < len(known) and known[end] == known[start + (end - start) % 2]:
            end += 1
        even, odd = known[start], known[min(start + 1, len(known) - 1)]
        if even != odd and (end - start < 4 or end - start > 2 and known[end - 1] == known[min(end, len(known) - 1)]):
            # A run of one class starts at its own beginning, not as the tail of two that alternate.
            end = start + 1 if end - start < 4 else end - 1
            odd = even if end - start == 1 else odd
        classes.append((start, even, even ^ odd) if even != odd else (start, even))
        start = end

    def mapping(method: str, unless: str):
        ranges, special = [], []  # [first, last, step, delta], [code, text]
        for code in codes:
            text = getattr(chr(code), method)()
            if text == getattr(chr(code), unless)() if unless else text == chr(code):
                continue
            if len(text) > 1:
                special.append((code, text))
                continue
            delta = ord(text) - code
            for step in (1, 2):
                if ranges and ranges[-1][3] == delta and code - ranges[-1][1] == step and (
                        ranges[-1][2] in (0, step)):
                    ranges[-1][1], ranges[-1][2] = code, step
                    break
            else:
                ranges.append([code, code, 0, delta])
        return [[a, b, step or 1, delta] for a, b, step, delta in ranges], special

    def number(value: int) -> str:
        return f"0x{value:X}" if value > 255 else str(value)

    def table(declaration: str, rows) -> str:
        body = " ".join("{" + ",".join(v if isinstance(v, str) else number(v) for v in row) + "}," for row in rows)
        return declaration + " = {\n" + textwrap.fill(body, 118, initial_indent="    ", subsequent_indent="    ",
                                                       break_long_words=False, break_on_hyphens=False) + "\n};\n"

    def quoted(text: str) -> str:
        return '"' + "".join(f"\\x{b:02X}" for b in text.encode()) + '"'

    parts = ["// Unicode 14.0.0 as Python's str methods know it; made by tests/peers/make_unicode_data.py.\n"
             "// clang-format off\n\n"
             "// {first code, flags of every second code from it on, what the others differ in}: each range reaches to the next one's.\n",
             table("constexpr ClassRange kClasses[]", classes)]
    for method, name, unless in (("upper", "Upper", ""), ("lower", "Lower", ""), ("title", "Title", "upper")):
        ranges, special = mapping(method, unless)
        note = ", where it is not upper()'s" if unless else ""
        parts.append(f"\n// {{first, last, step, delta}} for str.{method}(){note}.\n")
        parts.append(table(f"constexpr CaseRange k{name}[]", ranges))
        parts.append("\n// {code, text} where one character becomes several.\n")
        parts.append(table(f"constexpr SpecialCase k{name}Special[]", [(c, quoted(t)) for c, t in special]))
    OUT.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
