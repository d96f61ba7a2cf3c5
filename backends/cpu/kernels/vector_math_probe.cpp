#include "backends/cpu/kernels/vector_math_probe.h"

#include "backends/cpu/kernels/select.h"

namespace propane::cpu {

PROPANE_DISPATCH(VectorMathProbe, vector_math_probe)

}  // namespace propane::cpu
