"""Pieces of templates that cover the language of chat templates; make_jinja_fixtures.py renders them with Jinja."""

CONTEXT = {
    "n": 7, "neg": -3, "big": 12345678901234567890, "x": 2.5, "tiny": 1e-7, "huge": 1e22, "t": True, "f": False, "none_": None,
    "s": "Hello, World", "u": "Grüße, мир 🌍 ǆ ß", "empty": "", "ws": "  \tpad\n ", "html": "<a href='x'>&\"</a>",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "nested": [[1, 2], [3, [4, "x"]]], "mixed": [1, "1", None, True, 2.0, [], {}],
    "d": {"a": 1, "b": [1, 2], "c": {"k": "v"}}, "keys": {"items": "shadow", "get": 1, "b": 2}, "e": {}, "el": [],
    "users": [{"name": "Ann", "age": 31, "tags": ["x", "y"]}, {"name": "bob", "age": 25, "tags": []},
              {"name": "Cy", "age": 31, "on": True}],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi \"you\"\n<b>"},
                 {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"p": 1.0}}}]}],
    "esc": "tab\tnl\nquote'\"back\\slash\x01\x7f\u00e9\u2028\u200b\U0001F600",
}

# Each is rendered as {{ ... }}.
EXPRESSIONS = r"""
1 + 2 * 3 ** 2
2 ** 3 ** 2
-2 ** 2
7 // 2, -7 // 2, 7 // -2, -7 % 3, 7 % -3, 7.5 // 2, -7.5 % 2, 7.5 % -2
1 / 3, 4 / 2, 10 / 4
1 + true, true + true, 1 == true, 1.0 == 1, 0 == false
2 ** -1, 2 ** 0.5, 2.0 ** 3
1 / 0
1 // 0
1 % 0
1.0 // 0
0x1F, 0b101, 0o17, 1_000, 1e3, 1.5e-5, 1_0.5
0.1 + 0.2, 1e16, 1e15, 123456789012345680.0, 1e-4, 1e-5, -0.0, 100.0, 1e100, 5e-324
big, big + 1, big * 3, -big
x, tiny, huge, -x
1 < 2 < 3, 1 < 2 > 3, 1 == 1.0 != 2
"a" < "b", "a" < "B", "é" > "z", [1, 2] < [1, 3], (1, 2) < (1,)
1 < "a"
none < 1
none == none, none != 1, none is none
"a" ~ 1 ~ none ~ true ~ 2.0 ~ [1, "x"] ~ {"k": 1}
"a" + "b" * 3
3 * "ab", [1] * 3, (1, 2) * 2, "x" * -1, "ab" * true
"a" + 1
1 + "a"
[1] + [2], (1,) + (2,)
[1] + (2,)
"%s and %d" % ("x", 5)
"%5.2f|%-5s|%05d|%x|%X|%o|%e|%g|%%" % (3.14159, "ab", 42, 255, 255, 8, 12345.678, 0.0001)
"%r %s" % ("it's", none)
"%(a)s-%(b)s" % d
"%s" % 5
"%s %s" % "x"
"%d" % "x"
"%s" % "x" ~ "%c" % 65
"%+d|% d|%+.1f|%08.3f|%-8d|" % (5, 5, 2.25, 3.14159, 42)
"%10s|%-10s|%.2s|%*d" % ("ab", "ab", "abc", 5, 42)
not true, not 0, not "", not "a", not []
true and false, 1 and 2, 0 and 1, 0 or "x", "" or none, none or 0 or "z"
not 1 == 2, not true or true
1 if true else 2, 1 if false else 2
(1 if false)
(1 if false) is defined
"a" if n > 5 else "b" if n > 3 else "c"
1 in [1, 2], "a" in "cat", "a" in d, 5 not in l, "x" in none_or_missing
1 in "abc"
1 in 5
"k" in d.c, "q" not in d.c
s[0], s[-1], s[1:4], s[:3], s[-3:], s[::2], s[::-1], s[5:2], s[100:]
u[0:5], u[-1], u|length, u[::-1], u[7:10]
l[0], l[-1], l[1:], l[::-1], l[:2], l[5:], l[-2:]
l[10]
l[10] is defined
l["a"] is defined, s["x"] is defined, d[1] is defined
l[::0]
d[1:2]
n[1:]
d.a, d["a"], d.b[0], d.c.k, d["c"]["k"], d.b.1, nested.1.1.0
d.zz
d.zz is defined, d["zz"] is undefined
d.zz.yy
missing
missing.attr
missing[0]
missing + 1
1 + missing
-missing
missing()
missing < 1
missing == missing2, missing == none, missing != 1
missing|length, missing|list, missing|string, missing ~ "x", missing|default("d"), missing|upper
missing is none, missing is string, missing is iterable, missing is mapping, missing is callable, missing is sequence
none_.x
none_.x is defined
none_.x.y
none_[0]
none_()
5()
"x"()
d()
keys.items, keys.get, keys.b
keys["items"], keys["get"]
keys.b, keys.values()|list
d.items()|list, d.keys()|list, d.values()|list
d.items(), d.keys(), d.values()
d.get("a"), d.get("zz"), d.get("zz", 5), d.get("b")[1]
d.get()
d.get(1, 2, 3)
d.copy()
d.pop("a")
d.update({"x": 1})
d.setdefault("x", 1)
d.pop is defined
l.append(1)
l.append
l.sort()
l.index(1), l.count(3), [1, 1, true].count(1), l.copy()
l.index(99)
s.__class__
s.__class__ is defined
d.__class__.__mro__
"".__class__.__base__
d._x is defined
s.upper(), s.lower(), s.title(), s.capitalize(), s.swapcase()
u.upper(), u.lower(), u.title(), u.capitalize(), u.swapcase()
"ΑΣ ΌΔΟΣ".lower(), "ŉ ﬁ".upper(), "ﬁx".title(), "İ".lower()
"they're bill's friends".title(), "they're bill's-friends (a) [b]"|title, "x-ray {q} <z>"|title, "ABC dEF"|title
"hello"|capitalize, "HELLO wORLD"|capitalize, "éa"|capitalize
ws.strip(), ws.lstrip(), ws.rstrip(), "xxaxx".strip("x"), "abcba".strip("ab"), "\u00a0x\u2003".strip()|length
ws|trim, "xxaxx"|trim("x"), 5|trim
"a,b,,c".split(","), "a b  c ".split(), "a,b,c".split(",", 1), "a,b,c".rsplit(",", 1), "".split(), "".split(",")
" a  b c ".split(none, 1), " a  b c ".rsplit(none, 1), "abc".split("")
"a-b-c".split("-", 0), "a--b".split("--"), "abc".split(sep="b"), "a b c".split(maxsplit=1)
"abc".split("")
"l1\nl2\r\nl3\rl4\n".splitlines(), "a\nb".splitlines(true), "".splitlines(), "a\u2028b\x0bc".splitlines()
"abc".startswith("a"), "abc".startswith(("x", "a")), "abc".endswith("bc"), "abc".startswith("b", 1), "abc".endswith("b", 0, 2)
"abc".startswith(1)
"abc".find("c"), "abc".find("z"), "abcabc".rfind("b"), "abc".find("a", 1), "éab".find("b"), "abc".index("b")
"abc".index("z")
"banana".count("an"), "banana".count(""), "banana".count("a", 2), "banana".count("a", -2)
"a.b.c".partition("."), "a.b.c".rpartition("."), "abc".partition("."), "abc".rpartition(".")
"abcabc".replace("b", "X"), "abcabc".replace("b", "X", 1), "abc".replace("", "-"), "aaa".replace("aa", "b")
"abc"|replace("b", 1), 1212|replace(2, "x"), "aaaa"|replace("a", "b", 2), "abc"|replace("", "-"), "abc"|replace("", "-", 2)
"-".join(["a", "b"]), "".join([]), ",".join("abc"), ", ".join(d)
"-".join([1, 2])
"abc".removeprefix("a"), "abc".removesuffix("bc"), "abc".removeprefix("x")
"ab".center(6), "ab".center(7, "*"), "abc".center(6, "*"), "ab".ljust(5, "."), "ab".rjust(5), "-5".zfill(4), "5".zfill(3), "abc".zfill(2)
"a\tb".expandtabs(), "a\tb\n\tc".expandtabs(4)
"abc".isalpha(), "ab1".isalpha(), "12".isdigit(), "²".isdigit(), "²".isdecimal(), "½".isnumeric(), "a1".isalnum(), " \t".isspace(), "".isspace()
"ABC".isupper(), "aBC".isupper(), "abc1".islower(), "12".islower(), "Ab Cd".istitle(), "AB".istitle(), "é".isascii(), "e".isascii()
"{} {}".format(1, "a"), "{0} {1} {0}".format("x", 2), "{a}{b}".format(a=1, b=2), "{{}} {}".format(5)
"{:>5}|{:<5}|{:^5}|{:*^7}|{:05d}|{:+d}|{:,}|{:_}".format("a", "b", "c", "d", 42, 5, 1234567, 1234567)
"{:.2f}|{:8.3f}|{:e}|{:g}|{:%}|{:x}|{:#x}|{:b}|{:#o}|{:.3}|{:10.4}".format(3.14159, 2.5, 12345.678, 0.00001, 0.25, 255, 255, 5, 8, "abcdef", 3.14159)
"{!r} {!s} {!r:>6}".format("a", "b", "c"), "{0.a} {0[c][k]} {1[0]}".format(d, l), "{:{}}|".format("x", 4)
"{} {0}".format(1)
"{}".format()
"{x}".format()
"{".format()
"{:d}".format("x")
"{:<5}|{:>5}|{:^6}|{:=+6}".format(true, 3, 2.5, 4), "{}".format(none), "{}".format([1, "a"])
"%s" | format("x"), "%s %s"|format(1, 2), "%(k)s"|format(k=1)
s|upper, s|lower, s|length, s|count, s|wordcount, s|reverse, s|list, s|first, s|last, s|string
l|sort, l|sort(reverse=true), ls|sort, ls|sort(case_sensitive=true), ls|sort(true), mixed[:2]|list
[1, "a"]|sort
users|sort(attribute="name")|map(attribute="name")|list, users|sort(attribute="age,name")|map(attribute="name")|list
users|sort(attribute="age", reverse=true)|map(attribute="name")|join(",")
users|map(attribute="name")|join(", "), users|map(attribute="zz", default="-")|list, users|map(attribute="tags.0", default="-")|list
users|map(attribute="on")|list
ls|map("upper")|list, l|map("string")|join, ["a b", "c"]|map("replace", " ", "_")|list, [" a "]|map("trim")|list
l|map("nope")|list
l|map()|list
users|selectattr("on")|map(attribute="name")|list, users|selectattr("age", "equalto", 31)|list|length
users|selectattr("age", ">", 30)|map(attribute="name")|list, users|rejectattr("on", "defined")|map(attribute="name")|list
users|selectattr("name", "in", ["Ann", "Cy"])|map(attribute="name")|list, users|rejectattr("tags")|list|length
l|select("odd")|list, l|reject("odd")|list, mixed|select|list, mixed|reject|list, l|select("gt", 1)|list, l|select("divisibleby", 3)|list
[1, none, "a"]|select("string")|list, [1, none, "a"]|reject("none")|list, [missing, 1]|select("defined")|list
ls|unique|list, [1, 1.0, true, "1", 2]|unique|list, users|unique(attribute="age")|map(attribute="name")|list, ls|unique(true)|list
l|first, l|last, el|first, el|last, l|reverse|list, l|min, l|max, el|max, ls|min, ls|max(case_sensitive=true), users|max(attribute="age")
(el|first) is defined
l|sum, users|sum(attribute="age"), l|sum(start=10), [1.5, 2]|sum, el|sum, [[1], [2]]|sum(start=[])
["a"]|sum
l|join("-"), l|join, [1, none, true, 2.0, "s"]|join("|"), users|join(",", attribute="name"), "abc"|join("."), d|join
5|join
[1, 2, 3, 4, 5]|batch(2)|list, [1, 2, 3]|batch(2, "x")|list, [1, 2, 3, 4, 5]|slice(2)|list, [1, 2, 3, 4, 5]|slice(3, 0)|list
users|groupby("age"), (users|groupby("age"))|length
d|items|list, d|dictsort, {"b": 1, "A": 2}|dictsort, {"b": 1, "A": 2}|dictsort(true), {"b": 1, "a": 2}|dictsort(false, "value"), {"a": 1, "b": 2}|dictsort(reverse=true)
missing|items|list
5|items|list
{"b": 1}|dictsort(by="x")
d|list, d|length, d|first, d|last
range(5), range(5)|list, range(2, 5)|list, range(10, 0, -3)|list, range(0)|list, range(5)[2], range(5)|length, 3 in range(5), range(1, 10, 2)
range(100001)
range(1000000000)
range("a")
range()
range(1, 2, 0)
dict(a=1, b=2), dict([("x", 1)], y=2), dict({"q": 1}), dict()
dict(5)
namespace(a=1).a, namespace({"b": 2}).b, namespace(a=1).zz is defined
namespace(_x=1)
"42"|int, "42.7"|int, "x"|int, "x"|int(5), "0x1f"|int(0, 16), "101"|int(base=2), " 12 "|int, "1_000"|int, 3.9|int, -3.9|int, none|int, true|int, "1e3"|int, ""|int, []|int
"3.5"|float, "x"|float, "1e5"|float, none|float(2.5), 3|float, " 2 "|float, "inf"|float, "nan"|float, "-1_0.5"|float
3.14159|round, 3.14159|round(2), 2.5|round, 3.5|round, 42.55|round(1, "floor"), 42.51|round(1, "ceil"), 5|round, -2.5|round, 1234.5|round(-2), 2.675|round(2), 1e300|round
5|abs, -5|abs, -2.5|abs, true|abs
"a"|abs
1000|filesizeformat, 1|filesizeformat, 999|filesizeformat, 1234567|filesizeformat, 1048576|filesizeformat(true), 13000000000|filesizeformat
missing|default, missing|default("x"), none|default("x"), none|default("x", true), ""|default("x", true), 0|d(5, boolean=true), false|default(1)
d|tojson, l|tojson, s|tojson, u|tojson, none|tojson, true|tojson, 1.0|tojson, 1e22|tojson, tiny|tojson, big|tojson, mixed|tojson, esc|tojson
esc|tojson(ensure_ascii=true), u|tojson(true), html|tojson
d|tojson(indent=2), el|tojson(indent=2), e|tojson(indent=2), nested|tojson(indent=1), d|tojson(indent="--"), d|tojson(indent=0)
d|tojson(separators=(",", ":")), d|tojson(indent=2, separators=(", ", " = ")), {"b": 1, "a": {"d": 1, "c": 2}}|tojson(sort_keys=true)
{1: 2, none: 3, true: 4, 2.5: 5}|tojson, (1, 2)|tojson, "inf"|float|tojson, "nan"|float|tojson
missing|tojson
range(3)|tojson
d.items()|tojson
{"k": missing}|tojson
{(1, 2): 3}|tojson
namespace(a=1)|tojson
messages|tojson
messages[2].tool_calls[0].function.arguments|tojson, messages[2].tool_calls[0].function.arguments
d|string, l|string, none|string, true|string, 1.50|string, (1,)|string, ()|string, esc|list|string, {"a": "it's", "b": 'q"'}|string
"it's", ["it's"], ['say "x"'], ["both ' and \""], ["\\"], ["\x00\x1f\x7f\x80\xa0\xad\u2028\ufeff\U0001F600é"]
'\x41\u00e9\101\n\t\'\"\\\q', "a" "b" 'c', "\
x"
"\u12"
"a\
b"
[[], {}, (), none, true, 1, 1.0, "s", (1,), (1, 2), {"a": [1]}]
{"a": 1, "b": {"c": [1, 2]}}, {1: "x", none: 2, (1, 2): 3}, {"a": 1, "a": 2}, {1: "a", true: "b", 1.0: "c"}
{[1]: 2}
{}[[1]] is defined
"text"|indent, "a\nb\n\nc"|indent, "a\nb"|indent(2), "a\nb"|indent(2, true), "a\n\nb"|indent(2, false, true), "a\nb"|indent("> "), "a\nb\n"|indent(1), ""|indent
5|indent
"foo bar baz qux"|truncate(9), "foo bar baz qux"|truncate(9, true), "foo bar baz qux"|truncate(11), "foo bar baz qux"|truncate(11, false, "...", 0), "abc"|truncate(2)
"ab"|center(6), "x"|center
html|escape, html|e, html|safe, html|escape|escape, html|forceescape, (html|escape) ~ "<", ("<"|escape) + "<", "<" + ("<"|escape), html|safe is escaped, html is escaped
"a b&c/d?é"|urlencode, {"a b": "c&d", "x": 1}|urlencode, [("k", "v w")]|urlencode, 5|urlencode
ls|attr("x") is defined, d|attr("a") is defined, namespace(q=1)|attr("q")
1 is odd, 2 is even, 9 is divisibleby 3, 9 is divisibleby(2), 2.0 is even
"a" is odd
5 is number, 5.0 is number, true is number, "5" is number, 5 is integer, true is integer, 5.0 is integer, 5.0 is float, 5 is float, true is boolean, 1 is boolean
"s" is string, 5 is string, [] is string, [] is sequence, {} is sequence, "s" is sequence, 5 is sequence, () is sequence, range(3) is sequence, (l|map("string")) is sequence, d.items() is sequence
[] is iterable, 5 is iterable, "s" is iterable, {} is iterable, none is iterable, (l|map("string")) is iterable, {} is mapping, [] is mapping, namespace() is mapping
true is true, 1 is true, false is false, 0 is false, none is none, missing is none, "" is none
n is defined, zz is defined, zz is undefined, n is not defined, n is not none, not n is none
"abc" is lower, "ABC" is upper, "aBC" is upper, "1" is lower, 5 is lower
1 is eq 1, 1 is equalto 1, 1 is == 1
1 is eq(1), 1 is ne(2), 1 is lt 2, 2 is gt 1, 1 is le 1, 1 is ge 2, 2 is greaterthan 1, 1 is lessthan(0), 1 is sameas 1, none is sameas none, true is sameas 1
"a" is in "abc", 1 is in [1], 1 is not in [2], "upper" is filter, "nope" is filter, "odd" is test
n is callable, range is callable, dict is callable, s.upper is callable
1 is nope
1|nope
1 is
1 is defined is defined
(n if true else 1|nope)
(1|nope if false else 2)
n is defined and n > 5, n is not string or false
1 is odd and 2 is even
s|upper|lower|title, (s|upper)[0:2], s.split(", ")|last|upper, -1|abs, (-1)|abs, 2 + 3|string|length
"a" "b"|upper, ["a", "b"]|join(", ")|upper ~ "!", 1 ~ 2|string
[1, 2,], (1,), {"a": 1,}, (1, 2,), [], (), {}
l|length > 2 and "yes" or "no"
users[0]["name"], users[0].tags[-1], users[-1].name, users[0]["tags"][0]
messages[0]["role"] == "system", messages[1:][0].content, messages|length, messages[-1].content is none
messages[0].content.split(" ")[0].upper()
raise_exception("boom " ~ n)
raise_exception()
strftime_now("%Y-%m-%d"), strftime_now("%d %b %Y"), strftime_now("%H:%M:%S %A %B %j %p %I %y %%"), strftime_now("")
strftime_now(5)
lipsum is defined, self is defined, foo.bar is defined
loop is defined, caller is defined, varargs is defined
(n, s)[0], (n), ((n)), ((1, 2), 3)
n+1, n -1, n- 1, n*-1, -n+1, +n, - - n, --n
n == 7 and s == "Hello, World", n >= 7, n <= 6, n != 7
s.split(",")[0].strip() ~ "|" ~ s.split(",")[1].strip()
d.a.b is defined
d.c.k.upper(), d["c"].k|upper
nested|map("length")|list, nested|map("first")|list, nested|map("join", "-")|list
l|select("in", [1, 2])|list, l|map("float")|list, ls|map("lower")|sort|list, l|list|tojson
[1, 2] == (1, 2), [1] == [1.0], {"a": 1} == {"a": true}, "a" == "a", "1" == 1, (1, 2) == (1, 2), d == d.copy()
1 if missing else 2, 1 if el else 2, 1 if "0" else 2, 1 if 0.0 else 2
true, True, false, False, none, None
1.0|int|string + "x", "%.3f"|format(1.0005), "%03d"|format(7)
"a\\nb", 'a\nb'|length, "{{ not }}", "{% raw %}"
{"a": 1}.a, {"a": {"b": 2}}["a"].b, [10, 20][1], "abc"[1], (1, 2)[1], "abc".1
{"a": 1}.items()|list, [1, 2, 3][1:]|first, "a,b".split(",")|map("upper")|join("+")
namespace(x=[1, 2]).x[1], namespace(a={"b": 1}).a.b
x.is_integer(), 2.0.is_integer()
s.nope()
s.nope is defined
l.nope
users[5].name
d["zz"]["y"]
d.get("zz").y
none|length
5|length
5|list
5|first
(l|map("string"))|length
(l|map("string"))|last
l|map("string")|first, (l|reverse)|first
"abc"|upper(1)
"abc"|replace("a")
"abc"|replace(bad=1)
"abc".upper(1)
"abc".replace("a")
"abc".strip(1)
dict(a=1, **{"b": 2}), dict(*[[("c", 3)]]), "{}-{}".format(*[1, 2]), "{a}".format(**{"a": 5})
"x".format(**5)
dict(a=1, a=2)
1 +
(1
[1, 2
{"a" 1}
1 2
a b
]
}
"abc
@
1 $ 2
x y z
n.
n[
n[]
|upper
n|
n | 5
n if
not
-
1 = 2
{{ 1 }}
""".strip("\n").replace("\"\\\n", "\"\\\n")

