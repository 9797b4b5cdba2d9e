#!/usr/bin/env python3
"""Changes the library in many places, one at a time, and counts the changes that no test notices.

    mutate.py sample [--count 1500] [--only core,optim]   a fixed random sample of all mutants, or of those of some folders
    mutate.py list                                        those of mutants.txt, which have to die (or live)

Both need a build of the preset ci with its tests, and compile again only what they change: the list its files, the sample the
folders that are mutated and the test files that mirror them. What other objects have inlined from a header is not mutated.

Steps: (1) find mutants (mutants.py) and write them into a copy of the sources, all of them at once; (2) compile, drop those with
which it does not compile, and repeat; (3) link one program (main.cpp) in which an environment variable chooses one; (4) run
all test cases once without a mutant: what each costs and which mutants it reaches; (5) for every mutant run the test
cases that reach it until one fails: first those in the test file of its name, then the others, the cheapest first. A mutant that
no test case reaches has survived. Test cases that take longer than `slow` are left out, and so is what goes beyond `most`: they
train networks, nearly everything in them is reached by cheap ones, and every survivor would have to wait for them.

What is mutated is compiled with the assertions of Eigen and of the C++ library, so that an index that is out of range is noticed as it
is in the stage asan, which runs the same tests.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mutants

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDERS = ["core", "core/kernels", "layers", "optim", "io", "inspect", "inspect/report"]
SEED = 20260101
SPARE = 1.3   # how many more are written into the sources than counted: some are not compiled on this machine
SLOW = 2.5    # seconds that a test case may take to be used
MOST = 20     # seconds of test cases for one mutant
JOBS = int(os.environ.get("JOBS", os.cpu_count()))


def run(command, **options):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)


def library_files():
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).iterdir()
                  if path.suffix in (".h", ".cpp") and path.name != "onnx.cpp")  # not in the libraries that are mutated


def test_files(folders):
    """Those of these folders: what they inline from headers is mutated, too."""
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / "tests" / folder).glob("*_test.cpp"))


def write(path, text):
    """Only if it changed, so that little is compiled again."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_copy(build, chosen):
    by_file = defaultdict(list)
    for number, mutant in chosen.items():
        by_file[mutant.file].append((number, mutant))
    copy = build / "copy" / "tapegrad"
    for file in library_files() + ["tapegrad.h"]:
        write(copy / file, mutants.insert((ROOT / file).read_text(), by_file[file]))
    version = re.search(r"VERSION (\d+)\.(\d+)\.(\d+)\n", (ROOT / "CMakeLists.txt").read_text())
    text = (ROOT / "cmake/version.h.in").read_text()
    for name, value in zip(["", "_MAJOR", "_MINOR", "_PATCH"], [".".join(version.groups()), *version.groups()]):
        text = text.replace(f"@PROJECT_VERSION{name}@", value)
    write(copy / "version.h", text)


def has_mutant(path, row):
    return b"::tapegrad_mutant<" in Path(path).read_bytes().split(b"\n")[row - 1]


def mutants_at(path, row, column, file, chosen, all_on_line):
    text = Path(path).read_bytes().split(b"\n")[row - 1]
    numbers = [int(n) for n in re.findall(rb"::tapegrad_mutant<(\d+)>", text if all_on_line else text[:column + 18])]
    if numbers:
        return numbers if all_on_line else numbers[-1:]
    source = (ROOT / file).read_text().split("\n")  # an expression may begin on an earlier line
    start = sum(len(t) + 1 for t in source[:row - 1])
    around = sorted((m.end - m.start, n) for n, m in chosen.items()
                    if m.file == file and m.start < start + len(source[row - 1]) and m.end > start)
    return [n for _, n in (around if all_on_line else around[:1])]


