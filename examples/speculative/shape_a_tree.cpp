// SPDX-License-Identifier: MIT
// Which tree of drafts should one target call verify? From the chance that the b-th draft of a node is the accepted one and the times of a
// draft pass and of a target call over m tokens: the best tree for every node budget, the best of all, and a drawing of it.
//
//   shape_a_tree [--acceptance 0.62,0.13,...] [--budgets 1,2,4,...] [--verify-times 10,10.1,...] [--draft-time T] [--levels L]
//                [--csv FILE] [--svg FILE]
//
// test-arguments: --csv shapes.csv --svg shapes.svg
// test-arguments: --acceptance 0.8 --budgets 1,2,4,6,8 --verify-times 10,10,10,11,12 --draft-time 1
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/speculative/tree_shape.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace speculative = gavel::speculative;

namespace {

struct settings {
  std::vector<double> acceptance{0.62, 0.13, 0.06, 0.035, 0.022, 0.015, 0.011, 0.008};
  std::vector<std::size_t> budgets{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};
  std::vector<double> verify_times;
  double draft_time = 1.0;
  double verify_base = 20.0;
  double verify_slope = 0.08;
  std::size_t levels = 12;
  std::string csv, svg;
};

double verify_time(const settings& s, std::size_t nodes) {
  const auto at = std::find(s.budgets.begin(), s.budgets.end(), nodes);
  if (at == s.budgets.end()) return std::numeric_limits<double>::infinity();
  if (!s.verify_times.empty()) return s.verify_times[static_cast<std::size_t>(at - s.budgets.begin())];
  return s.verify_base + s.verify_slope * static_cast<double>(nodes);
}

// A draft pass per level; the root alone is decoding without drafts.
double call_time(const settings& s, std::size_t nodes, std::size_t levels) {
  return (nodes > 1 ? s.draft_time * static_cast<double>(levels) : 0.0) + verify_time(s, nodes);
}

// The fastest tree of exactly this many nodes.
speculative::tree_shape fastest_of_budget(const speculative::tree_shape_table& table, const settings& s, std::size_t nodes) {
  return table.fastest(
      [&](std::size_t m, std::size_t levels) { return m == nodes ? call_time(s, m, levels) : std::numeric_limits<double>::infinity(); });
}

std::string limits(const settings& s) {
  return examples::counted(s.levels, "level") + " and " + examples::counted(s.acceptance.size(), "child", "children");
}

void print_table(const speculative::tree_shape_table& table, const settings& s) {
  std::printf("%6s %7s %9s %12s %11s %15s %13s\n", "nodes", "levels", "children", "tokens/call", "call time", "time per token",
              "yields more");
  double before = 0.0;
  for (const std::size_t nodes : s.budgets) {
    const speculative::tree_shape shape = fastest_of_budget(table, s, nodes);
    if (shape.status != speculative::tree_shape_status::converged) {
      std::printf("%6zu %7s  no tree of this size within %s\n", nodes, "-", limits(s).c_str());
      continue;
    }
    const auto children = std::count(shape.parents.begin() + 1, shape.parents.end(), speculative::node_index{0});
    std::printf("%6zu %7zu %9td %12.4f %11.3f %15.4f", nodes, shape.levels, children, shape.expected_tokens, shape.call_time,
                shape.time_per_token());
    if (before > 0.0) std::printf(" %+12.4f", shape.expected_tokens - before);
    std::printf("\n");
    before = shape.expected_tokens;
  }
}

// Each node as its number among its siblings and the share of calls in which it is accepted; chains on one line.
void draw(const speculative::draft_tree& tree, const std::vector<double>& acceptance, std::size_t node, double reach,
          const std::string& margin) {
  const auto children = tree.children(node);
  for (std::size_t b = 0; b < children.size(); ++b) {
    const bool last = b + 1 == children.size();
    double share = reach * acceptance[b];
    std::printf("%s%s-%zu %4.1f%%", margin.c_str(), last ? "`" : "|", b + 1, 100.0 * share);
    std::size_t at = children[b];
    std::string deeper = margin + (last ? "  " : "| ");
    while (tree.child_count(at) == 1) {
      at = tree.children(at)[0];
      share *= acceptance[0];
      std::printf(" --1 %4.1f%%", 100.0 * share);
    }
    std::printf("\n");
    draw(tree, acceptance, at, share, deeper);
  }
}

std::string to_csv(const speculative::tree_shape_table& table, const settings& s) {
  examples::csv_writer csv("nodes,levels,expected_tokens,call_time,time_per_token");
  for (const std::size_t nodes : s.budgets) {
    for (std::size_t levels = 1; levels <= s.levels; ++levels) {
      const std::optional<double> tokens = table.expected_tokens(nodes, levels);
      if (!tokens) continue;
      const double time = call_time(s, nodes, levels);
      csv.row(nodes, levels, examples::real(tokens, 12), examples::real(time, 12), examples::real(time / *tokens, 12));
    }
  }
  return csv.text();
}

// Time per token over the number of nodes, with the best tree marked.
std::string figure(const speculative::tree_shape_table& table, const settings& s, const speculative::tree_shape& best) {
  std::vector<std::size_t> budgets = s.budgets;
  std::sort(budgets.begin(), budgets.end());
  std::string points;
  for (const std::size_t nodes : budgets) {
    const speculative::tree_shape shape = fastest_of_budget(table, s, nodes);
    if (shape.status == speculative::tree_shape_status::converged) {
      points += examples::point(static_cast<double>(nodes), shape.time_per_token());
    }
  }
  char label[96];
  std::snprintf(label, sizeof label, "best: %zu nodes, %.2f tokens per call", best.nodes(), best.expected_tokens);
  examples::gnuplot_data data;
  const std::string line = data.add(points), mark = data.add(examples::point(static_cast<double>(best.nodes()), best.time_per_token()));
  return examples::figure_head(s.svg, 830, 380, 13) + data.text() +
         "set border 3\nset tics nomirror out\nset grid ytics lc rgb '#dddddd'\nset key top right\nset logscale x 2\nset xrange [" +
         examples::real(0.9 * static_cast<double>(budgets.front())) + ":" + examples::real(1.1 * static_cast<double>(budgets.back())) +
         "]\nset yrange [0:*]\n"
         "set xlabel 'nodes of the tree that one target call verifies'\nset ylabel 'time per token'\nplot " +
         line + " using 1:2 with linespoints lw 3 pt 7 ps 0.7 lc rgb '#0072b2' title 'the fastest tree of so many nodes', " + mark +
         " using 1:2 with points pt 7 ps 1.6 lc rgb '#d55e00' title " + examples::gnuplot_quoted(label) + "\n";
}

void run(settings& s) {
  std::sort(s.acceptance.rbegin(), s.acceptance.rend());  // the first draft of a node is the likeliest
  const std::size_t most = *std::max_element(s.budgets.begin(), s.budgets.end());
  const speculative::tree_shape_table table(s.acceptance, most, s.levels);

  std::printf("The best tree of drafts for every number of nodes (root included), its levels chosen by time per token.\n");
  std::printf("Chance that draft b of a node is accepted:");
  for (const double chance : s.acceptance) std::printf(" %g", chance);
  std::printf("\nOne draft pass per level takes %g; all times in that unit.\n\n", s.draft_time);
  print_table(table, s);

  const speculative::tree_shape best = table.fastest(s.draft_time, [&](std::size_t nodes) { return verify_time(s, nodes); });
  if (best.status != speculative::tree_shape_status::converged) {
    throw examples::no_answer("no tree of any budget fits within " + limits(s));
  }
  const double alone = verify_time(s, 1);
  std::printf("\nFastest: %s, %s, %.4f tokens per call, %.4f per token", examples::counted(best.nodes(), "node").c_str(),
              examples::counted(best.levels, "level").c_str(), best.expected_tokens, best.time_per_token());
  if (alone < std::numeric_limits<double>::infinity()) std::printf(" (%.2fx decoding without drafts)", alone / best.time_per_token());
  std::printf(".\n");
  if (best.nodes() > 1) {
    std::printf("Each node: its number among its siblings, and the share of calls in which it is accepted.\n\nroot\n");
    const std::vector<speculative::token_id> tokens(best.nodes(), 0);
    draw(speculative::draft_tree::from_parents(best.parents, tokens), s.acceptance, 0, 1.0, "");
  } else {
    std::printf("Drafting does not pay at these times.\n");
  }
  if (!s.csv.empty()) {
    examples::write_text(s.csv, to_csv(table, s));
    std::printf("\nEvery budget and number of levels: %s\n", s.csv.c_str());
  }
  if (!s.svg.empty()) examples::draw_or_note(s.svg, figure(table, s, best));
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  CLI::App app{"Finds the tree of drafts that yields the most tokens per time (Sequoia's dynamic programme).", "shape_a_tree"};
  app.add_option("--acceptance", s.acceptance, "chance that the b-th draft of a node is the accepted one, b = 1, 2, ...")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--budgets", s.budgets, "numbers of nodes (root included) that a target call may have")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--verify-times", s.verify_times, "time of a target call for each budget (default: base + slope * nodes)")
      ->delimiter(',')
      ->check(examples::positive_number);
  app.add_option("--verify-base", s.verify_base, "time of a target call, part that does not depend on the nodes")
      ->capture_default_str()
      ->check(examples::positive_number);
  app.add_option("--verify-slope", s.verify_slope, "time of a target call per node")
      ->capture_default_str()
      ->check(examples::not_negative_number);
  app.add_option("--draft-time", s.draft_time, "time of one draft pass over one level")
      ->capture_default_str()
      ->check(examples::not_negative_number);
  app.add_option("--levels", s.levels, "most levels, root included")->capture_default_str()->check(CLI::Range(1, 64));
  app.add_option("--csv", s.csv, "every budget and number of levels as CSV (default: not written)")->type_name("FILE");
  app.add_option("--svg", s.svg, "figure: time per token over the number of nodes, by gnuplot (default: not drawn)")->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    if (!s.verify_times.empty() && s.verify_times.size() != s.budgets.size()) {
      throw CLI::ValidationError("--verify-times", "needs one time for each of the " + std::to_string(s.budgets.size()) + " budgets");
    }
    run(s);
  });
}
