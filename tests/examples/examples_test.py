#!/usr/bin/env python3
"""What the examples promise to those who run them: options, JSON, errors, exit codes, quiet pipes, Ctrl-C.

Run by ctest as `examples_test.py FOLDER-OF-THE-PROGRAMS`; needs nothing but Python and Fashion-MNIST."""

import json
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

FOLDER = ""
PROGRAMS = []
WITHOUT_OPTIONS = ("first", "digits")  # to be short
SMALL = ["--limit", "500", "--epochs", "1"]
ESCAPE = "\x1b"


class Result:
    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()


def run(program, *arguments, **environment):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    command = [os.path.join(FOLDER, program), *map(str, arguments)]
    return Result(subprocess.run(command, capture_output=True, env={**env, **environment}, timeout=300, check=False))


class Terminal:
    """A program in a terminal of its own; what it has written so far is in `text`."""

    def __init__(self, program, *arguments, **environment):
        env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        master, slave = pty.openpty()
        self.master = master
        self.process = subprocess.Popen(
            [os.path.join(FOLDER, program), *map(str, arguments)], stdin=slave, stdout=slave,
            stderr=subprocess.PIPE, env={**env, **environment})
        os.close(slave)
        self.text = ""
        self.raw = b""

    def read(self):
        """One more piece of the output; False at the end."""
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""
        self.raw += piece
        self.text = self.raw.decode(errors="replace")
        return bool(piece)

    def wait_for(self, pattern):
        while not re.search(pattern, self.text):
            if not self.read():
                raise AssertionError(f"the program ended without writing {pattern}")

    def finish(self):
        while self.read():
            pass
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        os.close(self.master)
        return self.process.wait(timeout=300), errors


class ExampleTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def path(self, name="out.json"):
        return os.path.join(self.scratch, name)

    def summary(self, program, *arguments, **environment):
        """Runs with --json, checks that all went well, returns the parsed file."""
        result = run(program, *arguments, "--json", self.path(), **environment)
        self.assertEqual((result.code, result.err), (0, ""), result.out)
        self.assertEqual(os.listdir(self.scratch), ["out.json"])
        with open(self.path(), encoding="utf-8") as file:
            text = file.read()
        os.remove(self.path())
        self.assertTrue(text.endswith("}\n"))

        def no_constant(name):
            raise AssertionError(f"{name} is not JSON")

        return json.loads(text, parse_constant=no_constant)

    def assert_number(self, value, low=-math.inf, high=math.inf):
        self.assertIn(type(value), (int, float))
        self.assertTrue(low <= value <= high, f"{value} is not within {low} and {high}")

    def assert_fails(self, program, *arguments, err, code=1):
        result = run(program, *arguments, "--json", self.path())
        self.assertEqual((result.err, result.code), (err, code))
        self.assertEqual(os.listdir(self.scratch), [])

    def assert_too_small(self, program, option, value, bound="at least 1"):
        self.assert_fails(program, option, value, code=105,
                          err=f"{option}: must be {bound}, got {value}\nRun with --help for more information.\n")

    def assert_out_of_range(self, program, option, value):
        """The words are CLI11's."""
        result = run(program, option, value, "--json", self.path())
        self.assertEqual(result.code, 105)
        self.assertRegex(result.err, rf"\A{option}: Value {value} not in range \S+ to \S+\n"
                                     r"Run with --help for more information\.\n\Z")
        self.assertEqual(os.listdir(self.scratch), [])


class Options(ExampleTest):
    def test_every_program_has_help_seed_and_json(self):
        for name in (*WITHOUT_OPTIONS, "tape", "xor", "custom_activation", "mnist", "saturation", "dead_relu", "gradients", "activations",
                     "claims", "papers", "curvature", "table"):
            self.assertIn(name, PROGRAMS)
        for name in PROGRAMS:
            with self.subTest(name):
                result = run(name, "--help")
                self.assertEqual((result.code, result.err), (0, ""))
                if name in WITHOUT_OPTIONS:
                    self.assertRegex(result.out, r"\A[^\n]{20,80}\n\Z")
                    continue
                for option in ("--help", "--seed", "--json FILE"):
                    self.assertIn(option, result.out)
                self.assertNotIn(ESCAPE, result.out)

    def test_options_of_xor_and_mnist(self):
        xor = run("xor", "--help").out
        for option in "activation hidden optimizer lr steps seeds".split():
            self.assertRegex(xor, rf"--{option}\b")
        self.assertRegex(xor, r"identity, sigmoid, tanh,\s")
        mnist = run("mnist", "--help").out
        for names in ("linear_warmup, one_cycle", "adamw, rmsprop", "orthogonal", "exit code"):
            self.assertIn(names.lower(), mnist.lower())
        for option in ("data hidden activation init optimizer lr schedule epochs batch dropout batch-norm "
                       "weight-decay precision limit checkpoint every resume").split():
            self.assertRegex(mnist, rf"--{option}\b")

    def test_seeds(self):
        for wrong in ("-1", "1.5", "18446744073709551616", "0x10"):
            with self.subTest(wrong):
                self.assert_fails("xor", "--steps", "1", "--seed=" + wrong, code=105,
                                  err=f"--seed: must be a whole number from 0 to 2^64 - 1, got {wrong}\n"
                                      "Run with --help for more information.\n")
        self.assertEqual(run("xor", "--steps", "1", "--seed", "18446744073709551615").code, 0)

    def test_help_fits_80_columns(self):
        for name in PROGRAMS:
            with self.subTest(name):
                for line in run(name, "--help").out.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_unknown_option(self):
        for name in WITHOUT_OPTIONS:
            self.assertNotEqual(run(name, "--no-such-option").code, 0)
        for name in set(PROGRAMS) - set(WITHOUT_OPTIONS):
            with self.subTest(name):
                result = run(name, "--no-such-option")
                self.assertNotEqual(result.code, 0)
                self.assertTrue(result.err.startswith("The following argument was not expected: --no-such-option\n"))