def wrong_mutants(errors, build, chosen, all_on_line):
    """The mutants to which these messages of the compiler point."""
    copy = str(build / "copy" / "tapegrad") + "/"
    wrong, used_from = set(), []
    for line in errors.splitlines():
        match = re.match(r"(.*?):(\d+):(\d+): +(fatal error|error|required from|.*?required from|in .constexpr. expansion)", line)
        if not match:
            continue
        path, row, column = os.path.normpath(build / match[1]), int(match[2]), int(match[3])
        ours = path.startswith(copy)
        if "error" not in match[4]:
            used_from += [(path, row, column)] if ours else []
            continue
        # An error where no mutant is belongs to the first of our lines on the way to it that has one.
        way = ([(path, row, column)] if ours else []) + [place for place in used_from if has_mutant(*place[:2])]
        used_from = []
        for path, row, column in way:
            here = mutants_at(path, row, column, path[len(copy):], chosen, all_on_line)
            if not here and "expected" in line:  # of a semicolon that is missing before a mutant GCC says so on the line before it
                here = mutants_at(path, row + 1, 10**6, path[len(copy):], chosen, all_on_line)
            wrong.update(here)
            if here:
                break
    return wrong


def command_of(ci, file):
    """How the preset ci compiles a file, up to the name of the object."""
    for entry in json.loads((ci / "compile_commands.json").read_text()):
        if os.path.samefile(entry["file"], ROOT / file) and "gemm_o" not in entry["command"]:  # not for another matrix product
            words = shlex.split(entry["command"])
            return words[:words.index("-o")]
    sys.exit(f"{ci} does not compile {file}: build the preset ci first")


def compile_mutated(build, ci, files):
    """Compiles these files of the copy: their objects, and what the compiler says where it fails."""
    commands, objects = [], []
    for file in ["tests/mutation/main.cpp", *files]:
        ours = file.startswith("tests")
        words = command_of(ci, "tests/main.cpp" if file == "tests/mutation/main.cpp" else file)
        words = [f"-I{build / 'copy'}" if word == f"-I{ci / 'include'}" else word for word in words if word != "-Werror"]
        objects.append(str(build / (file.replace("/", "_") + ".o")))
        commands.append([*words, "-O1", "-UNDEBUG", "-D_GLIBCXX_ASSERTIONS", "-w", "-Wno-narrowing", "-Werror=vla", "-fdiagnostics-column-unit=byte", "-ftemplate-backtrace-limit=0", "-include",
                         HERE / "mutant.h", "-o", objects[-1], "-c", ROOT / file if ours else build / "copy" / "tapegrad" / file])
    with ThreadPoolExecutor(JOBS) as pool:
        done = list(pool.map(lambda command: run(command, cwd=ci), commands))
    return objects, "".join(each.stderr for each in done if each.returncode)


def link(build, ci, objects, files):
    """The tests as the preset ci has built them, with these objects before those of the library, which are then not taken."""
    words = run(["ninja", "-C", ci, "-t", "commands", "tests/tapegrad_tests"]).stdout.splitlines()[-1]
    words = shlex.split(words.removeprefix(": && ").removesuffix(" && :"))
    at = words.index(next(word for word in words if word.endswith("/main.cpp.o")))
    words[at:at + 1] = objects
    again = tuple("/" + file.removeprefix("tests/") + ".o" for file in files if file.startswith("tests/"))
    words = [word for word in words if word in objects or not (again and word.endswith(again))]
    words[words.index("-o") + 1] = str(build / "mutants")
    done = run(words, cwd=ci)
    if done.returncode:
        sys.exit(done.stderr)


def compile_all(build, ci, chosen, dropped, files):
    """Drops mutants that do not compile until everything does."""
    for attempt in range(30):
        begin = time.time()
        write_copy(build, chosen)
        objects, errors = compile_mutated(build, ci, files)
        if not errors:
            return link(build, ci, objects, files)
        wrong = wrong_mutants(errors, build, chosen, attempt >= 2) or wrong_mutants(errors, build, chosen, True)
        print(f"  compiled for {time.time() - begin:.0f} s: {len(wrong)} mutants do not compile", flush=True)
        if not wrong:
            sys.exit(errors[-5000:])
        dropped.update(chosen.pop(number).key() for number in wrong)
        (build / "dropped.txt").write_text("\n".join(sorted(dropped)))  # spares the next build its attempts
    sys.exit("the program does not compile")


