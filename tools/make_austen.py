#!/usr/bin/env python3
"""Makes data/austen/ from Debian's package r-cran-janeaustenr: one .txt a novel, chapters separated by a form feed.

    python3 tools/make_austen.py            # downloads the package with apt-get, writes data/austen/
    python3 tools/make_austen.py PACKAGE.deb

Needs only Python, apt-get and dpkg-deb: R's serialization is simple enough to be read here.
"""

import gzip
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "data" / "austen"
NOVELS = {  # name in the package -> file
    "sensesensibility": "sense_and_sensibility.txt",
    "prideprejudice": "pride_and_prejudice.txt",
    "mansfieldpark": "mansfield_park.txt",
    "emma": "emma.txt",
    "northangerabbey": "northanger_abbey.txt",
    "persuasion": "persuasion.txt",
}
HELD_OUT_EVERY = 17  # every 17th chapter, in the order of the files' names, starting with the 9th
HELD_OUT_FIRST = 8


class RReader:
    """R's XDR serialization (R Internals, section 1.8), as much of it as character vectors and lists need."""

    def __init__(self, data):
        self.data, self.at, self.symbols = data, 0, []
        if data[:2] != b"X\n":
            raise ValueError("not an XDR serialization")
        self.at = 2
        version = self.integer()
        self.at += 8  # the R versions that wrote it and that can read it
        if version == 3:
            name_size = self.integer()  # of the native encoding
            self.at += name_size

    def integer(self):
        self.at += 4
        return struct.unpack_from(">i", self.data, self.at - 4)[0]

    def item(self):
        flags = self.integer()
        kind, has_attributes, has_tag = flags & 0xFF, flags & 0x200, flags & 0x400
        if kind == 0xFE:  # NULL
            return None
        if kind == 0xFF:  # a symbol seen before
            return self.symbols[(flags >> 8) - 1]
        if kind == 1:  # symbol
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == 2:  # pairlist
            if has_attributes:
                self.item()
            tag = self.item() if has_tag else None
            head = (tag, self.item())
            return [head] + (self.item() or [])
        if kind == 9:  # string
            size = self.integer()
            if size == -1:
                return None
            self.at += size
            return self.data[self.at - size : self.at].decode("latin-1" if flags & 0x4000 else "utf-8")
        if kind in (10, 13):  # logical, integer
            value = [self.integer() for _ in range(self.integer())]
        elif kind in (16, 19):  # character vector, list
            value = [self.item() for _ in range(self.integer())]
        else:
            raise ValueError(f"R type {kind} is not read here")
        attributes = dict(self.item()) if has_attributes else {}
        return dict(zip(attributes["names"], value)) if "names" in attributes else value


def read_novels(package):
    """{name: lines} of the package's lazy-load database: an index and a file of zlib-compressed objects."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        database = Path(folder, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
        packed = Path(folder, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdx").read_bytes()
        index = RReader(gzip.decompress(packed))
    places = index.item()["variables"]
    # Every object starts with its uncompressed size, four bytes.
    return {name: RReader(zlib.decompress(database[at + 4 : at + size])).item() for name, (at, size) in places.items()}


def chapters(lines):
    """The chapters' texts: heading, a blank line, paragraphs. A volume's heading goes with its first chapter."""
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    text = text.split("\nA NOTE ON THE TEXT\n")[0]  # a modern editor's, not Austen's
    text = re.sub(r"\n(FINIS|Finis|THE END|\(End of volume one\.\))\n", "\n", text)
    start = r"^(?:VOLUME [IVX]+\n+)?(?:CHAPTER|Chapter) [IVXL0-9]+$|^ADVERTISEMENT BY THE AUTHORESS.*$"
    starts = [match.start() for match in re.finditer(start, text, re.MULTILINE)]
    texts = [text[a:b].strip("\n") + "\n" for a, b in zip(starts, starts[1:] + [len(text)])]
    return [re.sub(r"\n{3,}", "\n\n", chapter) for chapter in texts]


def main():
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            package = Path(sys.argv[1])
        else:
            subprocess.run(["apt-get", "download", "r-cran-janeaustenr"], cwd=folder, check=True)
            package = next(Path(folder).glob("r-cran-janeaustenr_*.deb"))
        novels = read_novels(package)

    FOLDER.mkdir(parents=True, exist_ok=True)
    ids, sizes = [], {}
    for name, file in sorted(NOVELS.items(), key=lambda novel: novel[1]):
        texts = chapters(novels[name])
        (FOLDER / file).write_text("\f".join(texts), encoding="utf-8")
        for number, text in enumerate(texts, 1):
            ids.append(f"{file}#{number}")
            sizes[ids[-1]] = len(text.encode())
    held_out = ids[HELD_OUT_FIRST::HELD_OUT_EVERY]
    header = "# Held out of training: these chapters (file#number, counted from 1) are the validation text.\n"
    (FOLDER / "held_out.list").write_text(header + "".join(f"{id}\n" for id in held_out))
    print(f"{len(ids)} chapters, {sum(sizes.values())} bytes; held out: {len(held_out)} chapters, "
          f"{sum(sizes[id] for id in held_out)} bytes")


if __name__ == "__main__":
    main()