class Short(ExampleTest):
    """The two that come first."""

    def losses(self, label, *command):
        result = run(*command)
        self.assertEqual((result.code, result.err), (0, ""))
        lines = [re.fullmatch(label + r" (\d+): loss (\d+\.\d{4})", line) for line in result.out.splitlines()]
        self.assertNotIn(None, lines, result.out)
        return {int(line[1]): float(line[2]) for line in lines}

    def test_first(self):
        losses = self.losses("step", "first")
        self.assertEqual(list(losses), [0, 100, 200, 300, 400])
        self.assertGreater(losses[0], 0.5)
        self.assertLess(losses[400], 0.05)

    def test_digits(self):
        """Ten kinds of images, each white in other places."""
        count = 600
        for part in ("train", "t10k"):
            with open(self.path(part + "-images-idx3-ubyte"), "wb") as file:
                file.write(struct.pack(">4i", 2051, count, 28, 28))
                for i in range(count):
                    file.write(bytes(255 if pixel % 10 == i % 10 else 0 for pixel in range(784)))
            with open(self.path(part + "-labels-idx1-ubyte"), "wb") as file:
                file.write(struct.pack(">2i", 2049, count) + bytes(i % 10 for i in range(count)))
        losses = self.losses("epoch", "digits", self.scratch)
        self.assertEqual(list(losses), [1, 2, 3, 4, 5])
        self.assertLess(losses[1], 2.5)
        self.assertLess(losses[5], 0.1)

    def test_digits_without_images(self):
        result = run("digits", self.scratch)
        self.assertNotEqual(result.code, 0)
        self.assertIn("found neither train-images-idx3-ubyte nor", result.err)


class Tape(ExampleTest):
    def test_values(self):
        data = self.summary("tape", "-a", 3, "-b", 0.5, "-c", -1)
        y = math.tanh(0.5)
        self.assertAlmostEqual(data["y"], y, delta=1e-15)
        self.assertAlmostEqual(data["d2y_da2"], -2 * y * (1 - y * y) * 0.25, delta=1e-15)
        nodes = data["nodes"]
        self.assertEqual([n["op"] for n in nodes], ["input", "input", "input", "mul", "add", "tanh"])
        self.assertEqual([n["index"] for n in nodes], list(range(6)))
        self.assertEqual([n["from"] for n in nodes], ["", "", "", "#0 #1", "#3 #2", "#4"])
        slope = 1 - y * y
        for node, value, grad in zip(nodes, (3, 0.5, -1, 1.5, 0.5, y), (slope / 2, 3 * slope, slope, slope, slope, 1)):
            self.assertAlmostEqual(node["value"], value, delta=1e-15)
            self.assertAlmostEqual(node["grad"], grad, delta=1e-15)


class CustomActivation(ExampleTest):
    def test_fields(self):
        data = self.summary("custom_activation", "--steps", 150)
        self.assertEqual(data["gradient_check"], [True, True])
        self.assertAlmostEqual(data["sup_slope"], 2, delta=1e-6)
        losses = data["final_loss"]
        self.assertEqual(set(losses), {"snake(a=2)", "tanh", "relu", "identity"})
        self.assertLess(losses["snake(a=2)"], losses["identity"])

    def test_report(self):
        page = self.path("page.html")
        result = run("custom_activation", "--steps", 20, "--report", page)
        self.assertEqual((result.code, result.err), (0, ""))
        with open(page, encoding="utf-8") as file:
            html = file.read()
        for name in ("snake(a=2)", "tanh", "relu", "identity"):
            self.assertIn(f"<h3>{name}</h3>", html)

    def test_bad_setting(self):
        self.assert_fails("custom_activation", "-a", -1, err="error: [snake] a must be positive, got -1\n")


