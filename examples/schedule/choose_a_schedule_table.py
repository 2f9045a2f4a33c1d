# SPDX-License-Identifier: MIT
"""README's table of schedules, from the CSV of choose_a_schedule: in the order of their mean rank, over all settings (workload, optimiser,
budget)."""


def mean(values):
    return sum(values) / len(values)


def table(rows):
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
