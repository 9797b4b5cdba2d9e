// a layer belongs to one network
#include <tapegrad/layers/containers.h>
#include <tapegrad/layers/linear.h>

tapegrad::Rng rng(42);
tapegrad::Linear layer(2, 8, rng);
tapegrad::Sequential net{layer, tapegrad::Relu()};