class Xor(ExampleTest):
    def test_fields_when_solved(self):
        data = self.summary("xor")
        self.assertIs(data["solved"], True)
        self.assertIs(type(data["steps_to_solve"]), int)
        self.assert_number(data["steps_to_solve"], 1, 500)
        self.assertEqual(len(data["losses"]), 500)
        for loss in data["losses"]:
            self.assert_number(loss, 0)
        self.assertEqual(data["final_loss"], data["losses"][-1])
        self.assertLess(data["final_loss"], 0.05)
        self.assertEqual(len(data["predictions"]), 4)
        for answer, target in zip(data["predictions"], (0, 1, 1, 0)):
            self.assert_number(answer, target - 0.1, target + 0.1)

    def test_fields_when_not_solved(self):
        data = self.summary("xor", "--activation", "identity", "--steps", 200)
        self.assertIs(data["solved"], False)
        self.assertIsNone(data["steps_to_solve"])
        self.assertEqual(len(data["losses"]), 200)
        self.assert_number(data["final_loss"], math.log(2) * 0.99, math.log(2) * 1.02)

    def test_settings_are_used(self):
        plain = self.summary("xor", "--steps", 20)
        for changed in (["--lr", "0.01"], ["--hidden", "5"], ["--optimizer", "sgd"], ["--activation", "relu"]):
            with self.subTest(changed):
                self.assertNotEqual(self.summary("xor", "--steps", 20, *changed)["losses"], plain["losses"])

    def test_success_rates(self):
        data = self.summary("xor", "--activation", "tanh,identity", "--seeds", 10)
        self.assertEqual(set(data["success_rate"]), {"tanh", "identity"})
        self.assert_number(data["success_rate"]["tanh"], 0.9, 1)
        self.assertEqual(data["success_rate"]["identity"], 0)
        self.assertEqual(data["seeds"], 10)

    def test_success_rates_with_a_report(self):
        report = self.path("report.html")
        result = run("xor", "--activation", "tanh,relu", "--seeds", 3, "--seed", 5, "--steps", 20, "--report", report)
        self.assertEqual((result.code, result.err), (0, ""))
        with open(report, encoding="utf-8") as file:
            page = file.read()
        self.assertIn("<h1>XOR from seed 5, the first of 3</h1>", page)
        for name in ("tanh", "relu"):
            self.assertIn(f"<h3>{name}</h3>", page)
        os.remove(report)
        self.assert_fails("xor", "--seeds", "3", "--watch", code=108,
                          err="--seeds excludes --watch\nRun with --help for more information.\n")

    def test_same_seed_same_json(self):
        first = self.summary("xor", "--seed", 7, "--steps", 50)
        self.assertEqual(self.summary("xor", "--seed", 7, "--steps", 50), first)
        self.assertNotEqual(self.summary("xor", "--seed", 8, "--steps", 50), first)

    def test_errors(self):
        self.assert_fails("xor", "--activation", "swich",
                          err="error: [activation] no activation named 'swich'; did you mean 'swish'?\n")
        self.assert_fails("xor", "--optimizer", "adm",
                          err="error: [optimizer] no optimizer named 'adm'; did you mean 'adam'?\n")
        self.assert_fails("xor", "--lr", "-1", err="error: [adam] lr must not be negative, got -1\n")
        for option, value in (("--steps", "-5"), ("--steps", "0"), ("--steps", "nan"), ("--seeds", "-1")):
            self.assert_too_small("xor", option, value)
        self.assert_out_of_range("xor", "--hidden", "0")
        self.assert_fails("xor", "--steps", "1.5", code=104,
                          err="Could not convert: --steps = 1.5\nRun with --help for more information.\n")


