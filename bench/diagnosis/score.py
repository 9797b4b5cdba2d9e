#!/usr/bin/env python3
"""score.py LIST OUT... [--both] [--source run]: how good the findings of OUT are, the truth taken from LIST by id."""
import argparse
import collections
import json

import truth

FIELD = ['deep_sigmoid', 'lr_x300', 'lr_x1000', 'lr_x30', 'lr_/1000', 'bias_-10', 'weights_x10', 'weights_x30', 'weights_x0.01', 'zero_init', 'constant_init',
         'inputs_x1000', 'inputs_x0.001', 'feature_x1000', 'batch_1_lr_x30']
NO_REPAIR = ['labels_shuffled', 'labels_constant', 'imbalance_99', 'labels_off_by_one', 'constant_input']


def share(part, whole): return f'{100 * len(part) / max(len(whole), 1):.1f} % ({len(part)} of {len(whole)})'


def alarms(run, both, source):
    found = run['findings'] + (run.get('preflight', []) if both else [])
    return [f for f in found if f['severity'] != 'info' and (not source or f['source'] == source)]


def at_table(runs, found):
    """AutoTrainer's architectures: which of them fail is told by their accuracy; README.md says where the line is."""
    failing = [r for r in runs if not isinstance(r['test_accuracy'], float) or r['test_accuracy'] < (.9 if r['config']['data'] == 'circles' else .75)]
    learning = [r for r in runs if r not in failing]
    print(f'AutoTrainer\'s architectures that fail, detected          {share([r for r in failing if found(r)], failing)}, asked: all')
    print(f'AutoTrainer\'s architectures that learn, with a warning    {share([r for r in learning if found(r)], learning)}, asked: 2 at most')


def kept(tries):
    """The try that a user keeps, who does not see the test set: the first without an alarm, or else the one with the best training accuracy."""
    score = lambda t: t['train_accuracy'] if isinstance(t['train_accuracy'], float) else -1
    return next((t for t in tries if t['clean']), max(tries, key=score))


def repair_lines(faulty, found):
    """A try repairs when the test accuracy gets within 5 points of the healthy run."""
    runs = [r for r in faulty if 'repair' in r and r['config']['damaged'] and found(r)]
    if not runs: return
    good = lambda t, r: isinstance(t['test_accuracy'], float) and t['test_accuracy'] >= r['config']['base_accuracy'] - .05
    def line(name, kinds, tries, asked):
        those = [r for r in runs if r['config']['kind'] in kinds]
        right = [r for r in those if r['repair'] and good(kept(r['repair'][:tries]), r)]
        print(f'{name:57} {share(right, those)}, asked: {asked}')
        if tries == 3:
            wrong = collections.Counter(r['config']['kind'] for r in those if r not in right)
            print('  not repaired: ' + ', '.join(f'{kind} {n}' for kind, n in wrong.most_common()))
    every = {r['config']['kind'] for r in runs} - set(NO_REPAIR)
    line('repaired by the first remedy, the field\'s 15 kinds', FIELD, 1, '60 %')
    line('repaired within three tries, the field\'s 15 kinds', FIELD, 3, '98.4 %')
    line('repaired within three tries, all that training can repair', every, 3, '85 %')


