"""Makes tests/fixtures/jinja with transformers and jinja2: what they render of snippets and of public chat templates.

pip install transformers==5.23.0 jinja2==3.1.6; Python 3.11. The templates in tests/fixtures/jinja/templates are committed;
the README.md beside them says where each is from. `--templates FOLDER --out FILE` renders others, for a look.
"""

import argparse
import datetime
import importlib.metadata
import json
import pathlib
import re
import sys

import jinja2
from transformers.utils import chat_template_utils

from jinja_chats import CHATS
from jinja_snippets import CONTEXT, EXPRESSIONS, STATEMENTS

VERSIONS = {"transformers": "5.23.0", "jinja2": "3.1.6"}
FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "jinja"
ADDRESS = re.compile(r"(at|0x)[ 0x]*[0-9a-f]{8}")  # of an object: no two runs print the same
SAID = (jinja2.TemplateError,)  # whose messages are Jinja's or the template's own, not Python's


class PinnedDate(datetime.datetime):
    """strftime_now()'s clock: 3 February 2026, 14:05:06."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 2, 3, 14, 5, 6)


def outcome(render) -> dict:
    try:
        text = render()
        return {"text": text}
    except jinja2.TemplateSyntaxError as error:
        return {"error": error.message, "line": error.lineno}
    except SAID as error:
        return {"error": error.message}
    except Exception as error:
        return {"fails": f"{type(error).__name__}: {error}"}


def snippet(template: str) -> dict:
    compiled = chat_template_utils._compile_jinja_template
    result = {"template": template, **outcome(lambda: compiled(template).render(**CONTEXT))}
    if ADDRESS.search(result.get("text", "")):
        del result["text"]
        result["runs"] = True
    return result


def chat(template: str, request: dict) -> dict:
    request = dict(request)
    messages = request.pop("messages")
    return outcome(lambda: chat_template_utils.render_jinja_template([messages], chat_template=template, **request)[0][0])


def write_json(path: pathlib.Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


def case_sums() -> dict:
    """FNV-1a of what the str methods make of every character, to check the tables of jinja/unicode_data.inc."""
    def fnv(text: str) -> str:
        value = 0xCBF29CE484222325
        for byte in text.encode():
            value = (value ^ byte) * 0x100000001B3 % 2**64
        return f"{value:016x}"

    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    sums = {name: fnv("".join(getattr(c, name)() for c in codes)) for name in ("upper", "lower", "title", "swapcase")}
    for name in ("isalpha", "isdigit", "isspace", "isupper", "islower", "isprintable"):
        sums[name] = fnv("".join("01"[getattr(c, name)()] for c in codes))
    return sums


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--templates", type=pathlib.Path, default=FIXTURES / "templates")
    parser.add_argument("--out", type=pathlib.Path, help="only render the chats, into this file")
    args = parser.parse_args()
    for package, version in VERSIONS.items():
        if importlib.metadata.version(package) != version:
            sys.exit(f"expected {package} {version}, found {importlib.metadata.version(package)}")
    chat_template_utils.datetime = PinnedDate

    rendered = {}
    for path in sorted(args.templates.rglob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        rendered[str(path.relative_to(args.templates))] = {name: chat(template, r) for name, r in CHATS.items()}
    if args.out:
        return write_json(args.out, rendered)
    write_json(FIXTURES / "chats.json", CHATS)
    write_json(FIXTURES / "rendered.json", rendered)
    templates = ["{{ " + line + " }}" for line in EXPRESSIONS.split("\n")] + STATEMENTS
    snippets = [snippet(t) for t in templates]
    write_json(FIXTURES / "snippets.json", {"context": CONTEXT, "snippets": snippets})
    working = [s["template"] for s in snippets if "text" in s and "{% block" not in s["template"] and s["template"][-2:] != "{#"]
    (FIXTURES / "language.jinja").write_text("\n".join(working) + "\n", encoding="utf-8")  # where the fuzzer starts from
    write_json(FIXTURES / "case_sums.json", case_sums())


if __name__ == "__main__":
    main()
