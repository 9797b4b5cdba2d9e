#!/usr/bin/env python3
"""Kills a training run at random moments, fills its disk, and spoils its writes: the checkpoint stays whole, the run ends bitwise
as if nothing had happened.

    kill_test.py MNIST FAULTY_FILES.so [--kills N] [--seed N]"""

import argparse
import json
import os
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ARGUMENTS = None
IMAGES, SIDE, STEPS = 120, 6, 180


def write_data(folder):
    """Ten kinds of noisy images."""
    source = random.Random(1)
    for part, count in (("train", IMAGES), ("t10k", 40)):
        with open(os.path.join(folder, part + "-images-idx3-ubyte"), "wb") as file:
            file.write(struct.pack(">4i", 2051, count, SIDE, SIDE))
            for i in range(count):
                file.write(bytes(min(255, 200 * (pixel % 10 == i % 10) + source.randrange(80)) for pixel in range(SIDE * SIDE)))
        with open(os.path.join(folder, part + "-labels-idx1-ubyte"), "wb") as file:
            file.write(struct.pack(">2i", 2049, count) + bytes(i % 10 for i in range(count)))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def position(path):
    """Steps that a checkpoint has taken; fails unless the file is whole."""
    data = read(path)
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    assert header.pop("__metadata__")["tapegrad_checkpoint"] == "1"
    assert max(tensor["data_offsets"][1] for tensor in header.values()) == len(data) - 8 - length
    begin, end = header["optimizer.steps"]["data_offsets"]
    return struct.unpack("<q", data[8 + length + begin:8 + length + end])[0]


