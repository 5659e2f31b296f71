#include "reports/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace hetero {
namespace {

// Beyond this many pairs counting takes long, and the normal approximation is close and errs towards caution (at 20 x
// 20 and U = 104: 0.0098 for 0.0087).
constexpr std::size_t kMostExactPairs = 400;

double normal_tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }

// The ranks of the joint sample, doubled so that the mean ranks of ties are whole.
struct Ranks {
  std::vector<std::int64_t> doubled;  // a's first, then b's
  double tie_sum = 0;                 // of t^3 - t over groups of t equal values
};

Ranks rank(std::span<const double> a, std::span<const double> b) {
  std::vector<double> values(a.begin(), a.end());
  values.insert(values.end(), b.begin(), b.end());
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] < values[j]; });
  Ranks ranks{std::vector<std::int64_t>(values.size()), 0};
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      ranks.doubled[order[i]] = static_cast<std::int64_t>(begin + 1 + end);  // twice the mean of begin+1 .. end
    }
    const double t = static_cast<double>(end - begin);
    ranks.tie_sum += t * t * t - t;
    begin = end;
  }
  return ranks;
}

// ways[s]: how many choices of `count` of the ranks add up to s. Doubles: C(400, 1) to C(40, 20) fit, and only shares
// of the total are used.
std::vector<double> rank_sum_counts(const std::vector<std::int64_t>& ranks, std::size_t count) {
  std::vector<std::int64_t> largest = ranks;
  std::sort(largest.begin(), largest.end(), std::greater<>());
  const auto most = static_cast<std::size_t>(
      std::accumulate(largest.begin(), largest.begin() + static_cast<std::ptrdiff_t>(count), std::int64_t{0}));
  std::vector<std::vector<double>> ways(count + 1, std::vector<double>(most + 1, 0));
  ways[0][0] = 1;
  for (std::size_t taken = 0; taken < ranks.size(); ++taken) {
    const auto r = static_cast<std::size_t>(ranks[taken]);
    for (std::size_t j = std::min(count, taken + 1); j >= 1; --j) {  // downwards: each rank is used once
      const double* from = ways[j - 1].data();
      double* to = ways[j].data() + r;
      for (std::size_t s = 0; s + r <= most; ++s) to[s] += from[s];
    }
  }
  return ways[count];
}

double exact_p(Ranks ranks, std::size_t n1, std::size_t n2) {
  std::vector<std::int64_t> chosen(ranks.doubled.begin(), ranks.doubled.begin() + static_cast<std::ptrdiff_t>(n1));
  if (n2 < n1) {  // the rank sum of either side tells all; that of the smaller is counted faster
    chosen.assign(ranks.doubled.begin() + static_cast<std::ptrdiff_t>(n1), ranks.doubled.end());
  }
  auto observed = static_cast<std::size_t>(std::accumulate(chosen.begin(), chosen.end(), std::int64_t{0}));
  if (ranks.tie_sum == 0) {
    for (std::int64_t& r : ranks.doubled) r /= 2;
    observed /= 2;
  }
  const std::vector<double> ways = rank_sum_counts(ranks.doubled, chosen.size());
  const auto at = ways.begin() + static_cast<std::ptrdiff_t>(observed);
  const double total = std::accumulate(ways.begin(), ways.end(), 0.0);
  const double below = std::accumulate(ways.begin(), at + 1, 0.0);
  const double above = std::accumulate(at, ways.end(), 0.0);
  return std::min(1.0, 2 * std::min(below, above) / total);
}

double normal_p(const Ranks& ranks, std::size_t count1, std::size_t count2) {
  const double n1 = static_cast<double>(count1);
  const double n2 = static_cast<double>(count2);
  const double n = n1 + n2;
  const double variance = n1 * n2 / 12 * (n + 1 - ranks.tie_sum / (n * (n - 1)));
  if (!(variance > 0)) return 1;  // all values are equal
  const double rank_sum =
      0.5 * static_cast<double>(std::accumulate(
                ranks.doubled.begin(), ranks.doubled.begin() + static_cast<std::ptrdiff_t>(count1), std::int64_t{0}));
  const double u = rank_sum - n1 * (n1 + 1) / 2;
  const double distance = std::max(0.0, std::abs(u - n1 * n2 / 2) - 0.5);
  return std::min(1.0, 2 * normal_tail(distance / std::sqrt(variance)));
}

