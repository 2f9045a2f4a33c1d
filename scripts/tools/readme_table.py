#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readme_table.py CSV README FIGURE: rewrites what stands between README's marker comments from the demo's CSV.
readme_table.py --schedules CSV README: the same for the table of schedules, from the CSV of examples/schedule/choose_a_schedule.cpp."""

import csv
import os
import re
import sys


def number(text, digits):
    return f"{float(text):.{digits}f}" if text else ""


def table(rows):
    lines = ["~: no closed form; one position: estimated with the earlier drafts drawn, decoding: measured.", "",
             "| drafts drawn | verifier | n | accepted | optimum | gap | tokens per target call | µs per token | p-value of the output law |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        # One position: four drafts, and the one draft that every engine has; decoding: every row. The wrong law of the control is not a result.
        if row["kind"] == "position" and row["n"] not in ("1", "4"):
            continue
        if row["kind"] not in ("position", "decoding"):
            continue
        # The least noisy number there is, the same that the gap is from.
        accepted = row["acceptance_exact"] or row["acceptance_given_drafts"] or row["acceptance"]
        sampled = "" if row["acceptance_exact"] else "~"
        gap = ""
        if row["gap"]:
            gap = sampled + ("0" if abs(float(row["gap"])) < 5e-5 else number(row["gap"], 4))
        lines.append(f"| {row['law']} | {row['verifier']} | {row['n']} | {sampled}{number(accepted, 4)} | {number(row['optimum'], 4)} | {gap} "
                     f"| {number(row['tokens_per_target_call'], 3)} | {number(row['microseconds_per_token'], 1)} | {float(row['p_value']):.2g} |")
    return lines


def schedule_table(rows):
    """Schedules in the order of their mean rank, over all settings (workload, optimiser, budget)."""
    def mean(values):
        return sum(values) / len(values)

    by_schedule, settings = {}, set()
    for row in rows:
        by_schedule.setdefault(row["schedule"], []).append(row)
        settings.add((row["workload"], row["optimiser"], row["budget_percent"]))
    lines = [f"| schedule | mean rank of {len(by_schedule)} | best in, of {len(settings)} | loss above the best of its setting, mean | at most |",
             "|---|---|---|---|---|"]
    for name, own in sorted(by_schedule.items(), key=lambda item: mean([float(row["rank"]) for row in item[1]])):
        ranks, above = [float(row["rank"]) for row in own], [100.0 * float(row["above_best"]) for row in own]
        lines.append(f"| {name} | {mean(ranks):.1f} | {sum(rank == 1.0 for rank in ranks)} | {mean(above):.1f} % | {max(above):.0f} % |")
    return lines


def replace(text, name, lines):
    pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    if not pattern.search(text):
        sys.exit(f"README has no marker comments for the {name}")
    return pattern.sub(lambda match: match.group(1) + "".join(line + "\n" for line in lines) + match.group(2), text)


def main():
    if sys.argv[1] == "--schedules":
        csv_path, readme = sys.argv[2:4]
        with open(csv_path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with open(readme, encoding="utf-8") as file:
            text = file.read()
        with open(readme, "w", encoding="utf-8") as file:
            file.write(replace(text, "schedule table", schedule_table(rows)))
        return
    csv_path, readme, figure = sys.argv[1:4]
    with open(csv_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        sys.exit(f"{csv_path} has no rows")
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    text = replace(text, "demo table", table(rows))
    if os.path.exists(figure):
        relative = os.path.relpath(figure, os.path.dirname(os.path.abspath(readme)))
        text = replace(text, "demo figure", [f"![acceptance against the number of drafts, with the optimum as the upper line]({relative})"])
    with open(readme, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
