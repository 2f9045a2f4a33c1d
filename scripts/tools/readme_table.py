#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readme_table.py README: rewrites the tables of README that have fresh figures. A table stands between

    <!-- table: out/demo.csv by examples/speculative/decode_text_table.py -->
    <!-- table: end -->

The CSV is what the example wrote, the module beside the example has `table(rows)`, which makes lines of Markdown from its rows. Paths start
where README is. Without the CSV a table is left as it is. Prints the CSVs that it used."""

import csv
import importlib.util
import pathlib
import re
import sys

MARKER = re.compile(r"(<!-- table: (\S+) by (\S+) -->\n).*?(<!-- table: end -->)", re.DOTALL)


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    sys.dont_write_bytecode = True
    readme = pathlib.Path(sys.argv[1]).resolve()

    def fresh(match):
        head, csv_name, module_name, tail = match.groups()
        csv_path = readme.parent / csv_name
        if not csv_path.exists():
            return match.group()
        with open(csv_path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            sys.exit(f"{csv_name} has no rows")
        print(csv_name)
        return head + "".join(line + "\n" for line in load(readme.parent / module_name).table(rows)) + tail

    text = readme.read_text(encoding="utf-8")
    if not MARKER.search(text):
        sys.exit(f"{readme.name} has no marker comment of a table")
    readme.write_text(MARKER.sub(fresh, text), encoding="utf-8")


if __name__ == "__main__":
    main()
