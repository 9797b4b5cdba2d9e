#!/usr/bin/env python3
"""Writes reference.txt: values and slopes of the elementwise ops, computed with 50 digits (python3-mpmath) from formulas of
their own. Operands are floats, so that they are the same number as doubles.

    tests/accuracy/reference.py > tests/accuracy/reference.txt
"""
import random
import struct

from mpmath import cos, erfc, exp, expm1, log, log1p, mp, mpf, nstr, pi, sin, sqrt, tanh

mp.dps = 50


def sigma(x):
    return 1 / (1 + exp(-x))


def sigma_slope(x):
    return sigma(x) * sigma(-x)


def softplus(x):
    return log1p(exp(x))


def pdf(x):
    return exp(-x * x / 2) / sqrt(2 * pi)


def cdf(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def sign(x):
    return mpf((x > 0) - (x < 0))


def held(x, low, high):
    return max(mpf(low), min(mpf(high), x))


def tie(a, b):
    return mpf(1) if a > b else mpf("0.5") if a == b else mpf(0)


def gelu_tanh(x):
    c = mpf("0.044715")
    u = 2 * sqrt(2 / pi) * (x + c * x**3)
    return x * sigma(u), sigma(u) + x * sigma_slope(u) * 2 * sqrt(2 / pi) * (1 + 3 * c * x * x)


def mish(x):
    t = tanh(softplus(x))
    return x * t, t + x * (1 - t * t) * sigma(x)


def huber(a, b):
    d = a - b
    s = held(d, -1, 1)
    return (d * d / 2 if abs(d) <= 1 else abs(d) - mpf("0.5")), s, -s


P = mpf("0.75")
SCALE = mpf("1.0507009873554804934193349852946")
ALPHA = mpf("1.6732632423543772848170429916717")

UNARY = {
    "neg": lambda x: (-x, mpf(-1)),
    "add_scalar": lambda x: (x + P, mpf(1)),
    "sub_from_scalar": lambda x: (P - x, mpf(-1)),
    "mul_scalar": lambda x: (P * x, P),
    "div_scalar": lambda x: (x / P, 1 / P),
    "divide_scalar": lambda x: (P / x, -P / x**2),
    "exp": lambda x: (exp(x), exp(x)),
    "expm1": lambda x: (expm1(x), exp(x)),
    "log": lambda x: (log(x), 1 / x),
    "log1p": lambda x: (log1p(x), 1 / (1 + x)),
    "sqrt": lambda x: (sqrt(x), 1 / (2 * sqrt(x))),
    "square": lambda x: (x * x, 2 * x),
    "pow": lambda x: (x ** mpf("2.5"), mpf("2.5") * x ** mpf("1.5")),
    "sin": lambda x: (sin(x), cos(x)),
    "cos": lambda x: (cos(x), -sin(x)),
    "sign": lambda x: (sign(x),),
    "abs": lambda x: (abs(x), sign(x)),
    "clamp": lambda x: (held(x, 0, 1), mpf(0 <= x <= 1)),
    "sigmoid_slope": lambda x: (sigma_slope(x), -sigma_slope(x) * tanh(x / 2)),
    "normal_pdf": lambda x: (pdf(x), -x * pdf(x)),
    "normal_cdf": lambda x: (cdf(x), pdf(x)),
    "identity": lambda x: (x, mpf(1)),
    "sigmoid": lambda x: (sigma(x), sigma_slope(x)),
    "tanh": lambda x: (tanh(x), 4 * sigma_slope(2 * x)),
    "relu": lambda x: (max(x, mpf(0)), mpf(x > 0)),
    "leaky_relu": lambda x: (x, mpf(1)) if x > 0 else (x * mpf("0.01"), mpf("0.01")),
    "elu": lambda x: (x, mpf(1)) if x > 0 else (expm1(x), exp(x)),
    "selu": lambda x: (SCALE * x, SCALE) if x > 0 else (SCALE * ALPHA * expm1(x), SCALE * ALPHA * exp(x)),
    "celu": lambda x: (x, mpf(1)) if x > 0 else (expm1(x), exp(x)),
    "softplus": lambda x: (softplus(x), sigma(x)),
    "softsign": lambda x: (x / (1 + abs(x)), (1 + abs(x)) ** -2),
    "swish": lambda x: (x * sigma(x), sigma(x) + x * sigma_slope(x)),
    "gelu": lambda x: (x * cdf(x), cdf(x) + x * pdf(x)),
    "gelu_tanh": gelu_tanh,
    "mish": mish,
    "hard_sigmoid": lambda x: (held((x + 3) / 6, 0, 1), mpf(abs(x) < 3) / 6),
    "hard_swish": lambda x: (x * held((x + 3) / 6, 0, 1), (2 * x + 3) / 6 if abs(x) < 3 else mpf(x >= 3)),
    "hard_tanh": lambda x: (held(x, -1, 1), mpf(abs(x) < 1)),
    "relu6": lambda x: (held(x, 0, 6), mpf(0 < x < 6)),
    "log_sigmoid": lambda x: (-softplus(-x), sigma(-x)),
}
BINARY = {
    "add": lambda a, b: (a + b, mpf(1), mpf(1)),
    "sub": lambda a, b: (a - b, mpf(1), mpf(-1)),
    "mul": lambda a, b: (a * b, b, a),
    "div": lambda a, b: (a / b, 1 / b, -a / b**2),
    "power": lambda a, b: (a**b, b * a ** (b - 1), a**b * log(a)),
    "greater": lambda a, b: (mpf(a > b),),
    "greater_equal": lambda a, b: (mpf(a >= b),),
    "maximum": lambda a, b: (max(a, b), tie(a, b), tie(b, a)),
    "minimum": lambda a, b: (min(a, b), tie(b, a), tie(a, b)),
    "prelu": lambda x, a: (x, mpf(1), mpf(0)) if x > 0 else (a * x, a, x),
    "squared_error": lambda a, b: ((a - b) ** 2, 2 * (a - b), 2 * (b - a)),
    "absolute_error": lambda a, b: (abs(a - b), sign(a - b), sign(b - a)),
    "huber_error": huber,
    "bce_with_logits": lambda z, t: (softplus(z) - z * t, (1 - t) * sigma(z) - t * sigma(-z), -z),
}
FROM = {"log": 0, "log1p": -1, "sqrt": 0, "pow": 0}


def to_float(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def points():
    sizes = [1e-30, 1e-10, 1e-5, 0.01, 0.1, 0.5, 1, 1.25, 2, 3, 4, 6, 8, 10, 12, 14.4, 17, 25, 37, 50, 80, 88, 103, 700, 1e4, 1e10, 1e30]
    spread = random.Random(1)
    sizes += [spread.uniform(0, 20) for _ in range(75)]
    return [to_float(s * x) for x in sizes for s in (1, -1)]


def line(name, operands, results):
    if all(r == 0 or mpf(10) ** -400 < abs(r) < mpf(10) ** 400 for r in results):
        print(name, *(repr(x) for x in operands), *(nstr(r, 24, min_fixed=-3, max_fixed=3) for r in results))


def main():
    at = points()
    for name, f in UNARY.items():
        for x in at:
            if x > FROM.get(name, float("-inf")):
                # Differences of nearly equal numbers need the digits that cancel.
                with mp.workdps(400):
                    line(name, [x], f(mpf(x)))
    for name, f in BINARY.items():
        for i, x in enumerate(at):
            y = x if i % 8 == 0 else at[(7 * i + 3) % len(at)]
            if name == "power":
                x, y = abs(x), to_float(abs(y) % 30)
            with mp.workdps(400):
                line(name, [x, y], f(mpf(x), mpf(y)))
    for i, x in enumerate(at):
        a, b = at[(3 * i + 1) % len(at)], at[(5 * i + 2) % len(at)]
        mask = 0.0 if i % 2 else x
        line("where", [mask, a, b], (mpf(a if mask else b), mpf(mask != 0), mpf(mask == 0)))


main()
