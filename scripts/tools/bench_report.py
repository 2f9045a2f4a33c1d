#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the JSON of Google Benchmark into docs/benchmarks.md and its figures.

Benchmarks are named <topic>/<function>/<scalar>/<size>/<who>. `who` is gavel or a rival (std, eigen, torch, ...). A size may carry more words
("131072x4"); its leading number orders it. Names of the topic `limit` are what the machine can do at best: `limit/read/<scalar>/<size>/machine`
reads the same bytes once, `limit/exp/<scalar>/<size>/machine` does the arithmetic of one exponential per element in registers.
The figure of a benchmark is the least CPU time of its repetitions: on a shared machine the disturbed ones are only longer. A name may end in
Google Benchmark's own suffixes ("/iterations:..", "/real_time"); they are cut off.
Uses the standard library only; without gnuplot the tables are written and the figures left as they are.
"""

import argparse
import collections
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys

SUFFIX = re.compile(r"/(iterations:\d+|repeats:\d+|min_time:[^/]+|real_time|process_time|manual_time|threads:\d+)")
TO_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def leading_number(size):
    match = re.match(r"\d+", size)
    return int(match.group()) if match else 0


def read_results(path):
    """{(topic, function, scalar, size): {who: nanoseconds}} in the order of first appearance."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    results = collections.OrderedDict()
    ignored, errors = [], []
    for entry in document["benchmarks"]:
        if entry.get("run_type") == "aggregate":
            continue
        name = SUFFIX.sub("", entry["name"])
        if entry.get("error_occurred"):
            errors.append(f"{name}: {entry.get('error_message', '')}")
            continue
        parts = name.split("/")
        if len(parts) != 5:
            ignored.append(name)
            continue
        topic, function, scalar, size, who = parts
        time = entry["cpu_time"] * TO_NS[entry["time_unit"]]
        row = results.setdefault((topic, function, scalar, size), {})
        row[who] = min(time, row.get(who, float("inf")))
    return document["context"], results, sorted(set(ignored)), sorted(set(errors))


