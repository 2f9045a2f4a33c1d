#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the JSON of Google Benchmark into docs/benchmarks.md and its figures.

Benchmarks are named <topic>/<function>/<scalar>/<size>/<who>. `who` is gavel or a rival (std, eigen, torch, ...). A size begins with the
number of tokens and may carry one more number with a word ("32000x64nodes"). Names of the topic `limit` are what the machine can do at best:
`limit/read/byte/<bytes>/machine` reads so many bytes once, `limit/exp/<scalar>/<elements>/machine` does the arithmetic of one exponential
per element in registers. Counters of a benchmark: `bytes` and `exps` are what a call cannot do without, `sequences` is the size of a batch.

What a topic adds to the page stands in bench/<topic>/targets.json, every part optional:
  note      lines above the topic's table
  sizes     what its scalars and sizes are, told above the targets
  counters  {name: "plain" or "scientific"}: the counters that are printed
  rivals    {who: {"label": .., "figure": false}}: rivals that not every topic has; without the second the figure of ratios shows them
  targets   what is promised: what, benchmark (function/scalar/size), rule, needed, rival; `label` names the work of the rival, `figure`
            false keeps the benchmark out of the figure of ratios. Rules: "faster", `needed` times faster than the rival; "share", at most
            `needed` times the time of the rival (or of the function `of` with the same scalar and size); "time", at most `needed` ns;
            "counter", the counter `rival` is at most `needed`; "growth", at most `needed` times as long per element as at the size `rival`
  how       lines that say how the targets are reached
  growth    time per unit over the size: heading, unit, symbol, scalar, functions, rivals, note; with `panel`, a title, and `ticks` also a
            figure. Topics with the same heading share its table
  limits    true: every benchmark of the topic is set against the limits of the machine, not only those that count exponentials
  batches   lines above the table of batches

