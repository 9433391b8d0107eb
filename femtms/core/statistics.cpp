// How strong a field is in one tissue, weighted by volume: only the CPU sorts so slowly that this pays.
#include <algorithm>
#include <vector>

#include "device.h"

namespace
{

const int BUCKETS = 4096;  // of equal width, between the lowest and the highest value

// Sums of numpy's order: halves down to 128 numbers, eight of which are added side by side.
double summed(const double* a, const int64 n)
{
    if (n < 8) {
        double total = 0;
        for (int64 i = 0; i < n; ++i) total += a[i];
        return total;
    }
    if (n <= 128) {
        double r[8];
        int64 i = 8;
        for (int j = 0; j < 8; ++j) r[j] = a[j];
        for (; i + 8 <= n; i += 8)
            for (int j = 0; j < 8; ++j) r[j] += a[i + j];
        double total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < n; ++i) total += a[i];
        return total;
    }
    const int64 half = n / 2 - n / 2 % 8;
    return summed(a, half) + summed(a + half, n - half);
}

// The same by all threads: parts that the halving comes by, and their sums.
struct Parts {
    static const int64 SMALL = 16384;
    std::vector<int64> begins, sizes;
    std::vector<double> sums;
    size_t next = 0;

    void cut(const int64 begin, const int64 n)
    {
        if (n <= SMALL) {
            begins.push_back(begin), sizes.push_back(n);
            return;
        }
        const int64 half = n / 2 - n / 2 % 8;
        cut(begin, half);
        cut(begin + half, n - half);
    }

    double joined(const int64 n)
    {
        if (n <= SMALL) return sums[next++];
        const int64 half = n / 2 - n / 2 % 8;
        const double first = joined(half);
        return first + joined(n - half);
    }
};

double sum(const double* a, const int64 n)
{
    Parts parts;
    parts.cut(0, n);
    parts.sums.resize(parts.sizes.size());
    for_each_task(
        (int64)parts.sizes.size(), [&](const int64 i) { parts.sums[i] = summed(a + parts.begins[i], parts.sizes[i]); });
    return parts.joined(n);
}

struct Weighed {
    double value;
    int64 weight;
};

// in ascending order, NaN last
bool is_below(const Weighed& a, const Weighed& b)
{
    return a.value < b.value || (a.value == a.value && b.value != b.value);
}

// Which of the buckets has a value: those of larger values never come before it.
struct Buckets {
    double low, scale;

    Buckets(const double lowest, const double highest) : low(lowest), scale(BUCKETS / (highest - lowest))
    {
        if (!(scale > 0 && scale < INFINITE)) scale = 0;  // all in the first
    }

    int of(const double value) const
    {
        if (scale == 0) return 0;
        const double at = (value - low) * scale;
        return at < BUCKETS - 1 ? (int)at : BUCKETS - 1;
    }
};

int64 parts_of(const int64 n)
{
    return std::max<int64>(1, std::min<int64>(4 * threads(), n / BUCKETS));
}

// For each of the weights `wanted` the smallest value such that values up to it have that weight.  Only the buckets
// where these are get sorted; whole numbers as weights have the same sums in any order.
void percentiles(
    const int64 n, const double* values, const int64* weights, const double lowest, const double highest,
    const int64 count, const double* wanted, double* found)
{
    const Buckets buckets(lowest, highest);
    const int64 parts = parts_of(n);
    std::vector<std::vector<int64>> weight(parts);
    for_parts(n, parts, [&](const int64 part, const int64 begin, const int64 end) {
        std::vector<int64>& own = weight[part];
        own.assign(BUCKETS, 0);
        for (int64 i = begin; i < end; ++i) own[buckets.of(values[i])] += weights[i];
    });
    for (int64 part = 1; part < parts; ++part)
        for (int b = 0; b < BUCKETS; ++b) weight[0][b] += weight[part][b];

    std::vector<int64> below(count);  // the weight of all buckets before that of each percentile
    std::vector<int> bucket(count);
    std::vector<int> place(BUCKETS, -1);  // of the buckets that are sorted, in `sorted`
    int lists = 0;
    for (int64 p = 0; p < count; ++p) {
        int b = 0;
        int64 total = 0;
        while (b < BUCKETS - 1 && (double)(total + weight[0][b]) < wanted[p]) total += weight[0][b++];
        bucket[p] = b, below[p] = total;
        if (place[b] < 0) place[b] = lists++;
    }
    std::vector<std::vector<std::vector<Weighed>>> in_part(parts, std::vector<std::vector<Weighed>>(lists));
    for_parts(n, parts, [&](const int64 part, const int64 begin, const int64 end) {
        for (int64 i = begin; i < end; ++i) {
            const int at = place[buckets.of(values[i])];
            if (at >= 0) in_part[part][at].push_back({values[i], weights[i]});
        }
    });
    std::vector<std::vector<Weighed>> sorted(lists);
    for_each_task(lists, [&](const int64 at) {
        for (auto& some : in_part) sorted[at].insert(sorted[at].end(), some[at].begin(), some[at].end());
        std::sort(sorted[at].begin(), sorted[at].end(), is_below);
    });
    for (int64 p = 0; p < count; ++p) {
        int64 total = below[p];
        found[p] = highest;
        for (const Weighed& one : sorted[place[bucket[p]]]) {
            total += one.weight;
            found[p] = one.value;
            if ((double)total >= wanted[p]) break;
        }
    }
}

