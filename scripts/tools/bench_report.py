#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the JSON of Google Benchmark into docs/benchmarks.md and its figures.

Benchmarks are named <topic>/<function>/<scalar>/<size>/<who>. `who` is gavel or a rival (std, eigen, torch, ...). A size begins with the
number of tokens and may carry one more number with a word ("32000x64nodes"). Names of the topic `limit` are what the machine can do at best:
`limit/read/byte/<bytes>/machine` reads so many bytes once, `limit/exp/<scalar>/<elements>/machine` does the arithmetic of one exponential
per element in registers. Counters of a benchmark: `bytes` and `exps` are what a call cannot do without, `sequences` is the size of a batch,
and those of SHOWN_COUNTERS are printed.
The figure of a benchmark is the least CPU time of its repetitions: on a shared machine the disturbed ones are only longer. A name may end in
Google Benchmark's own suffixes ("/iterations:..", "/real_time"); they are cut off.
Uses the standard library only; without gnuplot the tables are written and the figures left as they are.
"""

import argparse
import collections
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
SHOWN_COUNTERS = ("accepted", "rate", "optimum", "gap", "groups", "evaluations")
WHO = {"hand": "by hand", "std": "std", "std_sort": "std::sort", "eigen": "Eigen", "torch": "torch", "gavel": "gavel"}

Measurement = collections.namedtuple("Measurement", "time median counters")
Key = collections.namedtuple("Key", "topic function scalar size")
# A target: `needed` times faster than `rival`, or at most `needed` times the time of `rival`, or at most `needed` of time or counter, or at
# most `needed` times as long per element as at the size `rival`.
Target = collections.namedtuple("Target", "key rule needed rival what")


def kernel(function):
    return Key("kernels", function, "float", "131072")


def speculative(function, size):
    return Key("speculative", function, "float", size)


def schedule(function, size):
    return Key("schedule", function, "double", size)


LOG_SUM_EXP = (kernel("log_sum_exp"), "gavel")
TARGETS = [
    Target(kernel("log_sum_exp"), "faster", 10, "std", "`log_sum_exp`"),
    Target(kernel("log_sum_exp"), "faster", 6, "eigen", "`log_sum_exp`"),
    Target(kernel("log_sum_exp"), "faster", 2.2, "torch", "`log_sum_exp`"),
    Target(kernel("softmax"), "faster", 6, "std", "`softmax`"),
    Target(kernel("softmax"), "faster", 1.6, "torch", "`softmax`"),
    Target(kernel("sample_logits"), "share", 1.5, LOG_SUM_EXP, "one token from logits, `sample_logits`"),
    Target(kernel("sample_logits"), "faster", 20, "torch", "one token from logits, `sample_logits`"),
    Target(kernel("top_k50"), "faster", 3, "torch", "`top_k`, k = 50"),
    Target(speculative("verify_chain5_logits", "128256"), "faster", 5, "torch",
           "chain of 5 drafts, both sides logits, `verify_chain`"),
    Target(speculative("verify_chain5_probs", "128256"), "faster", 8, "torch",
           "chain of 5 drafts, draft as probabilities, `verify_chain`"),
    Target(speculative("optimal_acceptance_iid", "131072"), "share", 0.5, "std_sort",
           "`optimal_acceptance`, independent drafts, n = 4"),
    Target(speculative("optimal_acceptance_without_replacement", "32000"), "time", 6e6, None,
           "`optimal_acceptance`, without replacement, n = 8"),
    Target(speculative("optimal_iid", "32000"), "time", 5e6, None, "`optimal_iid`, n = 4, fit and verdict"),
    Target(speculative("optimal_iid", "32000"), "counter", 1e-6, "gap", "`optimal_iid`, n = 4, gap to the optimum"),
    Target(schedule("rate_linear", "1000000"), "share", 1.1, "hand", "one rate, linear decay"),
    Target(schedule("rate_rex", "1000000"), "share", 1.1, "hand", "one rate, REX"),
    Target(schedule("rate_cosine", "1000000"), "share", 1.1, "hand", "one rate, cosine"),
    Target(schedule("rate_step_decay", "1000000"), "share", 1.1, "hand", "one rate, steps at 30-60-90 %"),
    Target(schedule("rate_warmup_rex", "1000000"), "share", 1.1, "hand", "one rate, warm-up then REX"),
    Target(schedule("rate_wsd_one_minus_sqrt", "1000000"), "share", 1.1, "hand", "one rate, warm-up, stable, 1 - sqrt decay"),
    Target(schedule("fill_linear", "10000000"), "time", 1e8, None, "a table of rates, `fill`, linear decay"),
    Target(schedule("fill_rex", "10000000"), "time", 1e8, None, "a table of rates, `fill`, REX"),
    Target(schedule("refined_rates", "10000000"), "growth", 2, "10000", "refined schedule, `refined_rates`"),
    Target(schedule("last_iterate_bound", "10000000"), "growth", 2, "10000", "bound of a schedule, `last_iterate_bound`"),
    Target(schedule("fit_annealing_law", "40"), "time", 1e8, None, "`fit_annealing_law`, two curves of 20,000 steps"),
    Target(schedule("fit_annealing_law_huber", "40"), "time", 1e8, None, "the same, multi-start Huber fit"),
]
RIVAL_WORK = {
    ("log_sum_exp", "std"): "the plain `std::exp` loop", ("softmax", "std"): "the plain `std::exp` loop",
    ("sample_logits", "torch"): "torch softmax and multinomial", ("top_k50", "torch"): "`torch.topk`",
    ("verify_chain5_logits", "torch"): "the same in torch operations", ("verify_chain5_probs", "torch"): "the same in torch operations",
    ("optimal_acceptance_iid", "std_sort"): "`std::sort` of the V ratios",
}
GROWTH = ["log_sum_exp", "softmax", "sample_logits", "top_k50",
          "optimal_acceptance_iid", "optimal_acceptance_without_replacement", "optimal_iid"]
RUN_GROWTH = ["refined_rates", "last_iterate_bound", "last_iterate_bound_gradient", "refine", "annealing_areas"]

# In the order of the page.
TOPIC_NOTES = {
    "kernels": "One row of V elements.",
    "speculative": "Rows as a language model gives them, long-tailed, with a draft model near the target; the source files say exactly how.",
    "core": "One call. `std` is the Mersenne Twister with the standard distributions; its `discrete_distribution` keeps cumulative sums,\n"
            "which are quicker to build and slower to draw from than an alias table. `median_filter`: a window of so many samples over\n"
            "1,000,000; `std` selects the middle of every window anew with `std::nth_element`.",
    "schedule": "`rate_*`: one rate of a run of so many steps; `fill_*`: all of them. `by hand` is the closed form of that one schedule,\n"
                "minimum + (base - minimum) rho(t / T), without a clamp; torch is its `StepLR`, one `step()` and one read of the rate.\n"
                "`std` fills the table with one number: the limit of writing.\n"
                "`refine` smooths the log of gradient norms by a running median over a tenth of the run, which is why it grows faster than\n"
                "linearly. The fits start from the rates of every step; their size is the number of losses.",
}

HOW_TARGETS_ARE_REACHED = """\
How `log_sum_exp`, `sample_logits` and `verify_chain` are reached: a row of logits comes from memory once. It is taken in chunks that stay
in the first-level cache; each chunk gives its largest logit and the sum of its exponentials against that, and the chunks are joined at the
end. `sample_logits` keeps the sums of the chunks, picks a chunk by its one uniform and looks again at that chunk alone. `verify_chain`
needs of each row its normaliser and one probability, so no softmax is ever written.