// The k-th smallest (from 1) of all b[j] / a[i]; both sorted. By bisection over the quotient, since the pairs of two
// long samples would not fit into memory: counting those below a quotient is one walk over both.
double kth_quotient(const std::vector<double>& a, const std::vector<double>& b, std::size_t k) {
  const auto at_most = [&](double quotient) {
    std::size_t count = 0;
    std::size_t j = 0;
    for (const double x : a) {
      while (j < b.size() && b[j] <= quotient * x) ++j;
      count += j;
    }
    return count;
  };
  double low = b.front() / a.back() * (1 - 1e-12);
  double high = b.back() / a.front() * (1 + 1e-12);
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = std::sqrt(low) * std::sqrt(high);
    if (middle <= low || middle >= high) break;
    (at_most(middle) >= k ? high : low) = middle;
  }
  return high;
}

// The largest c such that, of two samples of one distribution, P(U < c) <= tail. 0: not even U = 0 is that rare.
std::size_t critical_count(std::size_t n1, std::size_t n2, double tail) {
  if (n1 * n2 <= kMostExactPairs) {
    std::vector<std::int64_t> ranks(n1 + n2);
    std::iota(ranks.begin(), ranks.end(), std::int64_t{1});
    const std::size_t fewer = std::min(n1, n2);
    const std::vector<double> ways = rank_sum_counts(ranks, fewer);
    const double total = std::accumulate(ways.begin(), ways.end(), 0.0);
    const std::size_t least = fewer * (fewer + 1) / 2;  // the rank sum where U = 0
    double below = 0;
    std::size_t c = 0;
    while (least + c < ways.size() && (below + ways[least + c]) / total <= tail) below += ways[least + c++];
    return c;
  }
  const double x = static_cast<double>(n1) * static_cast<double>(n2);
  const double deviation = std::sqrt(x * static_cast<double>(n1 + n2 + 1) / 12);
  double low = 0;
  double high = 40;  // standard deviations: beyond what a double can tell from 0
  for (int i = 0; i < 100; ++i) (normal_tail((low + high) / 2) > tail ? low : high) = (low + high) / 2;
  return static_cast<std::size_t>(std::max(0.0, std::floor(x / 2 - high * deviation)));
}

}  // namespace

double mann_whitney_p(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty()) return 1;
  Ranks ranks = rank(a, b);
  return a.size() * b.size() <= kMostExactPairs ? exact_p(std::move(ranks), a.size(), b.size())
                                                : normal_p(ranks, a.size(), b.size());
}

double smallest_p(std::size_t n1, std::size_t n2) {
  if (n1 == 0 || n2 == 0) return 1;
  double choices = 1;  // C(n1 + n2, n1)
  for (std::size_t i = 1; i <= n1; ++i) choices *= static_cast<double>(n2 + i) / static_cast<double>(i);
  return std::min(1.0, 2 / choices);
}

Ratio ratio_of(std::vector<double> a, std::vector<double> b, double confidence) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  const std::size_t pairs = a.size() * b.size();
  Ratio ratio;
  ratio.estimate = (kth_quotient(a, b, (pairs + 1) / 2) + kth_quotient(a, b, pairs / 2 + 1)) / 2;
  const std::size_t c = critical_count(a.size(), b.size(), (1 - confidence) / 2);
  if (c > 0) ratio.interval = {kth_quotient(a, b, c), kth_quotient(a, b, pairs + 1 - c)};
  return ratio;
}

std::vector<double> holm_adjusted(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return p[i] < p[j]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

}  // namespace hetero
