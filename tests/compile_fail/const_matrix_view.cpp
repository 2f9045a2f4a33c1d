// SPDX-License-Identifier: MIT
// fails-with: matrix_view<double>
// A view of constant data never becomes a view that can write.
#include <gavel/core/views.hpp>

int main() {
  const double values[4] = {};
  const gavel::matrix_view<const double> view(values, 2, 2);
#ifdef GAVEL_MUST_FAIL
  const gavel::matrix_view<double> copy = view;
#else
  const gavel::matrix_view<const double> copy = view;
#endif
  return copy.rows() == 2 ? 0 : 1;
}