class Mnist(ExampleTest):
    def test_fields(self):
        data = self.summary("mnist", "--limit", 500, "--epochs", 2, "--hidden", "16,8")
        self.assert_number(data["test_accuracy"], 0.2, 1)
        for name in ("train_loss", "test_loss"):
            self.assertEqual(len(data[name]), 2)
            for loss in data[name]:
                self.assert_number(loss, 0, 10)
            self.assertLess(data[name][1], data[name][0])
        self.assert_number(data["samples_per_second"], 100)
        self.assertEqual(data["parameters"], 784 * 16 + 16 + 16 * 8 + 8 + 8 * 10 + 10)
        self.assertIs(data["interrupted"], False)

    def test_same_seed_same_json(self):
        arguments = [*SMALL, "--hidden", 16, "--dropout", 0.2, "--batch-norm"]
        first, second, other = (self.summary("mnist", *arguments, "--seed", seed) for seed in (7, 7, 8))
        for data in (first, second, other):
            del data["samples_per_second"]
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_everything_else_it_takes(self):
        data = self.summary("mnist", *SMALL, "--hidden", 12, "--activation", "maxout(pieces=3)", "--init",
                            "orthogonal", "--optimizer", "adamw", "--lr", 0.003, "--schedule", "one_cycle",
                            "--batch", 33, "--weight-decay", 0.01, "--precision", "double", "--batch-norm")
        self.assertEqual(data["parameters"], 785 * 36 + 2 * 36 + 13 * 10)

    def test_errors(self):
        self.assert_fails("mnist", *SMALL, "--lr", "1e30", "--optimizer", "sgd",
                          err="error: [mnist] the loss is not finite in epoch 1: lower the learning rate (1e+30); --report "
                              "says more\n", code=3)
        self.assert_fails("mnist", *SMALL, "--activation", "swich",
                          err="error: [activation] no activation named 'swich'; did you mean 'swish'?\n")
        self.assert_fails("mnist", *SMALL, "--init", "he_norml",
                          err="error: [initializer] no initializer named 'he_norml'; did you mean 'he_normal'?\n")
        self.assert_fails("mnist", *SMALL, "--optimizer", "adm",
                          err="error: [optimizer] no optimizer named 'adm'; did you mean 'adam'?\n")
        self.assert_fails("mnist", *SMALL, "--schedule", "cosin",
                          err="error: [schedule] no schedule named 'cosin'; did you mean 'cosine'?\n")
        self.assert_fails("mnist", *SMALL, "--dropout", "1",
                          err="error: [dropout] the probability must be in [0, 1), got 1\n")
        folder = self.path("nothing-here")
        self.assert_fails("mnist", "--data", folder,
                          err=f"error: [idx] {folder}: found neither train-images-idx3-ubyte nor "
                              "train-images-idx3-ubyte.gz; Fashion-MNIST is in the Debian package "
                              "dataset-fashion-mnist, and scripts/fetch-mnist.sh DIR fetches MNIST\n")
        for option, value in (("--epochs", "0"), ("--batch", "-64")):
            self.assert_too_small("mnist", option, value)
        self.assert_too_small("mnist", "--limit", "-1", "at least 0")
        self.assert_out_of_range("mnist", "--hidden", "0")
        self.assert_fails("mnist", "--precision", "half", code=105,
                          err="--precision: half not in {float,double}\nRun with --help for more information.\n")


class Activations(ExampleTest):
    def without_times(self, *arguments):
        data = self.summary("activations", "--size", 32, *arguments)
        for row in [*data["activations"], data["matrix_product"]]:
            for time_of in ("ns_forward", "ns_backward"):
                self.assert_number(row.pop(time_of), 0)
        self.assertEqual(data["matrix_product"], {})
        return data["activations"]

    def test_fields(self):
        rows = {row["name"]: row for row in self.without_times()}
        for name in ("identity", "tanh", "relu", "gelu", "softmax", "maxout", "glu", "prelu", "gaussian"):
            self.assertIn(name, rows)
        for name, row in rows.items():
            with self.subTest(name):
                curves = row["curves"]
                self.assertEqual(set(curves), {"x", "f", "slope", "curvature"})
                for curve in curves.values():
                    self.assertEqual(len(curve), len(curves["x"]))
                self.assertEqual(curves["x"], sorted(curves["x"]))
                self.assert_number(row["mean"], -10, 10)
                self.assert_number(row["variance"], 0, 10)
                if row["sup_slope"] is not None:
                    steepest = max(abs(slope) for slope in curves["slope"] if slope is not None)
                    self.assertLessEqual(steepest, row["sup_slope"] * (1 + 1e-12))
                for kink in row["kinks"]:  # the line breaks where f′ jumps
                    if abs(kink["at"]) < 5:
                        self.assertIsNone(curves["slope"][curves["x"].index(kink["at"])])

    def test_values(self):
        rows = {row["name"]: row for row in self.without_times("--only", "tanh,softmax,glu,prelu,maxout(pieces=3)")}
        for i, x in enumerate(rows["tanh"]["curves"]["x"]):
            y = math.tanh(x)
            sigmoid = 1 / (1 + math.exp(-x))
            for name, f, slope, curvature in (
                    ("tanh", y, 1 - y * y, -2 * y * (1 - y * y)),
                    ("softmax", sigmoid, sigmoid * (1 - sigmoid), sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid)),
                    ("glu", x / 2, 0.5, 0)):
                curves = rows[name]["curves"]
                for key, wanted in (("f", f), ("slope", slope), ("curvature", curvature)):
                    self.assertAlmostEqual(curves[key][i], wanted, delta=1e-12)
        for name, left, right in (("prelu", 0.25, 1), ("maxout(pieces=3)", 0, 1)):
            slopes = rows[name]["curves"]["slope"]
            self.assertEqual((slopes[0], slopes[-1]), (left, right))
        self.assertAlmostEqual(rows["tanh"]["mean"], 0, delta=0.01)
        self.assertAlmostEqual(rows["softmax"]["mean"], 1 / 12, delta=1e-12)

    def test_settings_and_a_users_own(self):
        leaky, gaussian = self.without_times("--only", "leaky_relu(negative_slope=0.2),gaussian")
        self.assertEqual(leaky["name"], "leaky_relu(negative_slope=0.2)")
        self.assertEqual(leaky["kinks"], [{"at": 0, "slope": 0.2}])
        self.assertAlmostEqual(gaussian["mean"], 1 / math.sqrt(3), delta=0.01)

    def test_same_seed_same_json(self):
        first, second, other = (self.without_times("--seed", seed) for seed in (7, 7, 8))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_terminal_plots_and_page(self):
        page = self.path("page.html")
        result = run("activations", "--size", 32, "--only", "relu,gelu", "--report", page)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertNotIn(ESCAPE, result.out)
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        with open(page, encoding="utf-8") as file:
            html = file.read()
        figures = json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)[1])
        self.assertEqual(set(figures["views"]), {"A0", "A1", "B0", "B1"})
        for view in figures["views"]:
            self.assertIn(f'<div class="view" id="{view}">', html)

    def test_the_table_fits_80_columns(self):
        for line in run("activations", "--size", 32, NO_COLOR="1").out.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_the_readme_has_the_table(self):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "README.md"), encoding="utf-8") as file:
            self.assertIn(run("activations", "--markdown").out, file.read())

    def test_errors(self):
        self.assert_fails("activations", "--only", "swich",
                          err="error: [activation] no activation named 'swich'; did you mean 'swish'?\n")
        self.assert_out_of_range("activations", "--size", "0")


