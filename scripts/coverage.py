#!/usr/bin/env python3
"""coverage.py JSON [--uncovered] : lines and branches by folder, from what `llvm-cov export` has written (see coverage.sh)."""
import collections
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ['core', 'core/kernels', 'layers', 'optim', 'io', 'inspect', 'inspect/report']


def lines_of(file):
    """Which lines ran, from the segments (line, column, count, has count, begins a region, fills a gap)."""
    ran = {}
    segments = file['segments']
    for here, after in zip(segments, segments[1:] + [[segments[-1][0], 0, 0, False, False, False]] if segments else []):
        line, _, count, counted, _, gap = here[:6]
        if not counted or gap:
            continue
        for at in range(line, max(after[0], line + 1)):
            ran[at] = max(ran.get(at, 0), count)
    return ran


def main():
    exported = json.load(open(sys.argv[1]))
    rows = {folder: [0, 0, 0, 0] for folder in FOLDERS}
    missing = collections.defaultdict(lambda: [set(), set()])
    ran_lines, branches = collections.defaultdict(dict), collections.Counter()
    for file in exported['data'][0]['files']:
        path = pathlib.Path(os.path.realpath(file['filename']))
        if ROOT not in path.parents or str(path.parent.relative_to(ROOT)) not in rows:
            continue
        name = str(path.relative_to(ROOT))
        for line, count in lines_of(file).items():
            ran_lines[name][line] = max(ran_lines[name].get(line, 0), count)
        for line, col, end, end_col, true, false, *_ in file['branches']:
            branches[(name, line, col, end, end_col, True)] += true
            branches[(name, line, col, end, end_col, False)] += false
    for name, lines in ran_lines.items():
        row = rows[os.path.dirname(name)]
        row[0] += sum(count > 0 for count in lines.values())
        row[1] += len(lines)
        missing[name][0] |= {line for line, count in lines.items() if count == 0}
    constant = {key[:-1] for key, count in branches.items() if count == 0 and branches[(*key[:-1], not key[-1])] == 0}
    for key, count in branches.items():
        name, line = key[0], key[1]
        if key[:-1] in constant:  # never reached: its lines say so
            continue
        row = rows[os.path.dirname(name)]
        row[2] += count > 0
        row[3] += 1
        if count == 0:
            missing[name][1].add(f'{line}:{key[2]} is never {"true" if key[-1] else "false"}')
    rows['together'] = [sum(column) for column in zip(*rows.values())]
    print(f'{"folder":16}{"lines":>10}{"branches":>11}')
    for folder, (a, b, c, d) in rows.items():
        print(f'{folder:16}{100 * a / max(b, 1):8.1f} %{100 * c / max(d, 1):9.1f} %   not run: {b - a} of {b} lines, {d - c} of {d} branches')
    if '--uncovered' in sys.argv:
        for name, (lines, halves) in sorted(missing.items()):
            if lines or halves:
                print(f'{name}: lines {sorted(lines)}; {"; ".join(sorted(halves, key=lambda text: int(text.split(":")[0])))}')


if __name__ == '__main__':
    main()
