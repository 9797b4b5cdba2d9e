#pragma once

#include <vector>

#include "claim.h"

namespace lab {

std::vector<Claim> depth_claims();    ///< 1 to 5: layers, weights and gradients
std::vector<Claim> sigmoid_claims();  ///< 6 to 15
std::vector<Claim> tanh_claims();     ///< 16 to 18
std::vector<Claim> relu_claims();     ///< 19 to 26, leaky ReLU among them
std::vector<Claim> elu_claims();      ///< 27 to 33
std::vector<Claim> softmax_claims();  ///< 34 and 35
std::vector<Claim> swish_claims();    ///< 36 to 39

}  // namespace lab