class Curvature(ExampleTest):
    SHORT = ("--lr", "0.1", "--steps", 1200, "--ode-steps", 2000)

    def test_fields(self):
        data = self.summary("curvature", *self.SHORT)
        self.assert_number(data["hessian_vector"]["relative_error"], 0, 1e-8)
        self.assert_number(data["hessian_vector"]["asymmetry"], 0, 1e-12)
        (descent,) = data["descent"]
        self.assertEqual((descent["lr"], descent["threshold"]), (0.1, 20))
        self.assertEqual(len(descent["sharpness"]), len(descent["step"]))
        self.assertEqual(len(descent["loss"]), len(descent["step"]))
        self.assertLess(descent["sharpness"][0], 20)
        self.assert_number(descent["reached_at_step"], 1, 1200)
        self.assert_number(descent["late_ratio"], 0.8, 1.3)
        self.assertLess(descent["loss"][-1], descent["loss"][0] / 2)
        self.assert_number(data["equation"]["max_error"], 0, 1e-3)
        self.assertLess(data["equation"]["final_loss"], 1e-4)

    def test_below_the_edge_and_far_above(self):
        calm, wild = self.summary("curvature", "--lr", "0.01,1", "--steps", 200, "--ode-steps", 5)["descent"]
        self.assertIsNone(calm["reached_at_step"])
        self.assertLess(calm["sharpness"][-1], calm["threshold"])
        self.assertGreater(wild["sharpness"][0], wild["threshold"])
        self.assertIsNone(wild["loss"][-1])

    def test_same_seed_same_json(self):
        short = ("--lr", "0.1", "--steps", 80, "--ode-steps", 50)
        first, second, other = (self.summary("curvature", *short, "--seed", seed) for seed in (7, 7, 8))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)

    def test_page(self):
        page = self.path("page.html")
        result = run("curvature", "--lr", "0.1", "--steps", 80, "--ode-steps", 20, "--report", page)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertNotIn(ESCAPE, result.out)
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        with open(page, encoding="utf-8") as file:
            self.assertIn("The edge of stability", file.read())

    def test_errors(self):
        for option in ("--steps", "--ode-steps"):
            self.assert_too_small("curvature", option, "0")
        self.assert_too_small("curvature", "--lr", "0", "above 0")


