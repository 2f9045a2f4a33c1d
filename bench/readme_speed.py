# SPDX-License-Identifier: MIT
"""README's table of speed, from the targets of docs/benchmarks.md: what a rival also does."""


def table(rows):
    lines = ["| what | vocabulary | gavel against its rival |", "|---|---|---|"]
    for row in rows:
        if row["target"].startswith(">= ") and " faster than " in row["target"]:
            ratio, times = row["measured"].split(" ", 1)
            rival = row["target"].split(" faster than ")[1]
            lines.append(f"| {row['what']} | {row['size']} | {ratio.rstrip('x')} times as fast as {rival} {times} |")
    return lines