# Each is rendered as it is.
STATEMENTS = [
    "a\n{% if n %}\n  b\n{% endif %}\nc\n", "a  {%- if n -%}  b  {%- endif -%}  c", "  {% if n %}x{% endif %}  \ny",
    "  {%+ if n %}x{% endif +%}\ny", "x {{- n -}} y", "x\n\n {{- n -}} \n\n y", "{# c #}\nx", "x {#- c -#} y", "a\n  {# c #}\nb",
    "{{ n }}\nx\n", "x\n\n", "x\r\ny\rz", "{% raw %}{{ n }} {% if %}{% endraw %}", "a {%- raw -%} {{ x }} {%- endraw -%} b",
    "{% raw %}\n  x\n{% endraw %}\ny", "{% if n %}{% endif %}\n\n{% if n %}{% endif %}\n", "\t{% if n %}\tx\n\t{% endif %}\ty",
    "{{ n }}{{ s }}", "{ n } {% raw %}{{{% endraw %} }} %} #}", "{{ '}}' }}{{ \"%}\" }}", "{{ {'a': {'b': 1}}['a'] }}",
    "{%if n%}x{%endif%}", "{%- for i in l %}{{i}}{% endfor -%} x", "é{{ u }}ü{# ö #}ß", "{{ n }}{#", "{{ n", "{% if n", "{% raw %}x",
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if f %}a{% elif t %}b{% endif %}", "{% if f %}a{% endif %}|",
    "{% if not n %}a{% else %}{% if t %}b{% endif %}{% endif %}", "{% if n: %}x{% endif %}", "{% if %}{% endif %}", "{% if n %}",
    "{% if n %}{% else %}{% elif n %}{% endif %}", "{% endif %}", "{% nope %}", "{% for i in l %}{% endif %}", "{% %}", "{% 5 %}",
    "{% for i in l %}{{ i }},{% endfor %}", "{% for i in el %}x{% else %}none{% endfor %}", "{% for i in l %}x{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in 'héy' %}{{ c }}.{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in [(1,)] %}{% endfor %}", "{% for i in 5 %}{% endfor %}", "{% for i in none_ %}{% endfor %}",
    "{% for i in missing %}x{% else %}e{% endfor %}", "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }} {% endfor %}",
    "{% for x in l if x > 5 %}x{% else %}none{% endfor %}", "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in l if loop is defined %}{{ x }}{% endfor %}", "{% for x in l|map('string') %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for x in l|select('odd') %}{{ loop.revindex }}{{ x }} {% endfor %}", "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in l %}{% set o = loop %}{% for y in [1, 2] %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}", "{% for x in l %}{{ loop.nope }}{% endfor %}",
    "{% for x in l %}{{ loop.nope.x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}e{% endfor %}|", "{% for x in l %}{% continue %}{% else %}e{% endfor %}|", "{% break %}", "{% continue %}",
    "{% macro m() %}{% break %}{% endmacro %}", "{% for x in nested recursive %}{% if x is iterable and x is not string %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }} {% endif %}{% endfor %}",
    "{% for x in l %}{{ loop(x) }}{% endfor %}", "{% for x in l recursive %}{{ loop(5) }}{% endfor %}", "{% for loop in l %}{% endfor %}", "{% for x in l %}{% set loop = 1 %}{% endfor %}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}", "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }} {% endfor %}{{ y }}",
    "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}", "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}",
    "{% set d.a = 2 %}", "{% set missing.a = 2 %}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{% set ns = namespace(a=1) %}{{ ns.zz }}|",
    "{% set ns = namespace(a=1) %}{{ ns['a'] }}", "{% set ns = namespace(a=1) %}{% set ns.a, ns.b = 5, 6 %}{{ ns.a }}{{ ns.b }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = (1, 2, 3) %}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = l[:2] %}{{ a }}{{ b }}", "{% set 5 = 1 %}", "{% set [a] = [1] %}", "{% set a b = 1 %}", "{% set a = %}", "{% set %}",
    "{% set true = 1 %}", "{% set n = n + 1 %}{{ n }}", "{% if t %}{% set z = 1 %}{% endif %}{{ z }}", "{% if f %}{% set z = 1 %}{% endif %}{{ z is defined }}", "{% if f %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% set b %}hi {{ n }}{% endset %}[{{ b }}]", "{% set b | upper %}hi{% endset %}{{ b }}", "{% set b | upper | replace('H', 'J') %}hi{% endset %}{{ b }}", "{% set b %}{% set q = 1 %}{% endset %}{{ q is defined }}",
    "{% set b | indent(2) %}a\nb{% endset %}{{ b }}", "{% for x in l %}{% set q %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endset %}{{ q }}{% endfor %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a is defined }}", "{% with a = 1, b = a %}{{ b is defined }}{% endwith %}",
    "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}", "{% with n = n + 1 %}{{ n }}{% endwith %}{{ n }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m() }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ a }}{{ varargs|join(',') }}{% for k, v in kwargs.items() %}{{ k }}{{ v }}{% endfor %}{% endmacro %}{{ m(1, 2, 3, z=4) }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}in {{ n }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% call 5 %}{% endcall %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(caller) %}{{ caller() }}{% endmacro %}",
    "{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m() %}{{ n }}{% endmacro %}{% set n = 9 %}{{ m() }}", "{% macro m() %}{{ q }}{% endmacro %}{% set q = 9 %}{{ m() }}", "{% macro m() %}{% set q = 1 %}{% endmacro %}{{ m() }}{{ q is defined }}", "{% set q = 1 %}{% macro m() %}{% set q = 2 %}{{ q }}{% endmacro %}{{ m() }}{{ q }}",
    "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% set ns = namespace() %}{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{% set ns.m = m %}{{ ns.m() }}{% endfor %}", "{% macro m(a, b) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.caller }}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m('a') ~ m('b') }}{{ m('c')|upper }}{{ m(1) == '1' }}", "{% macro m() -%}\n  x\n{%- endmacro %}[{{ m() }}]", "{% macro m(d) %}{% for k in d %}{{ k }}{% if d[k] is mapping %}({{ m(d[k]) }}){% endif %}{% endfor %}{% endmacro %}{{ m(d) }}",
    "{% macro l2(x) %}{% if x is iterable and x is not string %}[{% for i in x %}{{ l2(i) }}{% if not loop.last %}, {% endif %}{% endfor %}]{% else %}{{ x|tojson }}{% endif %}{% endmacro %}{{ l2(nested) }}",
    "{% filter upper %}abc {{ s }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aaa{% endfilter %}", "{% filter nope %}{% endfilter %}", "{% filter upper %}{% set zz = 1 %}{% endfilter %}{{ zz is defined }}", "{% filter indent(4) %}a\nb{% endfilter %}", "{% filter upper %}a{% filter lower %}B{% endfilter %}c{% endfilter %}",
    "{% generation %}text {{ n }}{% endgeneration %}", "{% generation %}{% set gg = 1 %}{% endgeneration %}{{ gg is defined }}", "{%- generation -%} x {%- endgeneration -%} y", "{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% generation %}",
    "{% block b %}x{{ n }}{% endblock %}", "{% block b %}x{% endblock b %}", "{% set q = 1 %}{% block b %}{{ q }}{% endblock %}", "{% block b %}{% endblock %}{% block b %}{% endblock %}", "{% for i in l %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}", "{% for i in l %}{% block b %}{{ i is defined }}{% endblock %}{% endfor %}",
    "{% print n %}", "{% print n, s %}", "{% if f %}{{ 1|nope }}{% endif %}ok", "{% if t %}{{ 1|nope }}{% endif %}", "{% if f %}{{ 1 is nope }}{% endif %}ok", "{{ 1|nope }}", "{% if f %}{% for x in l %}{{ x|nope }}{% endfor %}{% endif %}", "{% for x in l %}{% if f %}{{ x|nope }}{% endif %}{% endfor %}ok",
    "line 1\nline 2 {{ missing.x }}", "{% if n %}\n\n{{ 1 + }}{% endif %}", "a\nb\n{% nope %}", "a\n{{ 1|nope }}", "\n\n{{ raise_exception('x') }}", "{{ n }}\n{% for x in l %}\n{{ x.y.z }}\n{% endfor %}", "{# multi\nline #}{{ ) }}", "a\n\n{% if x %}\n", "{{ '\n\n' }}{{ ( }}",
    "{% set x = x or 'y' %}{{ x }}", "{% set messages = messages[1:] %}{{ messages|length }}", "{% set q = q|default('d') %}{{ q }}", "{% set ns = namespace(list=[]) %}{% for x in l %}{% set ns.list = ns.list + [x * 2] %}{% endfor %}{{ ns.list }}", "{% set ns = namespace(found=false) %}{% for x in l if not ns.found %}{{ x }}{% if x == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}",
    "{% set it = l|map('string') %}{% for x in it %}{{ x }}{% break %}{% endfor %}|{% for x in it %}{{ x }}{% endfor %}", "{% set it = l|map('string') %}{{ it|list }}{{ it|list }}", "{% set it = d.items() %}{{ it|list }}{{ it|list|length }}",
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}\n{{ m['content'] }}\n{% endfor %}", "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- 'U: ' + m.content }}\n    {%- elif m.role == 'system' %}\n        {{- 'S: ' ~ m.content ~ '\n' }}\n    {%- endif %}\n{%- endfor %}\n",
    "{%- if messages[0].role == 'system' -%}\n  {%- set system = messages[0].content|trim -%}\n  {%- set loop_messages = messages[1:] -%}\n{%- endif -%}\n{{ system }}{{ loop_messages|length }}",
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% endfor %}", "{% for m in messages if m.role != 'system' %}{{ loop.index0 }}{{ m.role }}{% if loop.last %}!{% endif %}{% endfor %}", "{% for m in messages[::-1] %}{{ m.role }} {% endfor %}",
    "{% for a in [1] %}{% for b in [2] %}{% set a = 5 %}{{ a }}{% endfor %}{{ a }}{% endfor %}", "{% for i in range(3) %}{% if i == 1 %}{{ v is defined }}{% endif %}{% set v = i %}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}{{ i is defined }}", "{% set i = 9 %}{% for i in range(2) %}{{ i }}{% endfor %}{{ i }}",
    "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}",
    "{% for i in range(3) %}{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{% endfor %}", "{% for g in users|groupby('age') %}{{ g[0] }}:{{ g[1]|length }} {% endfor %}", "{% for row in [1, 2, 3]|batch(2) %}{{ row }}{% endfor %}",
    "{% set a = [1, 2] %}{% set b = a %}{{ a is sameas b }}{{ a == b }}", "{% macro m(messages) %}{{ messages|length }}{% endmacro %}{{ m([1]) }}{{ messages|length }}", "{% set f2 = s.upper %}{{ f2() }}", "{% set r = range %}{{ r(3)|list }}", "{% set m = d.get %}{{ m('a') }}",
    "{{ n -}}\n\n  x  {{- n }}", "{% set x = 1 -%}\n  y", "{% set x = 1 %}\n  y", "  {%- set x = 1 %}  y", "{{ '  a  ' -}}   b", "x{{ '' }}\ny", "{% if n -%}\n a \n{%- else -%} b {%- endif %} c", "{#- a -#}\n x \n{#- b -#}", "a{% if n +%}\nb{% endif %}", "{%+ if n %}a{%+ endif %}", "  {%+ set q = 1 %}\nx", "\n\n  {% if n %}\n  x\n  {% endif %}\n\n",
    "{{'a'if t else'b'}}", "{{n if n}}", "{{ 1if t else 2 }}", "{% if(n)%}a{%endif%}", "{%for x in(1,2)%}{{x}}{%endfor%}", "{{ d\n.a }}{{\nn\n}}", "{{ [\n1,\n2\n] }}", "{% set\nq\n=\n5\n%}{{ q }}",
]
