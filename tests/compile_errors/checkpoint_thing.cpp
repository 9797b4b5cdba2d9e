// what a checkpoint holds is a network, an optimizer, a schedule, an Rng, a matrix, a number
#include <tapegrad/io/checkpoint.h>

void keep(tapegrad::Checkpoint& run, std::vector<std::string>& names) { run.add("names", names); }
