// SPDX-License-Identifier: MIT
#pragma once

#include "support/gnuplot.hpp"
#include "support/output.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// @file
/// One row of results and its four forms: a table for people, JSON for programs, CSV for both, and a figure.

namespace examples {

struct table_row {
  std::string kind;  ///< "position" (n drafts for one token), "decoding" (text, several tokens per call) or "control"
  std::string law;   ///< how drafts are drawn
  std::string verifier;
  std::size_t drafts = 0;                  ///< drafted tokens per target call
  std::size_t positions = 0;               ///< rows of the two models, or target calls
  std::size_t samples = 0;                 ///< emitted tokens that were tested
  double acceptance = 0.0;                 ///< measured: accepted calls for one token, accepted drafts of the longest path when decoding
  double acceptance_error = 0.0;           ///< standard error of the above
  std::optional<double> acceptance_exact;  ///< mean of the closed form over the same positions
  std::optional<double> acceptance_given_drafts;  ///< where there is none: mean of the exact acceptance given drawn earlier drafts
  std::optional<double> optimum;                  ///< mean of the best possible acceptance under this draft law
  double tokens_per_call = 0.0;
  double prepare_us = 0.0;  ///< work before the drafts are known, per position
  double verify_us = 0.0;   ///< work on given drafts, per verdict
  double us_per_token = 0.0;
  double p_value = 1.0;  ///< of the test that the outputs follow the target

  [[nodiscard]] std::optional<double> gap() const {
    if (!optimum) return std::nullopt;
    return *optimum - best_acceptance();
  }
  /// The least noisy of the numbers above.
  [[nodiscard]] double best_acceptance() const { return acceptance_exact.value_or(acceptance_given_drafts.value_or(acceptance)); }
};

/// A number with @p digits decimals, or a dash.
[[nodiscard]] inline std::string cell_text(std::optional<double> value, int digits) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, *value == 0.0 || std::fabs(*value) < 0.5 * std::pow(10.0, -digits) ? 0.0 : *value);
  return text;
}

/// A heading for each way of drafting, its verifiers below; at most 100 columns.
inline void print_rows(std::span<const table_row> rows) {
  constexpr const char* head = "%-27s %2s %8s %8s %7s %8s %7s %8s %8s\n";
  std::printf(head, "drafts drawn", "", "", "", "", "", "tokens", "us", "");
  std::printf(head, "  verifier", "n", "accepted", "exact", "optimum", "gap", "/call", "/token", "p-value");
  const table_row* above = nullptr;
  for (const table_row& row : rows) {
    if (above == nullptr || above->kind != row.kind) std::printf("\n");
    if (above == nullptr || above->kind != row.kind || above->law != row.law) std::printf("%s\n", row.law.c_str());
    const bool sampled = !row.acceptance_exact && row.acceptance_given_drafts;
    const std::string exact = sampled ? "~" + cell_text(row.acceptance_given_drafts, 4) : cell_text(row.acceptance_exact, 4);
    const std::string gap = (sampled && row.optimum ? "~" : "") + cell_text(row.gap(), 4);
    std::printf("  %-25s %2zu %8.4f %8s %7s %8s %7.3f %8.1f %8.2g\n", row.verifier.c_str(), row.drafts, row.acceptance, exact.c_str(),
                cell_text(row.optimum, 4).c_str(), gap.c_str(), row.tokens_per_call, row.us_per_token, row.p_value);
    above = &row;
  }
}

[[nodiscard]] inline nlohmann::json to_json(const table_row& row) {
  const auto optional = [](const std::optional<double>& value) { return value ? nlohmann::json(*value) : nlohmann::json(nullptr); };
  return {{"kind", row.kind},
          {"law", row.law},
          {"verifier", row.verifier},
          {"n", row.drafts},
          {"positions", row.positions},
          {"samples", row.samples},
          {"acceptance", row.acceptance},
          {"acceptance_standard_error", row.acceptance_error},
          {"acceptance_exact", optional(row.acceptance_exact)},
          {"acceptance_given_drafts", optional(row.acceptance_given_drafts)},
          {"optimum", optional(row.optimum)},
          {"gap", optional(row.gap())},
          {"tokens_per_target_call", row.tokens_per_call},
          {"prepare_microseconds", row.prepare_us},
          {"verify_microseconds", row.verify_us},
          {"microseconds_per_token", row.us_per_token},
          {"p_value", row.p_value}};
}

[[nodiscard]] inline std::string to_csv(std::span<const table_row> rows) {
  csv_writer csv(
      "kind,law,verifier,n,positions,samples,acceptance,acceptance_standard_error,acceptance_exact,acceptance_given_drafts,optimum,gap,"
      "tokens_per_target_call,prepare_microseconds,verify_microseconds,microseconds_per_token,p_value");
  for (const table_row& row : rows) {
    csv.row(row.kind, quoted(row.law), quoted(row.verifier), row.drafts, row.positions, row.samples, real(row.acceptance),
            real(row.acceptance_error), real(row.acceptance_exact), real(row.acceptance_given_drafts), real(row.optimum), real(row.gap()),
            real(row.tokens_per_call), real(row.prepare_us), real(row.verify_us), real(row.us_per_token), real(row.p_value));
  }
  return csv.text();
}

struct figure_line {
  std::string verifier;
  std::string color;  ///< #rrggbb
};

/// One panel per draft law: acceptance against the number of drafts, the optimum on top.
struct figure_panel {
  std::string law;
  std::vector<figure_line> lines;
};

/// The gnuplot script that draws the figure into @p svg.
[[nodiscard]] inline std::string figure_script(const std::string& svg, std::span<const table_row> rows,
                                               std::span<const figure_panel> panels, const std::string& title) {
  const std::size_t across = panels.size() < 4 ? panels.size() : 2;
  const std::size_t down = (panels.size() + across - 1) / across;
  gnuplot_data data;
  std::string plots;
  for (const figure_panel& panel : panels) {
    std::string lines;
    const auto add_line = [&](const std::string& name, const std::string& style, auto value) {
      std::string points;
      for (const table_row& row : rows) {
        if (row.kind != "position" || row.law != panel.law) continue;
        if (const std::optional<double> y = value(row)) points += point(static_cast<double>(row.drafts), *y);
      }
      if (points.empty()) return;
      lines += (lines.empty() ? "" : ", ") + data.add(points) + " using 1:2 " + style + " title " + gnuplot_quoted(name);
    };
    add_line("optimum", "smooth unique with lines lw 5 lc rgb '#bbbbbb'", [](const table_row& row) { return row.optimum; });
    for (const figure_line& line : panel.lines) {
      add_line(line.verifier, "with linespoints lw 2 pt 7 ps 0.6 lc rgb '" + line.color + "'",
               [&](const table_row& row) { return row.verifier == line.verifier ? std::optional(row.best_acceptance()) : std::nullopt; });
    }
    if (!lines.empty()) plots += "set title " + gnuplot_quoted(panel.law) + " noenhanced\nplot " + lines + "\n";
  }
  return figure_head(svg, 415 * across, 40 + 340 * down) + "set multiplot layout " + std::to_string(down) + "," + std::to_string(across) +
         " title " + gnuplot_quoted(title) + " noenhanced\n" +
         "set xlabel 'number of drafts n'\nset ylabel 'mean acceptance'\nset xrange [0.7:8.3]\nset xtics 1,1,8\nset yrange [0:1]\n" +
         "set grid ytics lc rgb '#dddddd'\nset key bottom right noenhanced\n" + data.text() + plots + "unset multiplot\n";
}

}  // namespace examples
