// How packed quantized weights lie in memory: the same for every instruction set.
//
// The rows of a weight [n, k] are taken in panels of 16, the last filled up with zeros; panels follow one another. A
// panel is a list of groups along k: one block of 32 columns, or the eight of a block of 256. A group is a header (the
// scales of all 16 rows) and then a body for each 32 columns. The unit of a body is 64 bytes, a 32-bit word for each of
// the 16 rows, so that a vector's lane is a row whatever the vector's length. Of element e of the 32, with g = e / 4 and
// j = e % 4, byte j of a row's word holds
//   bytes     all eight bits, in unit g
//   nibbles   four bits: low in unit g, or, from g = 4 on, high in unit g - 4
//   pairs     two bits, from bit 2·(g % 4), in unit g / 4
//   bits      one bit, bit g, of the only unit
// Numbers are stored unsigned. Headers: halves d[16], then m[16] or dmin[16] where the type has them, then the scales
// of the sub-blocks, for each 16 bytes, one a row.
#pragma once

#include <cstdint>

#include "quant/block_type.h"

namespace propane::cpu {

constexpr int kPanelRows = 16;
constexpr int kQuantBlock = 32;  // columns of a body, and of a block of quantized activations

struct GroupLayout {
  int blocks;  // bodies in a group
  int header;  // bytes
  int body;    // bytes of each

  constexpr int bytes() const { return header + blocks * body; }
};

constexpr int kNibbles = 256, kPairs = 128, kBits = 64, kBytes = 512;  // bytes of such parts of a body
constexpr int kRowHalves = 2 * kPanelRows;

// Types of single numbers (F32, F16, BF16) have a "group" of one column: a number for each of the 16 rows.
constexpr GroupLayout group_layout(quant::BlockType type) {
  using enum quant::BlockType;
  switch (type) {
    case f32: return {1, 0, 4 * kPanelRows};
    case f16: return {1, 0, 2 * kPanelRows};
    case bf16: return {1, 0, 2 * kPanelRows};
    case q4_0: return {1, kRowHalves, kNibbles};
    case q4_1: return {1, 2 * kRowHalves, kNibbles};
    case q5_0: return {1, kRowHalves, kNibbles + kBits};
    case q5_1: return {1, 2 * kRowHalves, kNibbles + kBits};
    case q8_0: return {1, kRowHalves, kBytes};
    case iq4_nl: return {1, kRowHalves, kNibbles};
    case mxfp4: return {1, kPanelRows, kNibbles};
    // Sub-blocks of 16: a byte each.
    case q2_k: return {8, 2 * kRowHalves + 16 * kPanelRows, kPairs};
    case q3_k: return {8, kRowHalves + 16 * kPanelRows, kPairs + kBits};
    case q6_k: return {8, kRowHalves + 16 * kPanelRows, kNibbles + kPairs};
    // Scales and minimums of six bits, in the file's twelve bytes: [12][16 rows].
    case q4_k: return {8, 2 * kRowHalves + 12 * kPanelRows, kNibbles};
    case q5_k: return {8, 2 * kRowHalves + 12 * kPanelRows, kNibbles + kBits};
    case iq4_xs: return {8, kRowHalves + 8 * kPanelRows, kNibbles};
    default: return {};
  }
}

// Whether a type's weights meet activations of 8 bits; those of single numbers meet them as they are.
constexpr bool meets_quantized(quant::BlockType type) {
  return type != quant::BlockType::f32 && type != quant::BlockType::f16 && type != quant::BlockType::bf16;
}

// The columns of a group.
constexpr int group_columns(quant::BlockType type) {
  return meets_quantized(type) ? group_layout(type).blocks * kQuantBlock : 1;
}

// What is added to the numbers of the signed types to store them unsigned, as a power of two; 0 where nothing is. The
// sixteen numbers of IQ4_NL have 128 added, those of MXFP4 16, when the table gives them.
constexpr int offset_bits(quant::BlockType type) {
  using enum quant::BlockType;
  switch (type) {
    case q4_0: return 3;
    case q5_0: return 4;
    case q8_0: return 7;
    case q3_k: return 2;
    case q6_k: return 5;
    case iq4_nl: return 7;
    case iq4_xs: return 7;
    case mxfp4: return 4;
    default: return 0;
  }
}

}  // namespace propane::cpu
