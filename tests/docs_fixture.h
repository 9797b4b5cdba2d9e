#pragma once

#include <tapegrad/tapegrad.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

/// What the fragments in the documents use without saying where it comes from. See docs_test.py.

namespace tg = tapegrad;
using namespace tapegrad;

namespace docs {

extern tg::Rng rng;
extern tg::Sequential net;
extern tg::Tape tape;
extern tg::Dataset train, valid, test;
extern tg::Matrix x, y;
extern std::vector<int> labels;
extern tg::Adam adam;
extern tg::Schedule schedule;
extern tg::Loader loader;
extern tg::Batches batches;
extern tg::Monitor monitor;
extern tg::Var loss;
extern int epoch, epochs, step;
extern bool resume;

}  // namespace docs