def runner(build, environment, timeout, arguments=()):
    """Runs the program in an empty folder: its exit code, or None if it took too long."""
    with tempfile.TemporaryDirectory() as folder:
        variables = dict(os.environ, TMPDIR=folder, **environment)
        process = subprocess.Popen([build / "mutants", *arguments], cwd=folder, env=variables, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def reached(build, arguments=()):
    """Test cases as (seconds, file, name, mutants that it reaches), and what is reached before all of them."""
    path = build / "reached.txt"
    runner(build, {"MUTANT_REACHED": str(path)}, 1800, arguments)
    cases, before = [], set()
    for line in path.read_text().splitlines():
        seconds, passed, file, name, *numbers = line.split("\t")
        numbers = {int(n) for n in numbers}
        if not file:
            before = numbers
        elif passed != "1":
            print(f"  fails without a mutant, so it is not used: {file}: {name}")
        elif float(seconds) > SLOW:
            print(f"  takes {float(seconds):.1f} s, so it is not used: {file}: {name}")
        else:
            cases.append((float(seconds), file, name, numbers))
    return cases, before


def fate(build, number, mutant, cases, before):
    stem = Path(mutant.file).stem
    mine = [case for case in cases if number in case[3] or number in before]
    mine.sort(key=lambda case: (Path(case[1]).stem != stem + "_test", case[0]))
    names, seconds, seen = [], 0, set()
    for cost, file, name, _ in mine:
        if (file, name) not in seen and seconds + cost < MOST:
            names.append(f"{file}\t{name}\n")
            seen.add((file, name))
            seconds += cost
    if not names:
        return "not reached"
    path = build / f"cases-{number}.txt"
    path.write_text("".join(names))
    code = runner(build, {"MUTANT": str(number), "MUTANT_CASES": str(path)}, 10 + 6 * seconds)
    path.unlink()
    return "survived" if code == 0 else "killed"


def equivalent():
    """Changes that are known to change nothing: key without its number of appearance, and why."""
    lines = (HERE / "equivalent.txt").read_text().splitlines()
    return {tuple(line.split(" | ")[:3]) for line in lines if line and not line.startswith("#")}


def line_of(mutant):
    return (ROOT / mutant.file).read_text()[:mutant.start].count("\n") + 1


def described(mutant, result):
    return f"{mutant.file}:{line_of(mutant)} [{result}, {mutant.kind}] {mutant.original}  =>  {mutant.change}"


def sample(build, ci, count, folders):
    files = [file for file in library_files() if str(Path(file).parent) in folders]
    everything = sorted((m for f in files for m in mutants.find(f, (ROOT / f).read_text())), key=lambda m: m.rank(SEED))
    known = build / "dropped.txt"
    dropped = set(known.read_text().split("\n")) if known.exists() else set()
    candidates = [m for m in everything if m.key() not in dropped][:int(count * SPARE * (1 if dropped else 1.3))]
    chosen = dict(enumerate(candidates, 1))
    print(f"{len(everything)} mutants, {len(chosen)} of them written into the sources", flush=True)
    compile_all(build, ci, chosen, dropped, [file for file in files if file.endswith(".cpp")] + test_files(folders))
    run(["objcopy", "--dump-section", f"mutants={build / 'present.bin'}", build / "mutants", "/dev/null"])
    data = (build / "present.bin").read_bytes()
    present = {int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)}
    chosen = {n: chosen[n] for n in [n for n in chosen if n in present][:count]}
    print(f"{len(chosen)} of those that are in the program are run", flush=True)
    cases, before = reached(build)
    print(f"{len(cases)} test cases, {sum(case[0] for case in cases):.0f} s", flush=True)
    begin = time.time()
    fates, alive = {}, open(build / "alive.txt", "w")
    with ThreadPoolExecutor(JOBS) as pool:
        for number, result in zip(chosen, pool.map(lambda n: fate(build, n, chosen[n], cases, before), chosen)):
            fates[number] = result
            if result != "killed":
                print(described(chosen[number], result), file=alive, flush=True)  # who waits can begin with these
    report(chosen, fates, time.time() - begin)