The figure of a benchmark is the least CPU time of its repetitions: on a shared machine the disturbed ones are only longer. A name may end in
Google Benchmark's own suffixes ("/iterations:..", "/real_time"); they are cut off.
Uses the standard library only; without gnuplot the tables are written and the figures left as they are.
"""

import argparse
import collections
import glob
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys

SUFFIX = re.compile(r"/(iterations:\d+|repeats:\d+|min_time:[^/]+|real_time|process_time|manual_time|threads:\d+)")
TO_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}

Measurement = collections.namedtuple("Measurement", "time median counters")
Key = collections.namedtuple("Key", "topic function scalar size")
Target = collections.namedtuple("Target", "key what rule needed rival label of figure")


class Topics:
    """What bench/*/targets.json say, in the order of their names."""

    def __init__(self, folder):
        self.parts = collections.OrderedDict()
        for path in sorted(glob.glob(os.path.join(folder, "*", "targets.json"))):
            with open(path, encoding="utf-8") as file:
                self.parts[os.path.basename(os.path.dirname(path))] = json.load(file)
        own_rivals = {who: rival for part in self.parts.values() for who, rival in part.get("rivals", {}).items()}
        # The order of the bars.
        rivals = {"std": {"label": "std"}, **own_rivals, "eigen": {"label": "Eigen"}, "torch": {"label": "torch"}}
        self.who = {"gavel": "gavel", **{who: rival["label"] for who, rival in rivals.items()}}
        self.bars = [who for who, rival in rivals.items() if rival.get("figure", True)]
        self.counters = {name: form for part in self.parts.values() for name, form in part.get("counters", {}).items()}
        self.targets = [self.target(topic, **target) for topic, part in self.parts.items() for target in part.get("targets", [])]
        self.growth = collections.OrderedDict()  # {heading: [(topic, growth)]}
        for topic, part in self.parts.items():
            if "growth" in part:
                self.growth.setdefault(part["growth"]["heading"], []).append((topic, part["growth"]))

    @staticmethod
    def target(topic, what, benchmark, rule, needed, rival=None, label=None, of=None, figure=True):
        if rule not in ("faster", "share", "time", "counter", "growth"):
            sys.exit(f"bench/{topic}/targets.json: \"{rule}\" is no rule")
        return Target(Key(topic, *benchmark.split("/")), what, rule, needed, rival, label, of, figure)

    def texts(self, name):
        """The text `name` of every topic that has one."""
        return {topic: "\n".join(part[name]) for topic, part in self.parts.items() if name in part}

    def grows(self, key):
        return any(topic == key.topic and key.function in growth["functions"] and key.scalar == growth["scalar"]
                   for parts in self.growth.values() for topic, growth in parts)


TOPICS = Topics(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))


def leading_number(size):
    match = re.match(r"\d+", size)
    return int(match.group()) if match else 0


def read_results(path):
    """{Key: {who: Measurement}} in the order of first appearance. Counters are those of the fastest repetition."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    entries = collections.OrderedDict()
    ignored, errors = set(), set()
    # The repetitions come in random order; families are numbered as they were registered.
    for entry in sorted(document["benchmarks"], key=lambda one: one.get("family_index", 0)):
        if entry.get("run_type") == "aggregate":
            continue
        name = SUFFIX.sub("", entry["name"])
        if entry.get("error_occurred"):
            errors.add(f"{name}: {entry.get('error_message', '')}")
            continue
        parts = name.split("/")
        if len(parts) != 5:
            ignored.add(name)
            continue
        entries.setdefault(Key(*parts[:4]), collections.OrderedDict()).setdefault(parts[4], []).append(entry)
    results = collections.OrderedDict()
    repetitions = 0
    for key, row in entries.items():
        for who, runs in row.items():
            times = [run["cpu_time"] * TO_NS[run["time_unit"]] for run in runs]
            fastest = runs[times.index(min(times))]
            counters = {name: fastest[name] for name in [*TOPICS.counters, "bytes", "exps", "sequences"] if name in fastest}
            results.setdefault(key, collections.OrderedDict())[who] = Measurement(min(times), statistics.median(times), counters)
            repetitions = max(repetitions, len(runs))
    return document["context"], results, repetitions, sorted(ignored), sorted(errors)


def show_time(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}" if ns < 1e3 * scale else f"{ns / scale:.0f} {unit}"
    return f"{ns:.3g} ns"


def show_ratio(ratio):
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x" if ratio < 100 else f"{ratio:.0f}x"


def show_size(size):
    match = re.fullmatch(r"(\d+)x(\d+)([a-z]+)", size)
    if match:
        return f"{int(match[1]):,}, {int(match[2])} {match[3]}"
    return f"{int(size):,}" if size.isdigit() else size


def show_counters(counters):
    def number(name, value):
        if TOPICS.counters[name] == "scientific":
            return f"{value:.1e}" if value else "0"
        return f"{value:.0f}" if value == round(value) else f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
    return ", ".join(f"{name} {number(name, counters[name])}" for name in TOPICS.counters if name in counters)


def markdown(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows]


def sorted_rows(results):
    first = {}
    for position, key in enumerate(results):
        first.setdefault(key[:3], position)

    def order(item):
        key = item[0]
        return first[key[:3]], [int(number) for number in re.findall(r"\d+", key.size)]
    return sorted(results.items(), key=order)


def judge(target, results, peers):
    """(what is needed, what was measured, met?) as text."""
    row = results.get(target.key, {})
    own = row.get("gavel")
    if target.rule == "time":
        needed = f"<= {show_time(target.needed)}"
        if own is None:
            return needed, "", "not measured"
        return needed, show_time(own.time), "yes" if own.time <= target.needed else "**no**"
    if target.rule == "counter":
        needed = f"<= {target.needed:.0e}"
        value = own.counters.get(target.rival) if own else None
        if value is None:
            return needed, "", "not measured"
        return needed, f"{value:.1e}", "yes" if value <= target.needed else "**no**"
    if target.rule == "growth":
        needed = f"<= {target.needed}x the time per step at {show_size(target.rival)}"
        small = results.get(target.key._replace(size=target.rival), {}).get("gavel")
        if own is None or small is None:
            return needed, "", "not measured"
        each, each_small = own.time / leading_number(target.key.size), small.time / leading_number(target.rival)
        met = each <= target.needed * each_small
        return needed, f"{show_ratio(each / each_small)} ({show_time(each)} against {show_time(each_small)})", "yes" if met else "**no**"
    if target.of:
        other, label = results.get(target.key._replace(function=target.of), {}).get(target.rival), f"`{target.of}`"
    else:
        other, label = row.get(target.rival), target.label or TOPICS.who[target.rival]
    needed = f">= {target.needed}x faster than {label}" if target.rule == "faster" else f"<= {target.needed}x the time of {label}"
    if own is None or other is None:
        skipped = target.rival in peers.get("skipped", "").lower()
        return needed, "", f"{TOPICS.who[target.rival]} skipped" if skipped else "not measured"
    ratio = other.time / own.time if target.rule == "faster" else own.time / other.time
    met = ratio >= target.needed if target.rule == "faster" else ratio <= target.needed
    return needed, f"{show_ratio(ratio)} ({show_time(own.time)} against {show_time(other.time)})", "yes" if met else "**no**"


def targets_table(results, peers, only_measured=False):
    rows = []
    for target in TOPICS.targets:
        needed, measured, met = judge(target, results, peers)
        if measured or not only_measured:
            rows.append([target.what, show_size(target.key.size), needed, measured, met])
    return markdown(["what", "size", "target", "measured", "met"], rows) if rows else []


def topic_table(results, topic):
    rows = [(key, row) for key, row in sorted_rows(results) if key.topic == topic and "gavel" in row]
    rivals = []
    for _, row in rows:
        rivals += [who for who in row if who != "gavel" and who not in rivals]
    counted = any(show_counters(row["gavel"].counters) for _, row in rows)
    lines = []
    for key, row in rows:
        own = row["gavel"]
        cells = [f"{show_ratio(row[who].time / own.time)} ({show_time(row[who].time)})" if who in row else "" for who in rivals]
        lines.append([f"`{key.function}`", key.scalar, show_size(key.size), show_time(own.time), show_time(own.median)] + cells +
                     ([show_counters(own.counters)] if counted else []))
    head = ["what", "scalar", "size", "gavel", "median"] + [TOPICS.who.get(who, who) for who in rivals] + (["counters"] if counted else [])
    return markdown(head, lines) if lines else []


class Limits:
    """What the machine can do at best."""

    def __init__(self, results):
        self.read_points = sorted((leading_number(key.size), row["machine"].time / leading_number(key.size))
                                  for key, row in results.items() if key.topic == "limit" and key.function == "read")
        self.exp_each = {key.scalar: row["machine"].time / leading_number(key.size) for key, row in results.items()
                         if key.topic == "limit" and key.function == "exp"}

    def read(self, size):
        """Nanoseconds to read so many bytes; between measured sizes the time per byte is interpolated, outside it is that of the nearest."""
        points = self.read_points
        if not points:
            return None
        if size <= points[0][0]:
            return size * points[0][1]
        for (left, slow), (right, fast) in zip(points, points[1:]):
            if size <= right:
                part = math.log(size / left) / math.log(right / left)
                return size * (slow + part * (fast - slow))
        return size * points[-1][1]

    def exp(self, scalar, count):
        each = self.exp_each.get("double" if scalar == "double" else "float")
        return each * count if each else None

    def of(self, key, measurement):
        """{limit: nanoseconds} for one benchmark."""
        counters = measurement.counters
        found = {"read": self.read(counters["bytes"]) if "bytes" in counters else None,
                 "exp": self.exp(key.scalar, counters["exps"]) if "exps" in counters else None}
        return {name: time for name, time in found.items() if time}


def growth_of(results, topic, growth, function, who="gavel"):
    return collections.OrderedDict((int(key.size), (key, row[who])) for key, row in sorted_rows(results)
                                   if key.topic == topic and key.function == function and key.scalar == growth["scalar"]
                                   and key.size.isdigit() and who in row)


def growth_sizes(results, parts):
    return sorted({size for topic, growth in parts for function in growth["functions"] for size in growth_of(results, topic, growth, function)})


def growth_table(results, parts):
    sizes = growth_sizes(results, parts)
    rows = []
    for topic, growth in parts:
        for function in growth["functions"]:
            for who in ["gavel", *growth["rivals"]]:
                points = growth_of(results, topic, growth, function, who)
                if len(points) >= 4:
                    cells = [f"{points[size][1].time / size:.3g}" if size in points else "" for size in sizes]
                    rows.append([f"`{function}`" + ("" if who == "gavel" else f", {TOPICS.who[who]}")] + cells)
    first = parts[0][1]
    return markdown([f"ns per {first['unit']}, {first['symbol']} ="] + [f"{size:,}" for size in sizes], rows) if rows else []


def limits_growth_table(results, limits, parts):
    sizes = growth_sizes(results, parts)
    rows = []
    for topic, growth in parts:
        for function in growth["functions"]:
            points = growth_of(results, topic, growth, function)
            if len(points) < 4:
                continue
            bounds = {size: limits.of(*point) for size, point in points.items()}
            for limit, label in (("read", "streaming read"), ("exp", "exponentials")):
                if any(limit in bound for bound in bounds.values()):
                    cells = [show_ratio(points[size][1].time / bounds[size][limit]) if limit in bounds.get(size, {}) else ""
                             for size in sizes]
                    rows.append([f"`{function}`", label] + cells)
    return markdown([f"time over limit, {parts[0][1]['symbol']} =", "limit"] + [f"{size:,}" for size in sizes], rows) if rows else []


def limits_table(results, limits):
    rows = []
    for key, row in sorted_rows(results):
        if key.topic == "limit" or "gavel" not in row or TOPICS.grows(key) or "sequences" in row["gavel"].counters:
            continue
        # Elsewhere are fits and searches, too: reading is the least of them.
        if "exps" not in row["gavel"].counters and not TOPICS.parts.get(key.topic, {}).get("limits"):
            continue
        bounds = limits.of(key, row["gavel"])
        if bounds:
            cells = [f"{show_ratio(row['gavel'].time / bounds[name])} ({show_time(bounds[name])})" if name in bounds else ""
                     for name in ("read", "exp")]
            rows.append([f"`{key.function}`", key.scalar, show_size(key.size), show_time(row["gavel"].time)] + cells)
    return markdown(["what", "scalar", "size", "gavel", "over streaming read", "over exponentials"], rows) if rows else []


def batch_table(results, limits):
    rows = []
    for key, row in sorted_rows(results):
        own = row.get("gavel")
        if own and "sequences" in own.counters:
            count = own.counters["sequences"]
            bounds = limits.of(key, own)
            cells = [show_ratio(own.time / bounds[name]) if name in bounds else "" for name in ("read", "exp")]
            rows.append([f"`{key.function}`", f"{leading_number(key.size):,}", f"{count:.0f}", show_time(own.time),
                         show_time(own.time / count), show_counters(own.counters)] + cells)
    head = ["what", "V", "sequences", "one call", "per sequence", "counters", "over streaming read", "over exponentials"]
    return markdown(head, rows) if rows else []


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
"""
COLORS = ["#1b6ca8", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#555555"]


def in_words(what):
    """What a target is about, without the names of functions."""
    return re.sub(r",?\s*`[^`]*`", "", what).strip(" ,")


def draw_growth(results, limits, docs, work):
    """A panel for each topic that asks for one: nanoseconds per unit over the size, and the limits below."""
    panels = []
    for topic, growth in (part for parts in TOPICS.growth.values() for part in parts):
        if "panel" not in growth:
            continue
        lines = []
        for index, function in enumerate(growth["functions"]):
            points = growth_of(results, topic, growth, function)
            if len(points) < 4:
                continue
            label = function.replace("without_replacement", "w/o replacement").replace("_", " ")
            color = COLORS[index % len(COLORS)]
            lines.append((label, f"linespoints pt 7 ps 0.5 lw 2.5 lc rgb '{color}'", points))
            for who in growth["rivals"]:
                others = growth_of(results, topic, growth, function, who)
                if len(others) >= 4:
                    lines.append((f"{label}, {TOPICS.who[who]}", f"lines dt 3 lw 1.8 lc rgb '{color}'", others))
        if lines:
            panels.append((topic, growth, lines))
    if not panels:
        return None
    script = STYLE.format(width=520 * len(panels), height=520, output=os.path.join(docs, "images", "benchmarks_growth.svg"))
    script += f"set multiplot layout 1,{len(panels)}\nset logscale xy\nset key below maxcols 2 samplen 2 reverse Left\n"
    for topic, growth, lines in panels:
        plots, blocks = [], []
        shown = [(label, style, [(size, point.time / size) for size, (_, point) in points.items()]) for label, style, points in lines]
        # The bound of the panel's first function is that of its neighbours: the same rows are read.
        for name, label, style in (("read", "limit: streaming read", "lines dt 2 lw 1.5 lc rgb '#999999'"),
                                   ("exp", "limit: exponentials", "lines dt 4 lw 1.5 lc rgb '#444444'")):
            points = growth_of(results, topic, growth, growth["functions"][0])
            bounds = [(size, limits.of(*point)[name] / size) for size, point in points.items() if name in limits.of(*point)]
            if bounds:
                shown.append((label, style, bounds))
        for label, style, points in shown:
            plots.append(f"'-' using 1:2 with {style} title '{label}'")
            blocks.append("\n".join(f"{size} {value:.6g}" for size, value in points) + "\ne\n")
        ticks = growth["ticks"]
        script += (f"set xlabel '{growth['symbol']}'\nset ylabel 'ns per {growth['unit']}'\n"
                   f"set xrange [{ticks[0] / 1.2:.0f}:{ticks[-1] * 1.2:.0f}]\n"
                   "set xtics (" + ", ".join(f"'{size:,}' {size}" for size in ticks) + ")\n")
        script += f"set title '{growth['panel']}'\nplot " + ", ".join(plots) + "\n" + "".join(blocks)
    script += "unset multiplot\n"
    run_gnuplot(script, work, "growth")
    return "images/benchmarks_growth.svg"


def draw_ratios(results, docs, work):
    """Bars, each with its label: how many times longer each rival takes, for what has a target and such a rival."""
    chosen = {}
    for target in TOPICS.targets:
        row = results.get(target.key, {})
        if target.figure and "gavel" in row and any(who in row for who in TOPICS.bars):
            chosen.setdefault(target.key, target.what)
    if not chosen:
        return None
    bars, labels, names, y, least = {}, [], [], 0.0, 1.0
    for key, what in chosen.items():
        top = y
        for who in (who for who in TOPICS.bars if who in results[key]):
            ratio = results[key][who].time / results[key]["gavel"].time
            least = min(least, ratio)
            bars.setdefault(who, []).append(f"1 {y} {min(ratio, 1):.4g} {max(ratio, 1):.4g} {y - 0.4} {y + 0.4}")
            labels.append(f"set label \"{show_ratio(ratio)} {TOPICS.who[who]}\" at {max(ratio, 1) * 1.06:.4g},{y} left font 'sans,13'\n")
            y += 1
        names.append(f"\"{in_words(what).replace('%', '%%')}\" {(top + y - 1) / 2}")
        y += 0.6
    script = STYLE.format(width=830, height=int(70 + 24 * y), output=os.path.join(docs, "images", "benchmarks.svg"))
    script += ("set title 'How many times as long as gavel each rival takes, one thread'\nunset key\nset style fill solid 0.9 noborder\n"
               f"set logscale x\nset xrange [{least:.4g}:*]\nset autoscale xfixmax\nset rmargin 16\nset yrange [{y - 0.6}:-0.8]\nunset grid\n"
               "set xtics (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)\nset grid xtics lc rgb '#dddddd'\nset ytics scale 0 (" + ", ".join(names) + ")\n" +
               "".join(labels))
    plots = [f"'-' using 1:2:3:4:5:6 with boxxyerror lc rgb '{COLORS[(TOPICS.bars.index(who) + 1) % len(COLORS)]}'" for who in bars]
    script += "plot " + ", ".join(plots) + "\n" + "".join("\n".join(lines) + "\ne\n" for lines in bars.values())
    run_gnuplot(script, work, "ratios")
    return "images/benchmarks.svg"


def show_bytes(size):
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def machine_lines(context, arguments, peers):
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    processor = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    caches = [f"{show_bytes(cache['size'])} L{cache['level']}" for cache in context.get("caches", []) if cache.get("type") in ("Data", "Unified")]
    return [
        f"- machine: {processor}" + (f"; caches {', '.join(caches)}" if caches else "") + "; one thread",
        f"- compiler: {arguments.compiler}; flags: `{arguments.flags}`, no `-march`; path that gavel chose at run time: "
        f"{context.get('gavel_path', 'unknown')}",
        f"- date: {context['date'][:10]}",
        f"- rivals measured in the same run: {peers.get('found') or 'none'}",
        f"- rivals skipped because they are not installed: {peers.get('skipped') or 'none'}",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True)
    parser.add_argument("--peers")
    parser.add_argument("--compiler", default="unknown")
    parser.add_argument("--flags", default="unknown")
    parser.add_argument("--work", default=".", help="folder for scratch files")
    parser.add_argument("--docs", help="folder that receives benchmarks.md and images/; without it the tables are only printed")
    arguments = parser.parse_args()

    peers = {}
    if arguments.peers and os.path.exists(arguments.peers):
        with open(arguments.peers, encoding="utf-8") as file:
            peers = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    context, results, repetitions, ignored, errors = read_results(arguments.json)
    limits = Limits(results)
    topics = sorted({key.topic for key in results} - {"limit"})
    tables = {topic: topic_table(results, topic) for topic in topics}
    growth = {heading: growth_table(results, parts) for heading, parts in TOPICS.growth.items()}
    growth_limits = [limits_growth_table(results, limits, parts) for parts in TOPICS.growth.values()]
    other_limits, batches = limits_table(results, limits), batch_table(results, limits)
    for table in (targets_table(results, peers, only_measured=True), *tables.values(), *growth.values(), *growth_limits, other_limits, batches):
        if table:
            print("\n".join(table) + "\n")
    for name in ignored:
        print(f"ignored, not named topic/function/scalar/size/who: {name}", file=sys.stderr)
    for error in errors:
        print(f"failed: {error}", file=sys.stderr)
    if not arguments.docs:
        return 1 if errors else 0

    os.makedirs(os.path.join(arguments.docs, "images"), exist_ok=True)
    ratio_figure = growth_figure = None
    if shutil.which("gnuplot"):
        ratio_figure = draw_ratios(results, arguments.docs, arguments.work)
        growth_figure = draw_growth(results, limits, arguments.docs, arguments.work)
    else:
        print("gnuplot is not installed: the figures are left as they are", file=sys.stderr)

    page = ["# Benchmarks", "", "Written by `scripts/bench`; do not edit.", ""]
    page += machine_lines(context, arguments, peers)
    page += ["", f"Each figure is the least CPU time of {repetitions} repetitions: on a shared machine the disturbed ones are only longer. The",
             "median stands beside it in the tables of all measurements.", "", "## Targets", "",
             "All figures of a row are from the same run. Scalar and size: " +
             "; ".join(f"{topic} {part['sizes']}" for topic, part in TOPICS.parts.items() if "sizes" in part) + ".", ""]
    page += targets_table(results, peers) + [""]
    for text in TOPICS.texts("how").values():
        page += [text, ""]
    if ratio_figure:
        page += [f"![time of each rival over gavel]({ratio_figure})", ""]
    for heading, parts in TOPICS.growth.items():
        if growth[heading]:
            notes = "\n".join(line for _, part in parts for line in part.get("note", []))
            page += [f"## {heading}", "", f"Nanoseconds per {parts[0][1]['unit']}. {notes}".rstrip(), "", *growth[heading], ""]
            if growth_figure and any("panel" in part for _, part in parts):
                page += [f"![nanoseconds per unit over the size]({growth_figure})", ""]
                growth_figure = None
    if any(growth_limits) or other_limits:
        page += ["## Distance to the limits of the machine", "",
                 "How many times longer gavel takes than what a call cannot do without: a streaming read of its input (one row, or p and q;",
                 "what is written is not counted), and the arithmetic of its exponentials, kept in registers: 10 fused multiply-adds for a",
                 "float, 16 for a double. The read is measured from 16 KiB to 64 MiB, all of it warm in whatever cache holds it; between those",
                 "sizes the time per byte is interpolated, beyond them it is that of the nearest.", ""]
        for table in (*growth_limits, other_limits):
            page += table + [""] if table else []
    if batches:
        page += ["## Batches", "", *TOPICS.texts("batches").values(), "", *batches, ""]
    page += ["## All measurements", "", "Behind a rival stands its time, before it how many times longer it takes than gavel.", ""]
    notes = TOPICS.texts("note")
    for topic in topics:
        if tables[topic]:
            page += [f"### {topic}", ""] + ([notes[topic], ""] if topic in notes else []) + tables[topic] + [""]
    with open(os.path.join(arguments.docs, "benchmarks.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(page).rstrip("\n") + "\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