class Checkpoints(unittest.TestCase):
    undisturbed = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        write_data(self.scratch)
        self.whole = self.path("whole")
        if Checkpoints.undisturbed is None:
            code, errors, out = self.run_to_end(self.whole)
            self.assertEqual((code, errors, position(self.whole)), (0, "", STEPS))
            Checkpoints.undisturbed = read(self.whole), self.table(out)
            self.assertEqual(len(self.table(out)), 12)
        with open(self.whole, "wb") as file:
            file.write(Checkpoints.undisturbed[0])

    def path(self, *names):
        return os.path.join(self.scratch, *names)

    def command(self, checkpoint, *options):
        usual = ["--lr", "0.01", "--optimizer", "adamw", "--batch-norm"]
        for option in options:
            if option in usual and option.startswith("--"):
                del usual[usual.index(option):usual.index(option) + 2]
        return [ARGUMENTS.mnist, "--data", self.scratch, "--hidden", "24,12", "--dropout", "0.2", "--batch", "8", "--epochs", "12",
                "--checkpoint", checkpoint, "--every", "1", *usual, *options]

    def run_to_end(self, checkpoint, *options, **more):
        result = subprocess.run(self.command(checkpoint, *options), capture_output=True, timeout=300, check=False, **more)
        return result.returncode, result.stderr.decode(), result.stdout.decode()

    def table(self, out):
        """What was found after each epoch, without the speed."""
        return re.findall(r"^ +(\d+ +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ %) ", out, re.M)

    def assert_whole(self, checkpoint):
        self.assertEqual(read(checkpoint), read(self.whole))

    def test_kill(self):
        source = random.Random(ARGUMENTS.seed)
        checkpoint = self.path("run")
        kills = runs = left = 0
        while kills < ARGUMENTS.kills or runs == 0:
            before, longest = 0, 0.3
            while True:
                with subprocess.Popen(self.command(checkpoint, "--resume"), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE) as process:
                    limit = time.monotonic() + source.uniform(0, longest)
                    while process.poll() is None and time.monotonic() < limit:
                        time.sleep(0.0005)
                    process.send_signal(signal.SIGKILL)
                    errors = process.stderr.read().decode()
                self.assertEqual(errors, "")
                if process.returncode == 0:
                    break
                self.assertEqual(process.returncode, -signal.SIGKILL)
                kills += 1
                if os.path.exists(checkpoint):
                    now = position(checkpoint)
                    self.assertGreaterEqual(now, before)
                    longest = 0.3 if now > before else 1.2 * longest  # on a slow machine it has to get on, too
                    before = now
                else:
                    longest *= 1.2
                for name in os.listdir(self.scratch):
                    if name.endswith(".tmp"):
                        left += 1
                        os.remove(self.path(name))
            self.assert_whole(checkpoint)
            os.remove(checkpoint)
            runs += 1
        print(f"{kills} kills in {runs} runs, {left} temporary files left, all runs ended as the undisturbed one")

    def test_interrupt_and_resume(self):
        checkpoint = self.path("run")
        with subprocess.Popen(self.command(checkpoint, "--json", self.path("json")), stdout=subprocess.PIPE) as process:
            while not os.path.exists(checkpoint) or position(checkpoint) < 20:
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            out = process.stdout.read().decode()
        self.assertEqual(process.returncode, 130)
        self.assertIn(f"Stopped by Ctrl-C; this is the network so far. --resume goes on from {checkpoint}.", out)
        with open(self.path("json"), encoding="utf-8") as file:
            self.assertIs(json.load(file)["interrupted"], True)
        code, errors, out = self.run_to_end(checkpoint, "--resume")
        self.assertEqual((code, errors), (0, ""))
        self.assertIn(f"This goes on with the run in {checkpoint}.\n", out)
        self.assert_whole(checkpoint)
        # One that is over shows its network again.
        code, errors, again = self.run_to_end(checkpoint, "--resume")
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(again[again.index("True class"):again.index(" right, after")], out[out.index("True class"):out.index(" right, after")])

    def test_another_run_is_refused(self):
        for options, what in ((["--lr", "0.02"], "schedule is cosine(base_lr=0.02, eta_min=0, t_max=180) here, "
                               "cosine(base_lr=0.01, eta_min=0, t_max=180) in the file"),
                              (["--weight-decay", "0.1"], "optimizer is adamw(beta1=0.9, beta2=0.999, eps=1e-08, amsgrad=0, "
                               "weight_decay=0.1) here, adamw(beta1=0.9, beta2=0.999, eps=1e-08, amsgrad=0, weight_decay=0) in "
                               "the file"),
                              (["--limit", "113"], "images is 113 here, 120 in the file")):
            code, errors, _ = self.run_to_end(self.whole, "--resume", *options)
            self.assertEqual((code, errors), (1, f"error: [checkpoint] {self.whole} does not fit the run: {what}\n"))
        code, errors, out = self.run_to_end(self.path("new"), "--resume", "--lr", "1e30", "--optimizer", "sgd")
        self.assertEqual(code, 3)
        self.assertIn(f"The run begins: there is no {self.path('new')}.\n", out)
        self.assertNotIn("most certain", out)

    def faulty(self, call, every):
        environment = {**os.environ, "LD_PRELOAD": ARGUMENTS.faulty, "FAULT_CALL": call, "FAULT_EVERY": str(every),
                       "ASAN_OPTIONS": "verify_asan_link_order=0"}
        checkpoint = self.path(f"{call}-{every}")
        code, errors, out = self.run_to_end(checkpoint, env=environment)
        return checkpoint, code, errors, out

    def test_short_writes_and_a_disk_that_is_full_at_times(self):
        for every in (1, 2, 3):
            checkpoint, code, errors, _ = self.faulty("short", every)
            self.assertEqual((code, errors), (0, ""))
            self.assert_whole(checkpoint)
        for call, why in (("full", "No space left on device"), ("fsync", "Input/output error")):
            for every in (1, 2, 5, 7):
                with self.subTest(call=call, every=every):
                    checkpoint, code, errors, out = self.faulty(call, every)
                    if (call, every) == ("fsync", 1):  # noticed before the work
                        self.assertEqual((code, out), (1, ""))
                        self.assertEqual(errors, f"error: [checkpoint] {checkpoint}: cannot be written: {why}\n")
                        continue
                    warning = f"warning: [checkpoint] {checkpoint}: cannot be written: {why}; the run goes on\n"
                    self.assertEqual(errors, warning * errors.count("\n"))
                    self.assertGreater(len(errors), 0)
                    self.assertEqual(self.table(out), Checkpoints.undisturbed[1])
                    if every == 1:
                        self.assertFalse(os.path.exists(checkpoint))
                        self.assertEqual(code, 1)
                    else:  # the last that could be written
                        self.assertEqual(code == 0, position(checkpoint) == STEPS and read(checkpoint) == read(self.whole))
                        self.assertGreater(position(checkpoint), STEPS - 2)
        self.assertFalse([name for name in os.listdir(self.scratch) if name.endswith(".tmp")])

    def test_a_file_that_may_not_grow(self):
        checkpoint = self.path("run")
        with open(checkpoint, "wb") as file:
            file.write(read(self.whole)[:100])

        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        code, errors, out = self.run_to_end(checkpoint, preexec_fn=small)
        self.assertEqual((code, errors), (1, f"warning: [checkpoint] {checkpoint}: cannot be written: File too large; the run "
                                             "goes on\n"))
        self.assertEqual(read(checkpoint), read(self.whole)[:100])
        self.assertEqual(self.table(out), Checkpoints.undisturbed[1])

    def test_a_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("only the superuser mounts a small disk; RLIMIT_FSIZE is tested")
        disk = self.path("disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], check=False, capture_output=True).returncode:
            self.skipTest("no tmpfs may be mounted here")
        try:
            checkpoint = os.path.join(disk, "run")
            with open(checkpoint, "wb") as file:
                file.write(b"old")
            with open(os.path.join(disk, "filler"), "wb") as file:
                file.write(bytes(20000))
            code, errors, out = self.run_to_end(checkpoint)
            self.assertEqual((code, errors), (1, f"warning: [checkpoint] {checkpoint}: cannot be written: No space left on device; "
                                                 "the run goes on\n"))
            self.assertEqual(read(checkpoint), b"old")
            self.assertEqual(sorted(os.listdir(disk)), ["filler", "run"])
            self.assertEqual(self.table(out), Checkpoints.undisturbed[1])
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_folder_that_is_read_only_from_the_start(self):
        folder = self.path("folder")
        os.mkdir(folder)
        checkpoint = os.path.join(folder, "run")
        if os.geteuid() == 0:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=False, capture_output=True).returncode:
                self.skipTest("no tmpfs may be mounted here")
            why = "Read-only file system"
        else:
            os.chmod(folder, 0o500)
            why = "Permission denied"
        try:
            code, errors, out = self.run_to_end(checkpoint)
            self.assertEqual((code, errors, out), (1, f"error: [checkpoint] {checkpoint}: cannot be written: {why}\n", ""))
        finally:
            if os.geteuid() == 0:
                subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mnist")
    parser.add_argument("faulty")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    ARGUMENTS = parser.parse_args()
    print(f"--seed {ARGUMENTS.seed}")
    unittest.main(argv=sys.argv[:1], verbosity=2)
