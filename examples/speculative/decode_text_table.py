# SPDX-License-Identifier: MIT
"""README's table of verifiers, from the CSV of decode_text (scripts/demo)."""


def number(text, digits):
    return f"{float(text):.{digits}f}" if text else ""


def table(rows):
    tested = [float(row["p_value"]) for row in rows if row["kind"] != "control"]
    smallest = min(tested)
    control = next(float(row["p_value"]) for row in rows if row["kind"] == "control")
    lines = ["~: no closed form; one position: estimated with the earlier drafts drawn, decoding: measured. p-value: the probability that an exact",
             f"verifier strays at least that far from the target's law. Of {len(tested)} exact rows, all tested, the smallest is {smallest:.2g}; a draft that nobody",
             f"verifies gets {control:.0g}.", "",
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
