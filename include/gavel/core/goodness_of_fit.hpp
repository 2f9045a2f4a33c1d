// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/special_functions.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>

/// @file
/// Tests of observed counts against a distribution.

namespace gavel {

/// Probability that a chi-square variable exceeds @p statistic.
/// @param statistic          >= 0, infinity allowed (gives 0)
/// @param degrees_of_freedom > 0; or 0, the constant zero: 1 for a statistic of 0, else 0
/// @throws std::invalid_argument if a parameter is out of range; std::domain_error for NaN
[[nodiscard]] inline double chi_square_survival(double statistic, double degrees_of_freedom) {
  constexpr const char* name = "gavel::chi_square_survival";
  check_at_least(name, "statistic", statistic, 0.0);
  check_not_negative(name, "degrees_of_freedom", degrees_of_freedom);
  if (degrees_of_freedom == 0.0) return statistic > 0.0 ? 0.0 : 1.0;
  return detail::regularized_gamma(name, 0.5 * degrees_of_freedom, 0.5 * statistic).upper;
}

/// Settings of the tests.
struct goodness_of_fit_options {
  double minimum_expectation = 5.0;  ///< cells that expect fewer counts are pooled, >= 0
};

/// What a test of counts against a distribution says.
struct goodness_of_fit_result {
  double statistic = 0.0;              ///< >= 0; infinity if something impossible was observed
  std::size_t degrees_of_freedom = 0;  ///< cells after pooling minus one; 0 if there was nothing to test
  double p_value = 1.0;  ///< probability of a statistic at least as large under the distribution; 1 if there was nothing to test
  [[nodiscard]] friend bool operator==(const goodness_of_fit_result&, const goodness_of_fit_result&) = default;
};

namespace detail {

/// Walks over the cells after pooling and gives each one's observed and expected count to `visit`; returns their number.
///
/// Cells with enough expected counts stand alone. The others are gathered in index order until the group expects enough; what is left at
/// the end joins the last group or, if there is none, the smallest cell that stood alone.
template <class Counts, class Probs, class Visit>
inline std::size_t visit_pooled_cells(const Counts& observed, const Probs& probs, double scale, double minimum, Visit&& visit) {
  struct pooled {
    double observed = 0.0;
    double expected = 0.0;
    bool exists = false;
  };
  pooled open, group, smallest;  // `group` and `smallest` wait for the left-over
  std::size_t cells = 0;
  const auto close = [&](const pooled& cell) {
    visit(cell.observed, cell.expected);
    ++cells;
  };
  for (std::size_t i = 0; i < probs.size(); ++i) {
    const pooled cell{static_cast<double>(observed[i]), static_cast<double>(probs[i]) * scale, true};
    if (cell.expected <= 0.0) continue;
    if (cell.expected >= minimum) {
      if (!smallest.exists || cell.expected < smallest.expected) {
        if (smallest.exists) close(smallest);
        smallest = cell;
      } else {
        close(cell);
      }
      continue;
    }
    open = {open.observed + cell.observed, open.expected + cell.expected, true};
    if (open.expected >= minimum) {
      if (group.exists) close(group);
      group = open;
      open = {};
    }
  }
  pooled& rest = group.exists ? group : smallest;
  rest = {rest.observed + open.observed, rest.expected + open.expected, rest.exists || open.exists};
  if (group.exists) close(group);
  if (smallest.exists) close(smallest);
  return cells;
}

template <dense_vector Counts, dense_vector Probs, class Term>
inline goodness_of_fit_result test_of_counts(const char* function, const Counts& observed, const Probs& expected,
                                             const goodness_of_fit_options& options, Term&& term) {
  static_assert(std::integral<scalar_of<Counts>>, "gavel: observed counts must be integers");
  const auto counts = as_span(observed);
  const auto probs = as_span(expected);
  check_size(function, "observed.size()", counts.size(), "expected.size()", probs.size());
  check_at_least(function, "options.minimum_expectation", options.minimum_expectation, 0.0);
  check_distribution(function, "expected", expected);
  double total = 0.0;
  double impossible = 0.0;
  double mass = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    check_at_least(function, "observed", counts[i], 0, i);
    total += static_cast<double>(counts[i]);
    mass += static_cast<double>(probs[i]);
    if (!(probs[i] > 0)) impossible += static_cast<double>(counts[i]);
  }
  if (impossible > 0.0) return {infinity, 1, 0.0};
  double statistic = 0.0;
  const std::size_t cells = visit_pooled_cells(counts, probs, total / mass, options.minimum_expectation,
                                               [&](double seen, double expectation) { statistic += term(seen, expectation); });
  if (cells < 2) return {};
  return {statistic, cells - 1, chi_square_survival(statistic, static_cast<double>(cells - 1))};
}

}  // namespace detail

/// Do these counts come from this distribution? Likelihood-ratio (G) test: G = 2 sum O log(O / E), chi-square distributed for large
/// expectations.
///
/// Pooling: cells that expect fewer than `minimum_expectation` counts are gathered in index order until a group expects that many; the rest
/// at the end joins the last group, or the smallest single cell if there is no group. Cells of probability zero are no cells: a count in
/// one refutes the distribution (statistic infinity, p-value 0).
/// @param observed `[n]` counts of each outcome, any integer type, >= 0
/// @param expected `[n]` the distribution to test (sum 1 within 1e-6), float or double
/// @return statistic, degrees of freedom and p-value; degrees of freedom 0 and p-value 1 if fewer than two cells are left
/// @throws std::invalid_argument if sizes differ or are 0, or a count or an option is out of range
/// @throws std::domain_error for NaN or if @p expected is not a distribution
/// @note O(n), no allocation.
template <dense_vector Counts, dense_vector Probs>
[[nodiscard]] inline goodness_of_fit_result g_test(const Counts& observed, const Probs& expected,
                                                   const goodness_of_fit_options& options = {}) {
  return detail::test_of_counts("gavel::g_test", observed, expected, options, [](double seen, double expectation) {
    // O log(O/E) - O + E: the extra terms cancel in the sum and keep each term free of cancellation against the others
    const double term = seen > 0.0 ? seen * std::log(seen / expectation) - seen + expectation : expectation;
    return 2.0 * (std::fmax)(term, 0.0);
  });
}

/// The same question by Pearson's statistic, sum (O - E)^2 / E. Parameters, pooling, result and errors as for `g_test`.
template <dense_vector Counts, dense_vector Probs>
[[nodiscard]] inline goodness_of_fit_result chi_square_test(const Counts& observed, const Probs& expected,
                                                            const goodness_of_fit_options& options = {}) {
  return detail::test_of_counts("gavel::chi_square_test", observed, expected, options,
                                [](double seen, double expectation) { return (seen - expectation) * (seen - expectation) / expectation; });
}

}  // namespace gavel
