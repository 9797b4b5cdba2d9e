#pragma once

/// The whole library. `namespace tg = tapegrad;` for float, `namespace tg = tapegrad::f64;` for double.

#include "tapegrad/core/activations.h"
#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/grad_check.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/core/matmul.h"
#include "tapegrad/core/ops.h"
#include "tapegrad/core/parameter.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/core/rng.h"
#include "tapegrad/core/select.h"
#include "tapegrad/core/tape.h"