How `optimal_acceptance` does without the sort: the set that limits acceptance is a prefix of the tokens in ascending order of p/q, and a
textbook implementation sorts all V ratios to find it. Here one streaming pass adds p and q into bins, 32 for each factor of two, whose
number is the upper bits of p/q as a float; four interleaved copies of the histogram keep additions to one bin from waiting for each other.
That gives the value P(H) + 1 - Q(H) at the end of every bin. Inside a bin P and Q are convex in q(H), so P lies above its end tangents and
Q below its chord, which bounds the value from below: only the bins whose bound is below the best value so far can hold the minimum. Their
tokens, few or none, are gathered in a second pass, split into finer bins by the same rule, and sorted in groups of at most 48. The result
is the minimum, exact to rounding. Without replacement the same bound decides for which prefixes Q(H), an integral, has to be computed.

What a rate costs: the profile, the sampling and the convention are types, so the compiler sees one expression; the cosine is a polynomial
of half the degree that a general cosine needs. The steps at 30-60-90 % are compared with three nested conditions; a list whose length is
known at run time only takes up to one cycle more, which nothing hides in a rate of one nanosecond; a whole table costs the same."""


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
            counters = {name: fastest[name] for name in SHOWN_COUNTERS + ("bytes", "exps", "sequences") if name in fastest}
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
        if name == "gap":
            return f"{value:.1e}" if value else "0"
        return f"{value:.0f}" if value == round(value) else f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
    return ", ".join(f"{name} {number(name, counters[name])}" for name in SHOWN_COUNTERS if name in counters)


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
    if isinstance(target.rival, tuple):
        other, label = results.get(target.rival[0], {}).get(target.rival[1]), f"`{target.rival[0].function}`"
    else:
        other = row.get(target.rival)
        label = RIVAL_WORK.get((target.key.function, target.rival), WHO[target.rival])
    needed = f">= {target.needed}x faster than {label}" if target.rule == "faster" else f"<= {target.needed}x the time of {label}"
    if own is None or other is None:
        skipped = isinstance(target.rival, str) and target.rival in peers.get("skipped", "").lower()
        return needed, "", f"{WHO[target.rival]} skipped" if skipped else "not measured"
    ratio = other.time / own.time if target.rule == "faster" else own.time / other.time
    met = ratio >= target.needed if target.rule == "faster" else ratio <= target.needed
    return needed, f"{show_ratio(ratio)} ({show_time(own.time)} against {show_time(other.time)})", "yes" if met else "**no**"


def targets_table(results, peers, only_measured=False):
    rows = []
    for target in TARGETS:
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
    head = ["what", "scalar", "size", "gavel", "median"] + [WHO.get(who, who) for who in rivals] + (["counters"] if counted else [])
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


def growth_of(results, function, who, scalar="float"):
    return collections.OrderedDict((int(key.size), (key, row[who])) for key, row in sorted_rows(results)
                                   if key.function == function and key.scalar == scalar and key.size.isdigit() and who in row)


def growth_sizes(results):
    sizes = {size for function in GROWTH for size in growth_of(results, function, "gavel")}
    return sorted(sizes)


def growth_table(results):
    sizes = growth_sizes(results)
    rows = []
    for function in GROWTH:
        for who in ("gavel", "std", "std_sort"):
            points = growth_of(results, function, who)
            if len(points) >= 4:
                cells = [f"{points[size][1].time / size:.3g}" if size in points else "" for size in sizes]
                rows.append([f"`{function}`" + ("" if who == "gavel" else f", {WHO[who]}")] + cells)
    return markdown(["ns per token, V ="] + [f"{size:,}" for size in sizes], rows) if rows else []


def run_growth_table(results):
    found = {function: growth_of(results, function, "gavel", "double") for function in RUN_GROWTH}
    sizes = sorted({size for points in found.values() for size in points})
    rows = [[f"`{function}`"] + [f"{points[size][1].time / size:.3g}" if size in points else "" for size in sizes]
            for function, points in found.items() if len(points) >= 2]
    return markdown(["ns per step, T ="] + [f"{size:,}" for size in sizes], rows) if rows else []


def limits_growth_table(results, limits):
    sizes = growth_sizes(results)
    rows = []
    for function in GROWTH:
        points = growth_of(results, function, "gavel")
        if len(points) < 4:
            continue
        bounds = {size: limits.of(*point) for size, point in points.items()}
        for limit, label in (("read", "streaming read"), ("exp", "exponentials")):
            if any(limit in bound for bound in bounds.values()):
                cells = [show_ratio(points[size][1].time / bounds[size][limit]) if limit in bounds.get(size, {}) else ""
                         for size in sizes]
                rows.append([f"`{function}`", label] + cells)
    return markdown(["time over limit, V =", "limit"] + [f"{size:,}" for size in sizes], rows) if rows else []


def limits_table(results, limits):
    rows = []
    for key, row in sorted_rows(results):
        grows = key.function in GROWTH and key.scalar == "float"
        if key.topic == "limit" or "gavel" not in row or grows or "sequences" in row["gavel"].counters:
            continue
        if key.topic != "kernels" and "exps" not in row["gavel"].counters:  # fits and searches: reading is the least of it
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


def escape_label(text):
    return text.replace("_", "\\\\_")


def draw_growth(results, limits, docs, work):
    """Two panels, kernels and speculative: nanoseconds per token over V, and the limits below."""
    panels = []
    for title, functions, rivals in (("one row of logits", GROWTH[:4], ("std",)), ("optimal verification", GROWTH[4:], ("std_sort",))):
        lines = []
        for index, function in enumerate(functions):
            points = growth_of(results, function, "gavel")
            if len(points) < 4:
                continue
            label = function.replace("without_replacement", "w/o replacement").replace("_", " ")
            lines.append((label, f"linespoints pt 7 ps 0.5 lw 2.5 lc rgb '{COLORS[index]}'", points))
            for who in rivals:
                others = growth_of(results, function, who)
                if len(others) >= 4:
                    lines.append((f"{label}, {WHO[who]}", f"lines dt 3 lw 1.8 lc rgb '{COLORS[index]}'", others))
        if lines:
            panels.append((title, functions, lines))
    if not panels:
        return None
    script = STYLE.format(width=520 * len(panels), height=520, output=os.path.join(docs, "images", "benchmarks_growth.svg"))
    script += (f"set multiplot layout 1,{len(panels)}\nset logscale xy\nset xlabel 'V'\nset ylabel 'ns per token'\n"
               "set key below maxcols 2 samplen 2 reverse Left\nset xrange [3500:1300000]\n"
               "set xtics (" + ", ".join(f"'{size:,}' {size}" for size in (4096, 32000, 131072, 1048576)) + ")\n")
    for title, functions, lines in panels:
        plots, blocks = [], []
        shown = [(label, style, [(size, point.time / size) for size, (_, point) in points.items()]) for label, style, points in lines]
        # The bound of the panel's first function is that of its neighbours: the same rows are read.
        for name, label, style in (("read", "limit: streaming read", "lines dt 2 lw 1.5 lc rgb '#999999'"),
                                   ("exp", "limit: exponentials", "lines dt 4 lw 1.5 lc rgb '#444444'")):
            points = growth_of(results, functions[0], "gavel")
            bounds = [(size, limits.of(*point)[name] / size) for size, point in points.items() if name in limits.of(*point)]
            if bounds:
                shown.append((label, style, bounds))
        for label, style, points in shown:
            plots.append(f"'-' using 1:2 with {style} title '{label}'")
            blocks.append("\n".join(f"{size} {value:.6g}" for size, value in points) + "\ne\n")
        script += f"set title '{title}'\nplot " + ", ".join(plots) + "\n" + "".join(blocks)
    script += "unset multiplot\n"
    run_gnuplot(script, work, "growth")
    return "images/benchmarks_growth.svg"


RIVALS = ("std", "std_sort", "eigen", "torch")  # closed forms by hand take as long as gavel: the table of targets says enough


def draw_ratios(results, docs, work):
    """Bars: how many times longer each rival takes, for the functions that have a target and such a rival."""
    chosen = []
    for target in TARGETS:
        row = results.get(target.key, {})
        if target.key not in chosen and "gavel" in row and any(who in row for who in RIVALS) and not target.key.function.startswith("fill_"):
            chosen.append(target.key)
    if not chosen:
        return None
    present = [who for who in RIVALS if any(who in results[key] for key in chosen)]
    script = STYLE.format(width=max(560, 170 + 110 * len(chosen)), height=440, output=os.path.join(docs, "images", "benchmarks.svg"))
    script += ("set key outside right top reverse Left samplen 2\nset title 'Time of each rival over gavel, one thread'\n"
               "set style data histogram\nset style histogram clustered gap 1\n"
               "set style fill solid 0.9 border -1\nset logscale y\nset yrange [0.5:*]\nset ylabel 'times gavel'\n"
               "set xtics rotate by -25 scale 0\n"
               "set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#1b6ca8' lw 2\n")
    plots, blocks = [], []
    for index, who in enumerate(present):
        plots.append(f"'-' using 2:xtic(1) lc rgb '{COLORS[(index + 1) % len(COLORS)]}' title '{WHO[who]}'")
        body = []
        for key in chosen:
            row = results[key]
            body.append(f"\"{escape_label(key.function)}\" " + (f"{row[who].time / row['gavel'].time:.4g}" if who in row else "NaN"))
        blocks.append("\n".join(body) + "\ne\n")
    script += "plot " + ", ".join(plots) + "\n" + "".join(blocks)
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
    topics = sorted({key.topic for key in results} - {"limit"}, key=lambda topic: (list(TOPIC_NOTES) + [topic]).index(topic))
    tables = {topic: topic_table(results, topic) for topic in topics}
    run_growth = run_growth_table(results)
    growth, growth_limits = growth_table(results), limits_growth_table(results, limits)
    other_limits, batches = limits_table(results, limits), batch_table(results, limits)
    for table in (targets_table(results, peers, only_measured=True), *tables.values(), growth, run_growth, growth_limits, other_limits, batches):
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
             "All figures of a row are from the same run. The scalar is float, and double for schedules; a size is a vocabulary, or the steps of a run.", ""]
    page += targets_table(results, peers) + ["", HOW_TARGETS_ARE_REACHED, ""]
    if ratio_figure:
        page += [f"![time of each rival over gavel]({ratio_figure})", ""]
    if growth:
        page += ["## Growth with the vocabulary", "",
                 "Nanoseconds per token. `optimal_acceptance` is measured with 4 independent drafts and with 8 drafts without replacement,",
                 "`optimal_iid` with 4 drafts, fit and verdict. `std::sort` meets the same ratios in every call; at a small V the branch",
                 "predictor learns them, which flatters it.", ""] + growth + [""]
    if growth_figure:
        page += [f"![nanoseconds per token over the size of the vocabulary]({growth_figure})", ""]
    if run_growth:
        page += ["## Growth with the length of a run", "",
                 "Nanoseconds per step. Past some 100,000 steps the arrays no longer fit the second-level cache.", ""] + run_growth + [""]
    if growth_limits or other_limits:
        page += ["## Distance to the limits of the machine", "",
                 "How many times longer gavel takes than what a call cannot do without: a streaming read of its input (one row, or p and q;",
                 "what is written is not counted), and the arithmetic of its exponentials, kept in registers: 10 fused multiply-adds for a",
                 "float, 16 for a double. The read is measured from 16 KiB to 64 MiB, all of it warm in whatever cache holds it; between those",
                 "sizes the time per byte is interpolated, beyond them it is that of the nearest.", ""]
        page += (growth_limits + [""] if growth_limits else []) + (other_limits + [""] if other_limits else [])
    if batches:
        page += ["## Batches", "", "`verify_chains`, 5 drafts for each sequence, every draft stands, so all 11 rows of a sequence are read.", ""]
        page += batches + [""]
    page += ["## All measurements", "", "Behind a rival stands its time, before it how many times longer it takes than gavel.", ""]
    for topic in topics:
        if tables[topic]:
            page += [f"### {topic}", ""] + ([TOPIC_NOTES[topic], ""] if topic in TOPIC_NOTES else []) + tables[topic] + [""]
    with open(os.path.join(arguments.docs, "benchmarks.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(page).rstrip("\n") + "\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
