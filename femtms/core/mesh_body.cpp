// The head without the air around it, as the optimiser needs it.
#include "device.h"

// The labels of the tetrahedra around each node, as bits.
KERNEL labels_around(
    const int64 n, const uint8* labels /* m */, const int64* starts /* n+1 */, const int* meeting, int64* bits /* n */)
{
    for_each(n, [&](const int64 i) {
        bits[i] = 0;
        for (int64 p = starts[i]; p < starts[i + 1]; ++p) bits[i] |= (int64)1 << labels[meeting[p]];
    });
}