class SeeingInside(ExampleTest):
    SHORT = ["--steps", 60, "--depth", 2, "--width", 16, "--activation", "sigmoid,relu"]

    def test_saturation(self):
        data = self.summary("saturation", *self.SHORT)
        self.assertEqual([r["activation"] for r in data["runs"]], ["sigmoid", "relu"])
        for run_ in data["runs"]:
            points = len(run_["steps"])
            self.assertGreater(points, 5)
            self.assertEqual(run_["steps"], sorted(run_["steps"]))
            self.assertEqual((len(run_["loss"]), len(run_["accuracy"])), (points, points))
            self.assertIn("escape_step", run_)
            self.assertEqual([layer["path"] for layer in run_["layers"]], ["1", "3"])
            for layer in run_["layers"]:
                for name in ("mean", "std", "saturated_low", "saturated_high", "gradient_rms"):
                    self.assertEqual(len(layer[name]), points)
                for share in layer["saturated_low"] + layer["saturated_high"]:
                    self.assert_number(share, 0, 1)
        self.assertEqual(self.summary("saturation", *self.SHORT), data)

    def test_dead_relu(self):
        data = self.summary("dead_relu", "--lr", "0.1,0.5", "--activation", "relu,swish", "--steps", 250)
        self.assertEqual([(r["lr"], r["activation"]) for r in data["runs"]],
                         [(0.1, "relu"), (0.1, "swish"), (0.5, "relu"), (0.5, "swish")])
        for run_ in data["runs"]:
            self.assert_number(run_["accuracy"], 0, 1)
            self.assertEqual(len(run_["layers"]), 2)
            for layer in run_["layers"]:
                for name in ("dead_epoch", "dead_batch", "asleep"):
                    self.assert_number(layer[name], 0, 1)
        self.assertEqual(data["runs"][1]["deaths"], [])  # f' of swish is nowhere 0
        deaths = data["runs"][2]["deaths"]
        self.assertGreater(len(deaths), 10)
        for death in deaths:
            self.assert_number(death["step"], 0, 249)
            self.assert_number(death["unit"], 0, 99)
            self.assertIn(death["layer"], (1, 2))
            self.assertGreater(len(death["cause"]), 10)

    def test_revive(self):
        arguments = ["--lr", "0.5", "--activation", "relu", "--steps", 100]
        self.assertEqual(self.summary("dead_relu", *arguments)["runs"][0]["revived"], 0)
        self.assertGreater(self.summary("dead_relu", *arguments, "--revive")["runs"][0]["revived"], 0)

    def test_gradients(self):
        data = self.summary("gradients", "--depth", 5, "--width", 16)
        for row in data["rows"]:
            self.assertEqual(len(row["log10_gradient_rms"]), 5)
            self.assert_number(row["factor_per_layer"], 0)
        self.assertRegex(data["broken"]["blame"], r"^3\.logarithm: \[nan\] logarithm made \d+ non-finite values")

    def test_reports_and_logs(self):
        for name, *arguments in (("saturation", *self.SHORT), ("xor", "--steps", 40), ("mnist", *SMALL),
                                 ("dead_relu", "--lr", "0.1", "--activation", "relu", "--steps", 40)):
            with self.subTest(name):
                report, log = self.path("report.html"), self.path("run.jsonl")
                result = run(name, *arguments, "--report", report, "--log", log)
                self.assertEqual((result.code, result.err), (0, ""))
                with open(report, encoding="utf-8") as file:
                    page = file.read()
                self.assertTrue(page.startswith("<!doctype html>") and page.endswith("</html>\n"))
                self.assertLess(os.path.getsize(report), 5_000_000)
                with open(log, encoding="utf-8") as file:
                    kinds = {json.loads(line)["kind"] for line in file}
                self.assertTrue({"run", "loss", "layer", "parameter"} <= kinds, kinds)
                os.remove(report)
                os.remove(log)

    def test_watch_in_a_pipe_and_in_a_terminal(self):
        result = run("saturation", *self.SHORT, "--watch")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertNotIn(ESCAPE, result.out)
        terminal = Terminal("saturation", *self.SHORT, "--watch")
        self.assertEqual(terminal.finish(), (0, ""))
        self.assertIn("saturated low", terminal.text)


class Table(ExampleTest):
    def test_a_file_of_ones_own(self):
        with tempfile.TemporaryDirectory() as folder:
            path, net = os.path.join(folder, "trees.csv"), os.path.join(folder, "net.safetensors")
            with open(path, "w") as file:
                file.write("id,height,girth,bark,tree\n")
                for i in range(300):
                    wide = i * 37 % 100
                    file.write(f"{i},{i * 61 % 100},{wide if i % 50 else 'NA'},{('rough', 'smooth')[i % 2]},"
                               f"{'oak' if wide > 50 else 'pine'}\n")
            arguments = ["--data", path, "--skip", "id", "--one-hot", "bark", "--missing", "drop", "--epochs", 30]
            data = self.summary("table", *arguments, "--label", "tree", "--save", net)
            self.assertEqual((data["samples"], data["classes"]), (294, ["oak", "pine"]))
            self.assertGreater(data["test_accuracy"], 0.9)
            self.assertTrue(os.path.exists(net))
            self.assertEqual(self.summary("table", *arguments), data)
            self.assertEqual(run("table", *arguments, "--lr", "1e30").code, 3)
            self.assert_fails("table", "--data", path, "--label", "tre",
                              err=f"error: [csv] {path}:1: no column named 'tre'; did you mean 'tree'?\n")
        self.assert_fails("table", err="error: [table] a table is needed: --data FILE\n")


