// What the matrix products of gemm.h are made of, per instruction set. Every pointer addresses float32.
//
// A panel is a slice of an operand in the order in which a tile reads it: [depth, width], row p holding the values of
// all its columns at position p of the sum. C is computed in tiles of at most `rows` × `cols`.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/epilogue.h"

namespace propane::cpu {

// Consecutive columns of an operand into consecutive panels, the last filled up with zeros. Each panel has kPanelSlack
// floats behind its depth·width that may be overwritten with anything, unless its width is that of whole vectors.
struct PanelCopy {
  const float* from;
  int64_t stride;  // between the source's rows
  int64_t depth;
  int64_t columns;
  int width;
  float* to;
  int64_t panel_stride;  // between the starts of panels, >= depth·width
};
constexpr int64_t kPanelSlack = 16;

// C[rows, cols] (+)= A·B, where a is [depth, rows] and b is [depth, cols of the kernel]. Each element's sum is one
// chain of fused multiply-adds in the order of p, starting from C or from zero: the bits depend on nothing else.
struct Tile {
  int rows;  // 1 .. GemmKernels::rows
  int cols;  // 1 .. GemmKernels::cols; columns beyond are neither read nor written
  int64_t depth;
  const float* a;
  const float* b;
  float* c;
  int64_t ldc;
  bool accumulate;
};

struct EpilogueTile {
  Epilogue epilogue;  // its pointers at the tile's first element
  int rows;
  int cols;
  float* c;
  int64_t ldc;
};

struct SwigluTile {
  int rows;
  int cols;
  const float* gate;
  int64_t ld_gate;
  const float* up;
  int64_t ld_up;
  float* h;
  int64_t ldh;
};

struct GemmKernels {
  int rows;
  int cols;
  void (*copy_panels)(const PanelCopy&);       // column j at p is from[p·stride + j]
  void (*transpose_panels)(const PanelCopy&);  // from[j·stride + p]
  void (*tile)(const Tile&);
  void (*epilogue)(const EpilogueTile&);
  void (*swiglu)(const SwigluTile&);
  // Rows [begin, end) of the part below the diagonal of C from the part above.
  void (*mirror)(float* c, int64_t ldc, int64_t begin, int64_t end);
};

// The selected target's.
const GemmKernels& gemm_kernels();

}  // namespace propane::cpu