// lowest and highest of n values, and the first place of the highest
struct Extremes {
    double low = INFINITE, high = -INFINITE;
    int64 at = 0;

    void see(const double value, const int64 i)
    {
        if (value < low) low = value;
        if (value > high) high = value, at = i;
    }
};

template <typename Value>
Extremes extremes(const int64 n, const Value& value)
{
    std::vector<Extremes> of((n + ROWS - 1) / ROWS);
    for_ranges(n, [&](const int64 begin, const int64 end) {
        for (int64 i = begin; i < end; ++i) of[begin / ROWS].see(value(i), i);
    });
    Extremes all;
    for (const Extremes& some : of) {
        all.low = std::min(all.low, some.low);
        if (some.high > all.high) all.high = some.high, all.at = some.at;
    }
    return all;
}

// the sum of those volumes where the value is at least `least`
double volume_above(const int64 n, const double* values, const double* volumes, const double least)
{
    const int64 parts = parts_of(n);
    std::vector<std::vector<double>> in_part(parts);
    for_parts(n, parts, [&](const int64 part, const int64 begin, const int64 end) {
        for (int64 i = begin; i < end; ++i)
            if (values[i] >= least) in_part[part].push_back(volumes[i]);
    });
    std::vector<double> chosen;
    for (const auto& some : in_part) chosen.insert(chosen.end(), some.begin(), some.end());
    return sum(chosen.data(), (int64)chosen.size());
}

}  // namespace

// The smallest of n values, in any order, such that values up to it have each of the `count` weights wanted.
KERNEL weighted_percentiles(
    const int64 n, const double* values /* n */, const int64* weights /* n */, const int64 count,
    const double* wanted /* count */, double* found /* count */)
try {
    const Extremes all = extremes(n, [&](const int64 i) { return values[i]; });
    percentiles(n, values, weights, all.low, all.high, count, wanted, found);
}
KEEP_FAILURE

// Of |E| (m,) in the tetrahedra `rows` with volumes and, as whole numbers, weights: mean, `count` percentiles, peak,
// the row of the peak, and the volumes with at least 50 % and 75 % of the last percentile.  The bits are those of
// numpy.
KERNEL tissue_statistics(
    const double* magnE /* m */, const int64 r, const int64* rows /* r */, const double* volumes /* r */,
    const double volume, const int64* weights /* r */, const int64 count, const double* wanted /* count */,
    double* own /* r */, double* products /* r */, double* numbers /* count+5 */)
try {
    const Extremes all = extremes(r, [&](const int64 i) {
        own[i] = magnE[rows[i]];
        products[i] = own[i] * volumes[i];
        return own[i];
    });
    numbers[0] = sum(products, r) / volume;
    percentiles(r, own, weights, all.low, all.high, count, wanted, numbers + 1);
    numbers[count + 1] = all.high;
    numbers[count + 2] = (double)rows[all.at];
    numbers[count + 3] = volume_above(r, own, volumes, 0.5 * numbers[count]);
    numbers[count + 4] = volume_above(r, own, volumes, 0.75 * numbers[count]);
}
KEEP_FAILURE