def show_time(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


def show_ratio(ratio):
    return f"{ratio:.1f}x" if ratio < 100 else f"{ratio:.0f}x"


def rivals_of(results):
    order = []
    for (topic, *_), row in results.items():
        for who in row:
            if topic != "limit" and who != "gavel" and who not in order:
                order.append(who)
    return order


def main_table(results, rivals):
    lines = ["| what | scalar | size | gavel | " + " | ".join(rivals) + " |", "|---|---|---|---" + "|---" * len(rivals) + "|"]
    for (topic, function, scalar, size), row in sorted_rows(results):
        if topic == "limit" or "gavel" not in row:
            continue
        own = row["gavel"]
        cells = [f"{show_ratio(row[who] / own)} ({show_time(row[who])})" if who in row else "" for who in rivals]
        lines.append(f"| {topic} `{function}` | {scalar} | {size} | {show_time(own)} | " + " | ".join(cells) + " |")
    return lines


def sorted_rows(results):
    first = {}
    for position, key in enumerate(results):
        first.setdefault(key[:3], position)
    return sorted(results.items(), key=lambda item: (first[item[0][:3]], leading_number(item[0][3]), item[0][3]))


def limits_table(results):
    """Rows with a limit of the same scalar and size beside them: how many times the limit gavel takes."""
    lines = []
    for (topic, function, scalar, size), row in sorted_rows(results):
        if topic == "limit" or "gavel" not in row:
            continue
        cells = []
        for limit in ("read", "exp"):
            bound = results.get(("limit", limit, scalar, size), {}).get("machine")
            cells.append(f"{show_time(bound)}, {row['gavel'] / bound:.2f}x" if bound else "")
        if any(cells):
            lines.append(f"| {topic} `{function}` | {scalar} | {size} | {show_time(row['gavel'])} | {cells[0]} | {cells[1]} |")
    if not lines:
        return []
    return ["| what | scalar | size | gavel | streaming read | one exp per element |", "|---|---|---|---|---|---|"] + lines


def growth_series(results):
    """{(topic, function, scalar): {who: [(size, ns)]}} for functions measured at four sizes or more."""
    series = collections.OrderedDict()
    for (topic, function, scalar, size), row in sorted_rows(results):
        if re.fullmatch(r"\d+", size):
            for who, time in row.items():
                series.setdefault((topic, function, scalar), collections.OrderedDict()).setdefault(who, []).append((int(size), time))
    return collections.OrderedDict((key, lines) for key, lines in series.items() if max(len(points) for points in lines.values()) >= 4)


def run_gnuplot(script, work, name):
    path = os.path.join(work, name + ".gp")
    with open(path, "w", encoding="utf-8") as file:
        file.write(script)
    subprocess.run(["gnuplot", path], check=True)


STYLE = """set encoding utf8
set terminal svg size {width},{height} dynamic font "sans,13" background "#ffffff"
set output "{output}"
set border 3 lc rgb "#777777"
set tics nomirror out
set grid ytics lc rgb "#dddddd"
set key top left reverse Left samplen 2
"""
COLORS = ["#1b6ca8", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#555555"]


def draw_growth(series, results, docs, work):
    """One panel per function: nanoseconds per element over the size, with the streaming read of the same bytes below."""
    panels = [(key, lines) for key, lines in series.items() if key[0] != "limit" and key[2] == "float"][:6]
    if not panels:
        return None
    output = os.path.join(docs, "images", "benchmarks_growth.svg")
    columns = min(3, len(panels))
    rows = (len(panels) + columns - 1) // columns
    script = STYLE.format(width=420 * columns, height=340 * rows, output=output)
    script += f"set multiplot layout {rows},{columns}\nset logscale xy\nset format x '%.0s%c'\nset xlabel 'elements'\nset ylabel 'ns per element'\n"
    whos = []
    for _, lines in panels:
        for who in lines:
            if who not in whos:
                whos.append(who)
    for index, (key, lines) in enumerate(panels):
        plots, blocks = [], []
        shown = list(lines.items())
        for limit in ("read", "exp"):
            points = series.get(("limit", limit, key[2]), {}).get("machine")
            if points:
                shown.append((f"limit: {limit}", points))
        for who, points in shown:
            color = COLORS[whos.index(who) % len(COLORS)] if who in whos else "#999999"
            style = "lines dt 2 lw 1.5" if who.startswith("limit") else f"linespoints pt 7 ps 0.5 lw {3 if who == 'gavel' else 1.6}"
            plots.append(f"'-' using 1:2 with {style} lc rgb '{color}' title '{who}'")
            blocks.append("\n".join(f"{size} {time / size:.6g}" for size, time in points) + "\ne\n")

        title = f"{key[0]} {key[1]}".replace("_", "\\\\_")
        script += f"set title \"{title}\"\nplot " + ", ".join(plots) + "\n" + "".join(blocks)
    script += "unset multiplot\n"
    run_gnuplot(script, work, "growth")
    return "images/benchmarks_growth.svg"


def draw_ratios(results, rivals, docs, work):
    """Bars: how many times longer each rival takes, at the size that most functions share."""
    counts = collections.Counter(size for (topic, _, _, size), row in results.items() if topic != "limit" and len(row) > 1)
    if not counts:
        return None
    size = max(counts, key=lambda item: (counts[item], leading_number(item)))
    chosen = [(key, row) for key, row in sorted_rows(results) if key[3] == size and key[2] == "float" and "gavel" in row and len(row) > 1]
    if not chosen:
        return None
    output = os.path.join(docs, "images", "benchmarks.svg")
    script = STYLE.format(width=max(560, 170 + 110 * len(chosen)), height=420, output=output)
    script += (f"set title 'Time of each rival over gavel, float, {size} elements'\nset style data histogram\nset style histogram clustered gap 1\n"
               "set style fill solid 0.9 border -1\nset logscale y\nset yrange [0.5:*]\nset ylabel 'times gavel'\nset xtics rotate by -25 scale 0\n"
               "set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#1b6ca8' lw 2\n")
    present = [who for who in rivals if any(who in row for _, row in chosen)]
    plots, blocks = [], []
    for index, who in enumerate(present):
        color = COLORS[(index + 1) % len(COLORS)]
        plots.append(f"'-' using 2:xtic(1) lc rgb '{color}' title '{who}'")
        body = []
        for key, row in chosen:
            label = key[1].replace("_", "\\\\_")
            body.append(f"\"{label}\" " + (f"{row[who] / row['gavel']:.4g}" if who in row else "NaN"))
        blocks.append("\n".join(body) + "\ne\n")
    script += "plot " + ", ".join(plots) + "\n" + "".join(blocks)
    run_gnuplot(script, work, "ratios")
    return "images/benchmarks.svg"


def machine_lines(context, arguments, peers):
    processor = platform.processor() or platform.machine()
    flags = set()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    processor = line.split(":", 1)[1].strip()
                elif line.startswith("flags"):
                    flags = set(line.split())
                    break
    except OSError:
        pass
    sets = [name for name, flag in (("AVX-512", "avx512f"), ("AVX2", "avx2"), ("FMA", "fma")) if flag in flags]
    return [
        f"- machine: {processor}, {context['num_cpus']} hardware threads of which one is used" + (f" ({', '.join(sets)})" if sets else ""),
        f"- compiler: {arguments.compiler}; flags: `{arguments.flags}`, no `-march`",
        f"- date: {datetime.date.today().isoformat()}",
        f"- rivals measured in the same run: {peers.get('found') or 'none'}",
    ] + ([f"- rivals skipped because they are not installed: {peers['skipped']}"] if peers.get("skipped") else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True)
    parser.add_argument("--peers")
    parser.add_argument("--compiler", default="unknown")
    parser.add_argument("--flags", default="unknown")
    parser.add_argument("--work", default=".", help="folder for scratch files")
    parser.add_argument("--docs", help="folder that receives benchmarks.md and images/; without it the table is only printed")
    arguments = parser.parse_args()

    peers = {}
    if arguments.peers and os.path.exists(arguments.peers):
        with open(arguments.peers, encoding="utf-8") as file:
            peers = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    context, results, ignored, errors = read_results(arguments.json)
    rivals = rivals_of(results)
    table = main_table(results, rivals)
    limits = limits_table(results)
    print("\n".join(table))
    if limits:
        print("\n" + "\n".join(limits))
    for name in ignored:
        print(f"ignored, not named topic/function/scalar/size/who: {name}", file=sys.stderr)
    for error in errors:
        print(f"failed: {error}", file=sys.stderr)
    if not arguments.docs:
        return 1 if errors else 0

    os.makedirs(os.path.join(arguments.docs, "images"), exist_ok=True)
    ratio_figure = growth_figure = None
    if shutil.which("gnuplot"):
        ratio_figure = draw_ratios(results, rivals, arguments.docs, arguments.work)
        growth_figure = draw_growth(growth_series(results), results, arguments.docs, arguments.work)
    else:
        print("gnuplot is not installed: the figures are left as they are", file=sys.stderr)

    page = ["# Benchmarks", "", "Written by `scripts/bench`; do not edit.", ""]
    page += machine_lines(context, arguments, peers)
    page += ["", "Each figure is the least CPU time of five repetitions. Behind a rival stands how many times longer it takes than gavel.", ""]
    if ratio_figure:
        page += [f"![time of each rival over gavel]({ratio_figure})", ""]
    page += table
    if limits:
        page += ["", "## Distance to the limits of the machine", "",
                 "A streaming read touches the same bytes once and adds them up; the other limit is the arithmetic of one exponential per element,",
                 "kept in registers. Behind each stands how many times longer gavel takes.", ""] + limits
    if growth_figure:
        page += ["", "## Growth with the size", "", f"![nanoseconds per element over the number of elements]({growth_figure})"]
    with open(os.path.join(arguments.docs, "benchmarks.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(page) + "\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
