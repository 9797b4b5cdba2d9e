#pragma once

// Eigen includes this header of x86 for MMX, which Emscripten's SSE does not have, and needs nothing of it. It comes after Eigen's macros
// and before its SSE. Clang counts there as GCC 4.2, for which Eigen writes minps and maxps in assembly.
#undef EIGEN_COMP_GNUC
#define EIGEN_COMP_GNUC 0

/** WebAssembly always computes with denormal numbers. */
static inline void _mm_setcsr(unsigned) {}
