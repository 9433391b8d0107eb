// Labels at many points: see label_field.h.
#include "label_field.h"

// at points in mm
KERNEL labels_at(
    const int64 n, const double* x /* n,3 */, const uint8* indicators /* nx,ny,nz,l */, const int64* shape /* 4 */,
    const double* to_voxel /* 3,4 */, const int64 layers, const double* radii /* layers */, uint8* labels /* n */)
{
    const LabelField field{indicators, shape, to_voxel, layers, radii};
    for_each(n, [&](const int64 i) { labels[i] = (uint8)label_at(field, x + 3 * i); });
}