def write_rules(path, faulty, healthy):
    """For docs/findings.md: of the faults that a rule is there for, how many it was said of; of all faulty runs; of the healthy ones."""
    said = lambda rule, runs: sum(any(f['rule'] == rule for f in alarms(r, False, None)) for r in runs)
    rules = sorted({f['rule'] for r in faulty + healthy for f in alarms(r, False, None)})
    with open(path, 'w') as out:
        out.write(f'rule,of its faults,it has,of {len(faulty)} faulty,of {len(healthy)} healthy\n')
        for rule in rules:
            own = [r for r in faulty if any(rule == accepted for accepted, _ in truth.ACCEPT[r['config']['kind']])]
            out.write(f'{rule},{said(rule, own)},{len(own)},{said(rule, faulty)},{said(rule, healthy)}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('list', help='may be several, joined by cat')
    parser.add_argument('out', nargs='+')
    parser.add_argument('--both', action='store_true', help='preflight, too')
    parser.add_argument('--source', help='only findings of this source')
    parser.add_argument('--quiet', action='store_true', help='no table per kind')
    parser.add_argument('--least', help='DETECTED,NAMED,FIRST in %%: fails below one of them, and for any false alarm')
    parser.add_argument('--rules', metavar='FILE', help='writes what each rule was said of')
    options = parser.parse_args()
    told = {c['id']: c for c in map(json.loads, open(options.list))}
    runs = [json.loads(line) for path in options.out for line in open(path)]
    failed = [r for r in runs if 'error' in r]
    for r in failed: print('error:', r['config']['id'], r['error'])
    lost = set(told) - {r['config']['id'] for r in runs}
    if lost: raise SystemExit(f'score.py: {len(lost)} runs of the list have no result, {sorted(lost)[0]} is one')
    runs = [r for r in runs if 'error' not in r]
    for r in runs: r['config'] = told[r['config']['id']]
    found = lambda r: alarms(r, options.both, options.source)
    if all(r['config']['kind'].startswith('autotrainer') for r in runs): return at_table(runs, found)
    named = lambda r: any(truth.names_cause(r['config']['kind'], f, r) for f in found(r))
    healthy = [r for r in runs if r['config']['kind'] == 'healthy']
    faulty = [r for r in runs if r['config']['kind'] != 'healthy']
    damaged = [r for r in faulty if r['config']['damaged']]
    detected = [r for r in faulty if found(r)]
    if options.rules: return write_rules(options.rules, faulty, healthy)
    for r in healthy:
        if isinstance(r['test_accuracy'], float) and abs(r['test_accuracy'] - r['config'].get('base_accuracy', r['test_accuracy'])) > .03:
            print('drifted:', r['config']['id'])
    if not options.quiet:
        print(f"{'kind':20}{'runs':>6}{'damaged':>9}{'detected':>10}{'named':>7}{'first':>7}{'AutoTrainer':>13}{'DeepDiagnosis':>15}")
        for kind in dict.fromkeys(r['config']['kind'] for r in faulty):
            of = [r for r in faulty if r['config']['kind'] == kind]
            first = [r for r in of if found(r) and truth.names_cause(kind, found(r)[0], r)]
            print(f"{kind:20}{len(of):6}{sum(r['config']['damaged'] for r in of):9}{sum(bool(found(r)) for r in of):10}{sum(map(named, of)):7}{len(first):7}"
                  f"{sum(bool(r['autotrainer']['issues']) for r in of):13}{sum(bool(r['deepdiagnosis']['issue']) for r in of):15}")
        for r in healthy:
            for f in found(r): print(f"false alarm: {r['config']['id']} {f['rule']}: {f['text'][:110]}")
    run_only = options.source == 'run'
    if faulty:
        print(f"damaged runs detected                                     {share([r for r in damaged if found(r)], damaged)}, asked: {'80' if run_only else '95'} %")
        print(f"cause named, of all faulty                                {share([r for r in faulty if named(r)], faulty)}, asked: {'62' if run_only else '90'} %")
        print(f"first finding right, of the detected                      {share([r for r in detected if truth.names_cause(r['config']['kind'], found(r)[0], r)], detected)}" + ('' if run_only else ', asked: 90 %'))
    print(f"healthy runs with a false alarm                           {share([r for r in healthy if found(r)], healthy)}, asked: 0.4 %")
    if not options.both:
        on_the_way = lambda r: [f for step in r['detections'] for f in step[1] if not options.source or f['source'] == options.source]
        alarmed = [r for r in healthy if found(r) or on_the_way(r)]
        print(f"healthy runs with an alarm at any time in mid-run         {share(alarmed, healthy)}, asked: 2 %")
    print(f"AutoTrainer's definitions: damaged runs detected          {share([r for r in damaged if r['autotrainer']['issues']], damaged)}, false alarms {share([r for r in healthy if r['autotrainer']['issues']], healthy)}")
    print(f"DeepDiagnosis' definitions: damaged runs detected         {share([r for r in damaged if r['deepdiagnosis']['issue']], damaged)}, false alarms {share([r for r in healthy if r['deepdiagnosis']['issue']], healthy)}")
    repair_lines(faulty, found)
    if options.least:
        right = [r for r in detected if truth.names_cause(r['config']['kind'], found(r)[0], r)]
        now = [len([r for r in damaged if found(r)]) / max(len(damaged), 1), len([r for r in faulty if named(r)]) / max(len(faulty), 1), len(right) / max(len(detected), 1)]
        wrong = [r['config']['id'] for r in healthy if found(r)]
        if failed or wrong or any(100 * n < float(least) for n, least in zip(now, options.least.split(','))):
            raise SystemExit(f'score.py: worse than {options.least} %, or false alarms {wrong}, or errors')


if __name__ == '__main__':
    main()
