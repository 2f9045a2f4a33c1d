#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""algorithms_page.py [--check]: writes docs/algorithms.md, every algorithm of the library with its paper, from the doc comments of the headers:
a row for each `@par Source`, with the first sentence of its comment. With --check nothing is written: exit status 1 if the page would change."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "algorithms.md"
TITLES = {"speculative": "Speculative decoding", "schedule": "Learning-rate schedules", "solvers": "Solvers", "kernels": "Kernels",
          "core": "Ground floor"}
NO_PAPER = re.compile(r"^None\b")


def comments(text):
    """(lines of a /// comment, the line of code after it)."""
    block = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("///"):
            block.append(bare[3:].strip())
        elif block:
            if bare.startswith(("template", "requires")) or not bare:
                if bare:
                    continue
            yield block, bare
            block = []


def first_sentence(block):
    words = []
    for line in block:
        if line == "@file" or (not line and not words):
            continue
        if not line or line.startswith("@"):
            break
        words.append(line)
    return re.split(r"(?<=[.?:])\s", " ".join(words) + " ", maxsplit=1)[0].rstrip(" ,:")


def source(block):
    begin = block.index("@par Source") + 1
    end = next((i for i in range(begin, len(block)) if not block[i] or block[i].startswith("@")), len(block))
    return " ".join(block[begin:end])


def linked(text):
    return re.sub(r"arXiv[ :](\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def entity(block, code):
    """What the comment stands before; nothing for a whole header."""
    if "@file" in block:
        return ""
    match = re.search(r"\b(?:class|struct|concept)\s+(\w+)", code) or re.search(r"(\w+)\s*\(", code) or re.search(r"(\w+)\s*(?:=|;|\{)", code)
    return f"`{match.group(1)}` of " if match else ""


def page():
    lines = ["# Every algorithm and its paper", "", "Written by `scripts/tools/algorithms_page.py` from the `@par Source` lines of the headers; do not edit.",
             "Which piece does which job: [speculative.md](speculative.md), [schedule.md](schedule.md), [ground-floor.md](ground-floor.md).", ""]
    for folder, title in TITLES.items():
        rows = []
        for path in sorted((ROOT / "include" / "gavel" / folder).glob("*.hpp")):
            name = path.relative_to(ROOT / "include").as_posix()
            for block, code in comments(path.read_text(encoding="utf-8")):
                if "@par Source" in block and not NO_PAPER.search(source(block)):
                    rows.append([first_sentence(block), f"{entity(block, code)}`{name}`", linked(source(block))])
        if rows:
            lines += [f"## {title}", "", "| what it does | where | source |", "|---|---|---|"]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
    return "\n".join(lines[:-1]) + "\n"


def main():
    folders = {path.name for path in (ROOT / "include" / "gavel").iterdir() if path.is_dir()}
    if folders - set(TITLES):
        sys.exit(f"algorithms_page.py: no title for {', '.join(sorted(folders - set(TITLES)))}")
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/algorithms.md is not what the headers say: run scripts/tools/algorithms_page.py")
    print(f"docs/algorithms.md: {sum(line.startswith('| ') for line in text.splitlines())} rows")


if __name__ == "__main__":
    main()
