#!/usr/bin/env python3
"""docs_test.py COMPILER LIBRARY... -- FLAG... : the C++ in README.md and docs/*.md compiles, and its programs print what stands below them.

A block with main() is a program: it is run, and a block of ```text right behind it is its output. Any other block is a fragment: it
compiles behind tests/docs_fixture.h, `…` left out, structs and functions at namespace scope and the rest in a function. A block behind
`<!-- from FILE -->` stands in that file, which another test runs. `python` blocks have to parse.
"""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = '#include "docs_fixture.h"\n'


def blocks(page):
    """(line, language, text, what stands right before it, what stands right behind it)"""
    text = page.read_text()
    for match in re.finditer(r'^```(\w+)\n(.*?)^```\n', text, re.M | re.S):
        before, behind = text[:match.start()].rstrip().split('\n')[-1], text[match.end():]
        yield text[:match.start()].count('\n') + 2, match[1], match[2], before, behind


def outer_and_inner(code):
    """Includes; what is defined at namespace scope; statements."""
    includes, outer, inner, open_ = [], [], [], False
    for line in code.split('\n'):
        if line.startswith('#include'):
            includes.append(line)
            continue
        begins = re.match(r'(struct|class|template|using|namespace tg)\b', line) or re.match(r'[\w:<>]+ [\w:]+\([^;]*\{$', line)
        if open_ or (begins and not line.startswith('namespace')):
            outer.append(line)
            open_ = not (line.startswith('}') or (not open_ and line.rstrip().endswith((';', '}'))))
        elif not line.startswith('namespace'):
            inner.append(line)
    return '\n'.join(includes), '\n'.join(outer), '\n'.join(inner)


def fragment(code, number):
    includes, outer, inner = outer_and_inner(code.replace('…', ''))
    return f'{includes}\n{FIXTURE}namespace block_{number} {{\nusing namespace docs;\n{outer}\nvoid run() {{\n{inner}\n}}\n}}\n'


def run(command, **options):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)


def check_python(code):
    try:
        compile(code, 'block', 'exec')
    except SyntaxError as error:
        return str(error)
    return ''


def check_cpp(code, behind, compiler, libraries, flags, number, folder):
    if 'int main(' not in code:
        (folder / f'{number}.cpp').write_text(fragment(code, number))
        return run([*compiler, *flags, '-fsyntax-only', '-w', folder / f'{number}.cpp']).stderr
    program = folder / f'{number}'
    program.with_suffix('.cpp').write_text(code)
    used = libraries if 'tapegrad/' in code else []
    done = run([*compiler, *flags, '-O1', '-w', program.with_suffix('.cpp'), '-o', program, *used])
    if done.returncode:
        return done.stderr
    done = run([program], timeout=60, cwd=folder)
    expected = re.match(r'\n```text\n(.*?)```\n', behind, re.S)
    if done.returncode or (expected and done.stdout != expected[1]):
        return f'prints\n{done.stdout}{done.stderr}instead of\n{expected[1] if expected else ""}'
    return ''


def check_length(page, code):
    lines = sum(1 for line in code.split('\n') if line.strip())
    return f'{lines} lines, 40 at most' if page.name == 'tutorial.md' and lines > 40 else ''


def main():
    split = sys.argv.index('--')
    compiler, libraries, flags = sys.argv[1].split(), sys.argv[2:split], sys.argv[split + 1:]
    flags = ['-std=c++20', f'-I{ROOT}/tests', *flags]
    jobs, failures = [], []
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        for page in [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')), ROOT / 'CONTRIBUTING.md']:
            for line, language, code, before, behind in blocks(page):
                where = f'{page.relative_to(ROOT)}:{line}'
                source = re.fullmatch(r'<!-- from (\S+) -->', before)
                if source:
                    missing = code.strip() not in (ROOT / source[1]).read_text()
                    jobs.append((where, pool.submit(lambda m, s: f'does not stand in {s}' if m else '', missing, source[1])))
                elif language == 'cpp':
                    jobs.append((where, pool.submit(check_length, page, code)))
                    jobs.append((where, pool.submit(check_cpp, code, behind, compiler, libraries, flags, len(jobs), Path(name))))
                elif language == 'python':
                    jobs.append((where, pool.submit(check_python, code)))
        failures = [(where, job.result()) for where, job in jobs if job.result()]
    for where, why in failures:
        print(f'{where}: {why[:3000]}')
    print(f'{len(jobs)} checks, {len(failures)} failed')
    sys.exit(1 if failures or len(jobs) < 20 else 0)


if __name__ == '__main__':
    main()
