// The inverse of a small dense matrix: set-up only, so it exists for the CPU alone.
#include <algorithm>
#include <vector>

#include "device.h"

// Gauss-Jordan elimination without pivoting, which is stable for these matrices: after the sweep of all rows a is minus
// its inverse (Goodnight 1979, Am Stat 33:149)
VECTORISED static void sweep_rows(const int64 n, const double least, double* RESTRICT a, double* RESTRICT pivot)
{
    for (int64 k = 0; k < n; ++k) {
        const double d = a[k * n + k];
        if (d <= least) {
            for (int64 j = 0; j < n; ++j) a[k * n + j] = a[j * n + k] = 0;
            continue;
        }
        std::copy(a + k * n, a + (k + 1) * n, pivot);
        for (int64 i = 0; i < n; ++i) {
            if (i == k) continue;
            double* row = a + i * n;
            const double f = row[k] / d;
            for (int64 j = 0; j < n; ++j) row[j] -= f * pivot[j];
            row[k] = f;
        }
        for (int64 j = 0; j < n; ++j) a[k * n + j] = pivot[j] / d;
        a[k * n + k] = -1 / d;
    }
}

KERNEL sweep(const int64 n, const double least, double* a /* n,n */)
try {
    std::vector<double> pivot(n);
    sweep_rows(n, least, a, pivot.data());
}
KEEP_FAILURE
