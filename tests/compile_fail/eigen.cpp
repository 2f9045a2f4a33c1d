// SPDX-License-Identifier: MIT
// What Eigen allows and a view cannot read: gaps between elements, expressions without memory, rows that are columns, temporaries. A refused
// type is named once by the compilers, so that every call has a shape of its own.
#include <gavel/core/views.hpp>
#include <gavel/speculative/chain.hpp>

#include <Eigen/Core>

#include <cstddef>
#include <vector>

#ifdef GAVEL_MUST_FAIL
#define RIGHT_WRONG(right, wrong) wrong
#else
#define RIGHT_WRONG(right, wrong) right
#endif

template <int Rows, int Order>
using matrix = Eigen::Matrix<float, Rows, 4, Order>;

using gavel::speculative::verify_chain;

static std::size_t length(gavel::vector_view<const float> values) { return values.size(); }
static std::size_t height(gavel::matrix_view<const float> values) { return values.rows(); }

int main() {
  float buffer[16] = {};
  const Eigen::VectorXf v = Eigen::VectorXf::Zero(4);
  const matrix<2, Eigen::RowMajor> r = matrix<2, Eigen::RowMajor>::Zero();
  const matrix<2, Eigen::ColMajor> c = matrix<2, Eigen::ColMajor>::Zero();
  const matrix<3, Eigen::ColMajor> d = matrix<3, Eigen::ColMajor>::Zero();
  const matrix<5, Eigen::ColMajor> e = matrix<5, Eigen::ColMajor>::Zero();
  const Eigen::Map<const Eigen::VectorXf, 0, Eigen::InnerStride<RIGHT_WRONG(1, 2)>> map(buffer, 4);
  using map_of_rows = Eigen::Map<const matrix<2, Eigen::RowMajor>, 0, Eigen::Stride<8, RIGHT_WRONG(1, 2)>>;
  std::size_t all = 0;
  all += gavel::as_span(map).size();                       // fails-with: a one-dimensional view needs unit stride
  all += gavel::as_span(RIGHT_WRONG(r, c).row(1)).size();  // fails-with: a one-dimensional view needs unit stride
  all += gavel::as_span(RIGHT_WRONG(v, v + v)).size();     // fails-with: An Eigen expression must be evaluated first (call .eval())
  all += length(RIGHT_WRONG(r, c).row(0));                 // fails-with: vector_view
  all += height(RIGHT_WRONG(r, c));                        // fails-with: this Eigen matrix is column-major
  all += gavel::matrix_view(RIGHT_WRONG(d.transpose(), d)).rows();  // fails-with: this Eigen matrix is column-major
  all += height(RIGHT_WRONG(r, r + r));                             // fails-with: an Eigen expression must be evaluated first
  all += height(map_of_rows(buffer));                               // fails-with: the elements of a row must lie next to each other
  all += height(RIGHT_WRONG(r, (matrix<2, Eigen::RowMajor>(r))));   // fails-with: a view of a temporary would dangle
  gavel::philox4x32 rng;
  const std::vector<int> drafts = {1};
  all += verify_chain(RIGHT_WRONG(r, e), r.topRows(1), drafts, rng).accepted;  // fails-with: this Eigen matrix is column-major
  return all == 0 ? 1 : 0;
}
