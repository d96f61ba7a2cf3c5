// How a matrix product is cut up for the caches and shared among threads: integers only.
//
// Tiles are `rows` × `cols` of C. A strip is the rows of a tile, a panel its columns; the panels of all outputs that
// share an A are numbered through.
#pragma once

#include <cstdint>

namespace propane::cpu {

// What decides the blocking.
struct GemmShape {
  int64_t m;
  int64_t k;
  int64_t panels;
  int64_t rows;  // a tile's
  int64_t cols;
  int64_t unit = 1;        // panels that stay together: 2 for a gate and an up that swiglu joins
  bool packs = true;       // B comes plain and has to be packed
  bool whole_sum = false;  // a tile has to be finished at once: k is not cut
};

// B is packed a chunk at a time, by all threads together; then each thread computes its tiles of the chunk. It packs a
// block of A, `block_strips` strips of the depth kc, and multiplies it with one block of B after the other, of
// `block_panels` panels: a core's L2 cache keeps both.
struct Blocking {
  int64_t strips;
  int64_t kc;
  int64_t block_strips;
  int64_t block_panels;
  int64_t chunk_k;
  int64_t chunk_panels;
};
Blocking gemm_blocking(const GemmShape& shape);

// One thread's tiles among `strips` × [panel_begin, panel_end): all panels of its column group in the strips between
// its first and its last, a part of them in those two.
struct Share {
  int64_t strip_begin, strip_end;
  int64_t panel_begin, panel_end;   // the column group
  int64_t first_panel, last_panel;  // where strip_begin's start and strip_end - 1's end
};

struct Tiles {
  int64_t strips;
  int64_t panel_begin, panel_end;
  int64_t unit = 1;
  // If set, only tiles that reach the diagonal or lie above it count. rows and cols are a tile's.
  bool upper = false;
  int64_t rows = 1, cols = 1;

  // The first panel of a strip that counts.
  int64_t first_panel(int64_t strip) const;
};

// Thread `thread` of `threads`; the shares are disjoint, cover every tile, and depend on nothing but the arguments.
Share thread_share(const Tiles& tiles, int thread, int threads);

}  // namespace propane::cpu