def report(chosen, fates, seconds):
    excused, folders, alive = equivalent(), defaultdict(Counter), []
    for number, mutant in sorted(chosen.items(), key=lambda pair: (pair[1].file, pair[1].start)):
        result = fates[number]
        if result != "killed" and (mutant.file, mutant.original, mutant.change) in excused:
            result = "equivalent"
        folders[str(Path(mutant.file).parent)][result] += 1
        if result in ("survived", "not reached"):
            alive.append(described(mutant, result))
    print("\n".join(alive))
    folders["together"] = sum(folders.values(), Counter())
    for folder, count in folders.items():
        dead, all_of_them = count["killed"], count.total()
        print(f"{folder:16} {dead:5} of {all_of_them:5} killed ({100 * dead / all_of_them:.1f} %), {count['survived']} survived, "
              f"{count['not reached']} not reached, {count['equivalent']} equivalent")
    print(f"{seconds:.0f} s for the runs")


def listed():
    """The entries of mutants.txt as (whether it dies, mutant, test file)."""
    entries, wrong = [], []
    for line in (HERE / "mutants.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        expected, file, original, change, *test = [part.strip() for part in re.split(r" \|(?: |$)", line)]
        path = ROOT / file
        source = path.read_text() if path.exists() else ""
        if source.count(original) != 1:
            wrong.append(f"mutants.txt: '{original}' is {source.count(original)} times in {file}, not once: correct the entry")
            continue
        start, kind = source.index(original), "statement" if original.endswith(";") else "operator"
        entries.append((expected == "dies", mutants.Mutant(file, start, start + len(original), kind, original, change),
                        test[0] if test else f"{path.stem}_test.cpp"))
    if wrong:
        sys.exit("\n".join(wrong))
    return entries


def run_list(build, ci):
    entries, begin = listed(), time.time()
    chosen = {number: mutant for number, (_, mutant, _) in enumerate(entries, 1)}
    write_copy(build, chosen)
    objects, errors = compile_mutated(build, ci, sorted({mutant.file for mutant in chosen.values()}))
    if errors:
        sys.exit(errors)
    link(build, ci, objects, [])
    print(f"{len(entries)} mutants, built in {time.time() - begin:.0f} s", flush=True)
    options = lambda test: ["--abort-after=1", "--minimal", f"--source-file=*/{test}"]
    begin, seconds = time.time(), {}
    for test in sorted({test for _, _, test in entries}):
        start = time.time()
        if runner(build, {}, 600, options(test)) != 0:
            sys.exit(f"{test} fails without a mutant")
        seconds[test] = time.time() - start
    with ThreadPoolExecutor(JOBS) as pool:
        codes = pool.map(lambda n: runner(build, {"MUTANT": str(n)}, 10 + 6 * seconds[entries[n - 1][2]],
                                          options(entries[n - 1][2])), chosen)
    wrong = 0
    for (dies, mutant, test), code in zip(entries, codes):
        if (code != 0) != dies:
            wrong += 1
            print(f"{mutant.file}: {mutant.original}  =>  {mutant.change}: " +
                  (f"{test} does not notice it" if dies else f"{test} fails, though it changes nothing"))
    print(f"{len(entries) - wrong} of {len(entries)} as they should be; the runs took {time.time() - begin:.0f} s")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sample", "list"])
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--only", default=",".join(FOLDERS), help="folders that are mutated")
    parser.add_argument("--ci", type=Path, default=ROOT / "build/ci")
    parser.add_argument("--build", type=Path, help="build/mutants_WHAT")
    arguments = parser.parse_args()
    arguments.build = arguments.build or ROOT / f"build/mutants_{arguments.what}"
    arguments.build.mkdir(parents=True, exist_ok=True)
    build = arguments.build.resolve()
    if arguments.what == "sample":
        sample(build, arguments.ci.resolve(), arguments.count, arguments.only.split(","))
    else:
        run_list(build, arguments.ci.resolve())


if __name__ == "__main__":
    main()
