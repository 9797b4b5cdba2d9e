// an optimizer needs a name: static constexpr std::string_view name
#include <tapegrad/tapegrad.h>

struct Lion {
  double lr = 1e-4;
  double weight_decay = 0;
  tapegrad::OptimizerBuffers buffers() const { return {}; }
};

int main() {
  tapegrad::RuleOptimizer<float, Lion> lion({tapegrad::Parameter("w", tapegrad::Matrix::Ones(1, 1))});
  lion.step();
}
