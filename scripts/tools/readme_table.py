#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readme_table.py [--check] README [SOURCE...]: rewrites the tables of README that have fresh figures, or those of the named sources alone. A
table stands between

    <!-- table: out/demo.csv by examples/speculative/decode_text_table.py -->
    <!-- table: end -->

The CSV is what the example wrote, the module has `table(rows)`, which makes lines of Markdown from its rows. A source may also be a page of
Markdown: then its rows are those of its first table. Paths start where README is. Without its source a table is left as it is. Prints the
sources that it used. With --check nothing is written: exit status 1 if README would change."""

import csv
import importlib.util
import itertools
import pathlib
import re
import sys

MARKER = re.compile(r"(<!-- table: (\S+) by (\S+) -->\n).*?(<!-- table: end -->)", re.DOTALL)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(path):
    """The rows of a table, by the names of its columns."""
    with open(path, encoding="utf-8", newline="") as file:
        if path.suffix != ".md":
            return list(csv.DictReader(file))
        lines = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                 for line in itertools.takewhile(lambda line: line.startswith("|"),
                                                 itertools.dropwhile(lambda line: not line.startswith("|"), file))]
        return [dict(zip(lines[0], line)) for line in lines[2:]]


def main():
    sys.dont_write_bytecode = True
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    readme, sources = pathlib.Path(arguments[0]).resolve(), arguments[1:]

    def fresh(match):
        head, csv_name, module_name, tail = match.groups()
        csv_path = readme.parent / csv_name
        if not csv_path.exists() or (sources and csv_name not in sources):
            return match.group()
        rows = rows_of(csv_path)
        if not rows:
            sys.exit(f"{csv_name} has no rows")
        print(csv_name)
        return head + "".join(line + "\n" for line in load(readme.parent / module_name).table(rows)) + tail

    text = readme.read_text(encoding="utf-8")
    if not MARKER.search(text):
        sys.exit(f"{readme.name} has no marker comment of a table")
    updated = MARKER.sub(fresh, text)
    if "--check" not in sys.argv[1:]:
        readme.write_text(updated, encoding="utf-8")
    elif updated != text:
        sys.exit(f"{readme.name} does not say what {', '.join(sources) or 'its sources'} say: run scripts/update_readme")


if __name__ == "__main__":
    main()
