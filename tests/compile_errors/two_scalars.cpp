// a network has one scalar
#include <tapegrad/layers/containers.h>
#include <tapegrad/layers/linear.h>

tapegrad::Rng rng(42);
tapegrad::Sequential net{tapegrad::Linear(2, 8, rng), tapegrad::f64::Linear(8, 1, rng)};
