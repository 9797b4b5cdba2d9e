// such as Relu(), not relu
#include <tapegrad/layers/containers.h>
#include <tapegrad/layers/linear.h>

tapegrad::Rng rng(42);
tapegrad::Sequential net{tapegrad::Linear(2, 8, rng), "relu", tapegrad::Linear(8, 1, rng)};
