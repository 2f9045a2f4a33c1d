#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""claims_page.py LINES PAGE: writes the page of claims from the lines of JSON that tests write (tests/support/claims.hpp). PAGE "-" shows it.
claims_page.py --check LINES PAGE: says which of these claims the page lacks, or shows another figure or verdict of (of a sampled figure: another
verdict); fails if there is one.
Writes the summary to file descriptor 3 where it is open."""

import json
import os
import sys

VERDICTS = ["holds", "holds in part", "does not hold", "not testable here"]

INTRODUCTION = """\
# What the papers claim, and what was found

Written by `scripts/claims`, which measures everything on this page; a verdict that changes fails a test.

A verdict follows from the cases measured, by one rule. **Holds**: all of them agree with the claim. **Holds in part**: at least half do.
**Does not hold**: fewer. A case is a printed figure met to its last digit, a pair in the right order, a budget at which a rule is the best.
**Not testable here**: with the reason. In brackets: the 95 % interval of a sampled figure. †: not printed in the paper; known from a computation
of its method that is independent of gavel, or expected of it.
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        claims = [json.loads(line) for line in file]
    seen = set()
    for claim in claims:
        key = (claim["paper"], claim["claim"])
        if key in seen:
            sys.exit(f"claims_page: two claims of {key[0]} read \"{key[1]}\"")
        seen.add(key)
    return claims


def cell(text):
    return text.replace("|", "\\|")


def number(value):
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.1f}"


def row(claim):
    published = claim["published"] + (" †" if claim["recomputed"] else "")
    measured = claim["why"] or claim["measured"]
    if claim["interval"]:
        measured += " [" + ", ".join(number(end) for end in claim["interval"]) + "]"
    verdict = claim["verdict"] if claim["verdict"] in ("holds", "not testable here") else f"**{claim['verdict']}**"
    return f"| {cell(claim['claim'])} | {cell(published)} | {cell(measured)} | {verdict} |"


def counts(claims):
    return [sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS]


def summary(claims, papers):
    text = "{} hold, {} hold in part, {} do not hold, {} cannot be tested here".format(*counts(claims))
    return f"{len(claims)} claims of {len(papers)} paper{'s' if len(papers) > 1 else ''}: {text}"


def group(claims, key):
    groups = {}
    for claim in claims:
        groups.setdefault(claim[key], []).append(claim)
    return sorted(groups.items())


def page(claims):
    papers = group(claims, "paper")
    lines = [INTRODUCTION, summary(claims, papers) + ".", "", "| paper | " + " | ".join(VERDICTS) + " |", "|---|" + "---|" * len(VERDICTS)]
    for paper, own in papers:
        title = own[0]["source"].split('"')[1]
        lines.append(f"| [{title}](#{paper}) | " + " | ".join(str(count or "") for count in counts(own)) + " |")
    for topic, of_topic in group(claims, "topic"):
        lines += ["", f"## {topic.capitalize()}"]
        for paper, own in group(of_topic, "paper"):
            commands = sorted({claim["command"] for claim in own})
            lines += ["", f"### {paper}", "", f"{own[0]['source']}.", "Shown by " + ", ".join(f"`{command}`" for command in commands) + ".", "",
                      "| claim | the paper's figure | measured here | verdict |", "|---|---|---|---|"]
            lines += [row(claim) for claim in own]
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1] == "--check":
        claims, path = read(sys.argv[2]), sys.argv[3]
        with open(path, encoding="utf-8") as file:
            rows = [line for line in file if line.startswith("| ")]
        missing = 0
        for claim in claims:
            found = [line for line in rows if line.startswith(f"| {cell(claim['claim'])} |")]
            same = row(claim) if not claim["interval"] else claim["verdict"]  # a sampled figure may move, its verdict may not
            if not any(line.rstrip("\n") == same or (claim["interval"] and line.rstrip("\n").rstrip(" |").rstrip("*").endswith(same))
                       for line in found):
                print(f"{os.path.basename(path)} lacks, or says otherwise of: {claim['claim']} ({claim['verdict']}); run scripts/claims")
                missing += 1
        print(f"{len(claims)} claims, {missing} missing from {os.path.basename(path)}")
        sys.exit(1 if missing or not claims else 0)
    claims, path = read(sys.argv[1]), sys.argv[2]
    text = page(claims)
    if path == "-":
        print(text)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    try:
        os.write(3, summary(claims, group(claims, "paper")).encode())
    except OSError:
        pass


if __name__ == "__main__":
    main()
