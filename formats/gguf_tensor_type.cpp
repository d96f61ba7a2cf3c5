#include "formats/gguf_tensor_type.h"

#include <algorithm>
#include <array>

namespace propane {

namespace {

using quant::BlockType;

// Numbers 4, 5, 31 to 33 and 36 to 38 were types once and are not written any more.
constexpr std::array<GgufTensorType, 34> kTypes = {{
    {0, "F32", 1, 4, BlockType::f32},
    {1, "F16", 1, 2, BlockType::f16},
    {2, "Q4_0", 32, 18, BlockType::q4_0},
    {3, "Q4_1", 32, 20, BlockType::q4_1},
    {6, "Q5_0", 32, 22, BlockType::q5_0},
    {7, "Q5_1", 32, 24, BlockType::q5_1},
    {8, "Q8_0", 32, 34, BlockType::q8_0},
    {9, "Q8_1", 32, 36, std::nullopt},
    {10, "Q2_K", 256, 84, BlockType::q2_k},
    {11, "Q3_K", 256, 110, BlockType::q3_k},
    {12, "Q4_K", 256, 144, BlockType::q4_k},
    {13, "Q5_K", 256, 176, BlockType::q5_k},
    {14, "Q6_K", 256, 210, BlockType::q6_k},
    {15, "Q8_K", 256, 292, std::nullopt},
    {16, "IQ2_XXS", 256, 66, std::nullopt},
    {17, "IQ2_XS", 256, 74, std::nullopt},
    {18, "IQ3_XXS", 256, 98, std::nullopt},
    {19, "IQ1_S", 256, 50, std::nullopt},
    {20, "IQ4_NL", 32, 18, BlockType::iq4_nl},
    {21, "IQ3_S", 256, 110, std::nullopt},
    {22, "IQ2_S", 256, 82, std::nullopt},
    {23, "IQ4_XS", 256, 136, BlockType::iq4_xs},
    {24, "I8", 1, 1, std::nullopt},
    {25, "I16", 1, 2, std::nullopt},
    {26, "I32", 1, 4, std::nullopt},
    {27, "I64", 1, 8, std::nullopt},
    {28, "F64", 1, 8, std::nullopt},
    {29, "IQ1_M", 256, 56, std::nullopt},
    {30, "BF16", 1, 2, BlockType::bf16},
    {34, "TQ1_0", 256, 54, std::nullopt},
    {35, "TQ2_0", 256, 66, std::nullopt},
    {39, "MXFP4", 32, 17, BlockType::mxfp4},
    {40, "NVFP4", 64, 36, std::nullopt},
    {41, "Q1_0", 128, 18, std::nullopt},
}};

}  // namespace

const GgufTensorType* find_gguf_tensor_type(uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufTensorType::id);
  return found == kTypes.end() ? nullptr : &*found;
}

const GgufTensorType& gguf_tensor_type(BlockType type) {
  return *std::ranges::find(kTypes, std::optional(type), &GgufTensorType::block_type);
}

}  // namespace propane