class Lab(ExampleTest):
    def test_clinic(self):
        """Every fault is found; the first remedy repairs what training can repair."""
        cannot = {"constant-input", "one-label", "shuffled"}
        faults = [line.split()[0] for line in run("clinic", "--list").out.splitlines()]
        self.assertGreaterEqual(len(faults), 24)
        for fault in faults:
            with self.subTest(fault=fault):
                data = self.summary("clinic", "--fault", fault)
                self.assertTrue(data["before"]["findings"])
                self.assertEqual("after" not in data, fault in cannot)
                if fault in cannot:
                    self.assertRegex(data["remedy"], "^no training repairs this: look at ")
                else:
                    self.assertGreater(data["after"]["accuracy"], 0.9)
                    self.assertGreaterEqual(data["after"]["accuracy"], data["before"]["accuracy"])
        self.assert_fails("clinic", "--fault", "nothing", err="error: [clinic] no fault named 'nothing'; --list names them\n")

    def test_claims(self):
        data = self.summary("claims", "--only", "12,13")
        self.assertEqual([(c["id"], c["verdict"]) for c in data["claims"]], [(12, "Q"), (13, "T")])
        for claim in data["claims"]:
            self.assertTrue(claim["expected"] and claim["measured"] and claim["criterion"])

    def test_page_of_claims(self):
        page = self.path("page.html")
        result = run("claims", "--only", "12,13", "--report", page)
        self.assertEqual((result.code, result.err), (0, ""))
        with open(page, encoding="utf-8") as file:
            html = file.read()
        self.assertEqual(re.findall(r'<section id="([^"]*)">', html), ["claim-12", "claim-13"])
        self.assertLess(len(html), 50_000)  # it has no charts, so it holds no scripts for them

    def test_unknown_names(self):
        self.assert_fails("claims", "--only", "12,zz",
                          err="error: [claims] there is no claim zz; they are numbered 1 to 39\n")
        self.assert_fails("papers", "--only", "zz",
                          err="error: [papers] no paper named 'zz'; there are pascanu, saxe, glorot-scale, he, klambauer, "
                              "balduzzi, lu, glorot-saturation, high-rate, fashion, mnist\n")

    def test_papers(self):
        data = self.summary("papers", "--only", "saxe")
        self.assertEqual(len(data["results"]), 4)
        for result in data["results"]:
            self.assertEqual(result["pass"], result["low"] <= result["measured"] <= result["high"])
            self.assertTrue(result["pass"])


class Json(ExampleTest):
    def test_unwritable_files_are_found_before_the_work(self):
        missing = os.path.join(self.scratch, "missing", "out.json")
        folder = self.path("folder")
        os.mkdir(folder)
        for path, why in ((missing, "No such file or directory"), (folder, "Is a directory")):
            for program, option in (("xor", "json"), ("xor", "log"), ("mnist", "report"), ("mnist", "checkpoint"), ("gradients", "dot"),
                                    ("claims", "report"), ("papers", "report"), ("activations", "report"),
                                    ("curvature", "report"), ("dead_relu", "log"), ("custom_activation", "report"),
                                    ("saturation", "report"), ("tape", "json")):
                with self.subTest(f"{program} --{option} {path}"):
                    result = run(program, "--" + option, path)
                    self.assertEqual((result.code, result.out, result.err),
                                     (1, "", f"error: [{option}] {path}: cannot be written: {why}\n"))
        self.assertEqual(os.listdir(self.scratch), ["folder"])
        self.assertEqual(os.listdir(folder), [])

    def test_a_full_disk_is_an_error(self):
        for arguments in (["first"], ["first", "--help"], ["digits", "--help"], ["xor"], ["xor", "--help"], ["tape"],
                          ["activations", "--markdown"]):
            with self.subTest(arguments), open("/dev/full", "wb") as full:
                command = [os.path.join(FOLDER, arguments[0]), *arguments[1:]]
                result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=300, check=False)
                self.assertEqual(result.returncode, 1)
                if arguments[0] not in WITHOUT_OPTIONS:
                    self.assertEqual(result.stderr.decode(), "error: standard output: No space left on device\n")
        for option in ("json", "log", "report"):
            with self.subTest(option):
                result = run("xor", "--steps", 5, "--" + option, "/dev/full")
                self.assertEqual((result.code, result.err),
                                 (1, f"error: [{option}] /dev/full: cannot be written: No space left on device\n"))

    def test_standard_output_keeps_what_was_printed(self):
        """Through a pipe, and as a file, which must not be replaced or cut off."""
        for name in ("pipe", "file"):
            with self.subTest(name), open(self.path(), "wb") as file:
                command = [os.path.join(FOLDER, "xor"), "--steps", "5", "--log", "/dev/stdout"]
                result = subprocess.run(command, stdout=file if name == "file" else subprocess.PIPE, timeout=300,
                                        stderr=subprocess.PIPE, check=False)
                with open(self.path(), "rb") as written:
                    out = result.stdout.decode() if name == "pipe" else written.read().decode()
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertIn("XOR with 8 hidden tanh units", out.splitlines()[1])
                self.assertIn("The log is in /dev/stdout: one JSON object per line.", out.splitlines())
                self.assertEqual(len([line for line in out.splitlines() if line.startswith('{"kind":"loss"')]), 5)

    def test_a_failure_keeps_the_old_file(self):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.write("old")
        self.assertEqual(run("xor", "--activation", "swich", "--json", self.path()).code, 1)
        with open(self.path(), encoding="utf-8") as file:
            self.assertEqual(file.read(), "old")


