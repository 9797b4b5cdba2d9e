#!/usr/bin/env python3
"""The arrows between the folders: arrows_test.py ROOT. Who may include what is in ALLOWED; docs/architecture.md draws it.
And the examples include only what is installed."""
import pathlib
import re
import sys
import tempfile

KERNELS = ["core/types.h", "core/error.h", "core/kernels/"]
CORE = ["core/", "core/kernels/"]
ALLOWED = {  # folder: what its files may include of the library; the entry of a folder is not that of the folders in it
    "core/kernels/": KERNELS,
    "core/": CORE,
    "layers/": CORE + ["layers/"],
    "optim/": CORE + ["optim/"],
    "io/": CORE + ["layers/", "optim/", "io/"],
    "inspect/": CORE + ["layers/", "inspect/"],
    "inspect/report/": CORE + ["layers/", "inspect/", "inspect/report/"],
}
FOLDERS = sorted(ALLOWED, key=len, reverse=True)
JSON_IN = ("io/weights",)  # the only place that knows nlohmann-json, and no header of it


def folder_of(path):
    return next((folder for folder in FOLDERS if path.startswith(folder)), None)


def problem_of(path, included, quoted):
    """What is wrong with one include of a file of the library; None if nothing is."""
    folder = folder_of(path)
    if included.startswith("nlohmann/"):
        return None if path.startswith(JSON_IN) and path.endswith(".cpp") else "JSON is private to the .cpp files of " + " and ".join(JSON_IN)
    if not included.startswith("tapegrad/"):
        return "a header of the library is included as tapegrad/…" if quoted else None
    target = included.removeprefix("tapegrad/")
    if target in ALLOWED[folder] or folder_of(target) in ALLOWED[folder]:
        return None
    return f"{folder} may include only " + ", ".join(ALLOWED[folder])


def problems(root):
    found, files = [], 0
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".h", ".cpp")):
        name = path.relative_to(root).as_posix()
        if folder_of(name) is None:
            continue
        files += 1
        for number, line in enumerate(path.read_text().split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
            problem = match and problem_of(name, match[2], match[1] == '"')
            if problem:
                found.append(f"{name}:{number}: includes {match[2]}, but {problem}")
    return found, files


def includes(path):
    """The headers of the library that a file includes: "core/tape.h"."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*[<"]tapegrad/([^>"]+)', path.read_text(), re.M)


def not_installed(root):
    """What the examples include and a user cannot: installed is what tapegrad.h includes, directly or through others."""
    public, waiting = set(), ["tapegrad.h"]
    while waiting:
        header = waiting.pop()
        if header not in public:
            public.add(header)
            waiting += includes(root / header) if (root / header).exists() else []
    return [f"{path.relative_to(root)}: includes {header}, which is not installed"
            for path in sorted((root / "examples").rglob("*")) if path.suffix in (".h", ".cpp")
            for header in includes(path) if header not in public]


WRONG = {  # one include for each rule, which must be found
    "core/a.h": '#include "tapegrad/layers/linear.h"',
    "core/b.cpp": "#include <tapegrad/tapegrad.h>",
    "core/kernels/a.h": '#include "tapegrad/core/tape.h"',
    "layers/a.h": '#include "tapegrad/optim/optimizer.h"',
    "optim/a.cpp": '  #  include "tapegrad/layers/module.h"',
    "io/a.h": '#include "tapegrad/inspect/record.h"',
    "inspect/a.cpp": '#include "tapegrad/inspect/report/report.h"',
    "inspect/b.cpp": '#include "tapegrad/optim/optimizer.h"',
    "inspect/c.cpp": "#include <nlohmann/json.hpp>",
    "inspect/report/a.cpp": "#include <nlohmann/json.hpp>",
    "io/weights.h": "#include <nlohmann/json.hpp>",
    "inspect/report/b.cpp": '#include "tapegrad/io/csv.h"',
    "layers/b.cpp": '#include "lab/lab.h"',
}
RIGHT = {
    "core/kernels/b.h": '#include "tapegrad/core/error.h"',
    "layers/c.h": '#include "tapegrad/core/kernels/pack.h"\n#include <Eigen/QR>\n#include <vector>',
    "io/weights.cpp": "#include <nlohmann/json.hpp>",
}


def test_of_the_test():
    """Every wrong include is found, and only those."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**WRONG, **RIGHT}.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        found, files = problems(pathlib.Path(folder))
        assert files == len(WRONG) + len(RIGHT)
        assert [line.split(":")[0] for line in found] == sorted(WRONG), found
        for name, text in {"tapegrad.h": '#include "tapegrad/core/a.h"', "core/a.h": '#include "tapegrad/core/b.h"',
                           "examples/one.cpp": "#include <tapegrad/core/b.h>\n#include <tapegrad/core/c.h>"}.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        assert not_installed(pathlib.Path(folder)) == ["examples/one.cpp: includes core/c.h, which is not installed"]


if __name__ == "__main__":
    test_of_the_test()
    found, files = problems(pathlib.Path(sys.argv[1]))
    found += not_installed(pathlib.Path(sys.argv[1]))
    print("\n".join(found))
    print(f"{files} files, {len(found)} wrong includes")
    sys.exit(1 if found or files < 50 else 0)
