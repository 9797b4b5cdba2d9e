"""Lines of code by folder, and functions and files that are too long; scripts/loc.sh says how lines are counted."""
import pathlib
import re
import sys

LIMITS = {"core + layers + optim": 4700, "lines of a file": 450, "lines of a function": 60}
FIGURES, FIGURE_LIMIT = "inspect/report/figures/", 30  # of a function that makes the tables of a figure
LIBRARY = ["core", "core/kernels", "layers", "optim", "io", "inspect", "inspect/report"]
OTHERS = ["examples", "tests", "bench"]

# Comments, and literals, in which neither comments nor braces count.
TOKEN = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def without_comments(text, literals=True):
    def keep(match):
        token = match.group()
        if token.startswith("/"):
            return "\n" * token.count("\n")
        return token if literals else '""' + "\n" * token.count("\n")

    return TOKEN.sub(keep, text)


def lines_of_code(text):
    return sum(1 for line in without_comments(text).split("\n") if line.strip())


def functions(text):
    """(first line, number of lines, heading) of every function that is not inside another one."""
    text = without_comments(text, literals=False)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda match: "\n" * match.group().count("\n"), text, flags=re.MULTILINE)
    found, stack, heading_at = [], [], 0
    for at, character in enumerate(text):
        if character == "{":
            heading = text[heading_at:at]
            expression = at > 0 and not text[at - 1].isspace() or heading.rstrip().endswith(("=", ",", "(", "return"))
            scope = re.match(r"\s*(template\s*<.*>\s*)?(inline )?(namespace|class|struct|enum|union|extern)\b", heading, re.DOTALL)
            is_function = not expression and not scope and "(" in heading and not any(kind == "function" for kind, _ in stack)
            stack.append(("expression" if expression else "function" if is_function else "scope", heading_at))
            if not expression:
                heading_at = at + 1
        elif character == "}" and stack:
            kind, begin = stack.pop()
            if kind == "function":
                begin += len(text[begin:]) - len(text[begin:].lstrip())
                first = text.count("\n", 0, begin) + 1
                found.append((first, text.count("\n", 0, at) + 2 - first, " ".join(text[begin:at].split("{")[0].split())))
            if kind != "expression":
                heading_at = at + 1
        elif character == ";":
            heading_at = at + 1
    return found


def folder_of(path):
    return max((f for f in LIBRARY + OTHERS if path.startswith(f + "/")), key=len, default=None)


def main(root, check):
    code = dict.fromkeys(LIBRARY + OTHERS, 0)
    files = dict.fromkeys(code, 0)
    too_long = []
    for path in sorted(p for folder in ["core", "layers", "optim", "io", "inspect", *OTHERS] for p in (root / folder).rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        name, text = path.relative_to(root).as_posix(), path.read_text()
        folder = folder_of(name)
        code[folder] += lines_of_code(text)
        files[folder] += 1
        if folder == "tests":
            continue
        lines = text.count("\n")
        if lines > LIMITS["lines of a file"]:
            too_long.append(f"{name} has {lines} lines")
        most = FIGURE_LIMIT if name.startswith(FIGURES) else LIMITS["lines of a function"]
        too_long += [f"{name}:{first}: {heading[:70]} has {count} lines"
                     for first, count, heading in functions(text) if count > most]
    print(f"{'folder':<24}{'files':>6}{'lines of code':>15}")
    for folder, count in code.items():
        print(f"{folder:<24}{files[folder]:>6}{count:>15,}")
    engine = code["core"] + code["layers"] + code["optim"]
    limit = LIMITS["core + layers + optim"]
    print(f"\ncore + layers + optim without kernels: {engine:,} (limit {limit:,}); the library: {sum(code[f] for f in LIBRARY):,}")
    print(f"files over {LIMITS['lines of a file']} or functions over {LIMITS['lines of a function']} lines ({FIGURE_LIMIT} in figures), but for tests:",
          "none" if not too_long else "")
    for line in too_long:
        print("  " + line)
    return 1 if check and (too_long or engine > limit) else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(__file__).resolve().parents[2], "--check" in sys.argv[1:]))