class Output(ExampleTest):
    def test_lines_fit_80_columns(self):
        for name, *arguments in (("first",), ("tape",), ("xor", "--steps", 30), ("xor", "--steps", 30, "--seeds", 3),
                                 ("custom_activation", "--steps", 10), ("gradients",),
                                 ("mnist", *SMALL, "--hidden", 16)):
            with self.subTest(name):
                for line in run(name, *arguments).out.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_words(self):
        self.assertIn("Learning sin(3x) in 1 step\n", run("custom_activation", "--steps", 1).out)
        out = run("xor", "--steps", 1, "--hidden", 1).out
        self.assertIn("XOR with 1 hidden tanh unit, 1 step of adam\n", out)
        self.assertNotIn("✓", out.replace("(✓: within 0.1)", ""))
        for activation, lr in (("tanh", "1e38"), ("relu", "1e30"), ("identity", "1e30")):
            result = run("xor", "--activation", activation, "--optimizer", "sgd", "--lr", lr, "--json", self.path())
            out = result.out
            with open(self.path(), encoding="utf-8") as file:
                finite = json.load(file)["final_loss"] is not None
            self.assertEqual(result.code, 0 if finite else 3)
            self.assertIn("Not solved", out)
            self.assertNotIn("Solved after", out)

    def test_no_escape_codes_in_a_pipe(self):
        for name, *arguments in (("tape",), ("xor", "--steps", 30), ("xor", "--steps", 30, "--seeds", 3),
                                 ("custom_activation", "--steps", 10), ("mnist", *SMALL, "--hidden", 16)):
            for environment in ({}, {"NO_COLOR": "1"}):
                with self.subTest(name, **environment):
                    result = run(name, *arguments, **environment)
                    self.assertEqual((result.code, result.err), (0, ""))
                    self.assertGreater(len(result.out), 100)
                    self.assertNotIn(ESCAPE, result.out)
                    self.assertNotIn("\r", result.out)

    def test_colours_in_a_terminal_unless_told_otherwise(self):
        for name, *arguments in (("tape",), ("xor", "--steps", 30), ("mnist", *SMALL, "--hidden", 16)):
            with self.subTest(name):
                coloured = Terminal(name, *arguments)
                self.assertEqual(coloured.finish(), (0, ""))
                self.assertRegex(coloured.text, ESCAPE + r"\[[0-9;]*m")
                plain = Terminal(name, *arguments, NO_COLOR="1")
                self.assertEqual(plain.finish(), (0, ""))
                self.assertNotRegex(plain.text, ESCAPE + r"\[[0-9;]*m")  # the progress line may be redrawn


class Interrupt(ExampleTest):
    def interrupted(self, wait_for, *arguments):
        terminal = Terminal("mnist", "--epochs", 1000, *arguments, "--json", self.path())
        terminal.wait_for(wait_for)
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.finish(), (130, ""))
        for text in ("Stopped by Ctrl-C", "True class by row, predicted class by column",
                     r"\d+\.\d\d % of the test images are right"):
            self.assertTrue(re.search(text, terminal.text), f"no '{text}' in the output")
        self.assertEqual(os.listdir(self.scratch), ["out.json"])
        with open(self.path(), encoding="utf-8") as file:
            data = json.load(file)
        self.assertIs(data["interrupted"], True)
        self.assert_number(data["test_accuracy"], 0, 1)
        self.assert_number(data["samples_per_second"], 1)
        self.assertEqual(len(data["train_loss"]), len(data["test_loss"]))
        return data

    def test_in_the_middle_of_the_first_epoch(self):
        data = self.interrupted(r"\d k/s", "--limit", 20000, "--hidden", "1024,1024")
        self.assertEqual(len(data["train_loss"]), 1)

    def test_later(self):
        data = self.interrupted(r"K +3  ", "--limit", 500, "--hidden", 16)
        self.assertTrue(3 <= len(data["train_loss"]) < 1000)

    def test_other_examples(self):
        for name in ("saturation", "dead_relu"):
            with self.subTest(name):
                terminal = Terminal(name, "--json", self.path(), "--watch")
                terminal.wait_for("step")
                terminal.process.send_signal(signal.SIGINT)
                self.assertEqual(terminal.finish(), (130, ""))

    def test_before_the_training_it_just_ends(self):
        terminal = Terminal("mnist", "--json", self.path())
        time.sleep(0.1)
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.finish(), (-signal.SIGINT, ""))
        self.assertEqual(os.listdir(self.scratch), [])


if __name__ == "__main__":
    FOLDER = os.path.abspath(sys.argv.pop(1))
    PROGRAMS = sorted(name for name in os.listdir(FOLDER)
                      if os.path.isfile(os.path.join(FOLDER, name)) and os.access(os.path.join(FOLDER, name), os.X_OK)
                      and not name.endswith((".a", ".so")))
    unittest.main(verbosity=2)
