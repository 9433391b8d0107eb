// What a kernel needs to be the same text on both devices: how a function is marked, and the loop around its body.
//
// Files that include nothing but headers "for both devices" are compiled for the CPU and for NVIDIA GPUs:
// a C++ compiler builds them into the library when femtms is installed, and NVRTC at run time (see __init__.py).
//
// Every body computes its output entry alone and in a fixed order, so results depend neither on the number of threads
// nor on the launch geometry, and no column depends on its neighbours.
#pragma once

typedef long long int64;
typedef unsigned long long uint64;
typedef unsigned char uint8;

#ifdef __CUDACC__

#define KERNEL extern "C" __global__ void
#define SHARED __device__ static inline
#define SHARED_METHOD __device__ inline

// body(i) for i = 0 ... count - 1: a grid-stride loop, without shared memory or block synchronisation
template <typename Body>
SHARED void for_each(const int64 count, const Body& body)
{
    const int64 stride = (int64)gridDim.x * blockDim.x;
    for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) body(i);
}

#define INFINITE __longlong_as_double(0x7ff0000000000000ll)

SHARED double inverse_sqrt(const double x)
{
    return rsqrt(x);
}

#else

#include <cmath>
#include <limits>

#include "cpu.h"

#define SHARED static inline
#define SHARED_METHOD inline

using std::fabs;
using std::floor;
using std::sqrt;

#define INFINITE std::numeric_limits<double>::infinity()

SHARED double inverse_sqrt(const double x)
{
    return 1 / sqrt(x);
}

#endif
