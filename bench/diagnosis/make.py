#!/usr/bin/env python3
"""Makes a corpus: healthy candidates, those of them that training has proven, faulty ones made of these, and harder healthy ones.

  make.py healthy N SEED              candidates
  make.py hard N SEED                 candidates on overlapping classes, noisy labels, few steps, and of regression
  make.py keep RESULTS                of the candidates those that get within 3 points of the best on their data
  make.py faulty RESULTS PER_KIND SEED
                                      faulty ones of each kind, made of the kept ones
  make.py judge RESULTS               the list of faulty ones that were trained, with what they lost ("damaged")
  make.py at                          AutoTrainer's architectures
"""
import collections, json, random, sys

RECT = ['relu', 'leaky_relu', 'prelu', 'relu6', 'hard_swish']
SMOOTH = ['elu', 'celu', 'selu', 'gelu', 'swish', 'mish', 'softplus', 'gelu_tanh']
BOTH = ['tanh', 'sigmoid', 'softsign', 'hard_tanh']
ACTS = ['relu'] * 5 + ['leaky_relu'] * 2 + ['tanh'] * 3 + ['sigmoid'] * 2 + ['swish'] * 3 + ['gelu'] * 2 + ['elu'] * 2 + \
       ['selu', 'softplus', 'mish', 'softsign', 'celu', 'prelu', 'relu6', 'hard_swish', 'hard_tanh', 'gelu_tanh']
DATA = ['circles'] * 4 + ['moons'] * 4 + ['blobs'] * 4 + ['spirals'] * 2 + ['spirals3'] * 2 + ['fashion'] * 1

def fitting_init(f):
    if f == 'selu': return 'lecun_normal'
    if f in BOTH: return random.choice(['xavier_normal', 'xavier_uniform'])
    return random.choice(['he_normal', 'he_uniform'])

def healthy(i):
    c = {'id': f'h{i:04d}', 'kind': 'healthy', 'base': ''}
    c['data'] = random.choice(DATA)
    f = c['activation'] = random.choice(ACTS)
    depth = random.choice([1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8])
    if f in ('sigmoid', 'softplus'): depth = min(depth, 2)
    width = random.choice([8, 16, 16, 32, 32, 64, 64, 128])
    c['hidden'] = [width] * depth
    if random.random() < .2: c['hidden'] = [max(8, width >> k) for k in range(depth)]
    c['init'] = fitting_init(f)
    c['loss'] = 'ce'
    if c['data'] in ('circles', 'moons', 'spirals') and random.random() < .3: c['loss'] = 'bce'
    if random.random() < .1: c['loss'] = 'mse'
    c['standardize'] = c['data'] == 'blobs' and random.random() < .5
    c['batch_norm'] = random.random() < .12
    if random.random() < .1 and width >= 32: c['dropout'] = random.choice([.1, .2, .3])
    c['optimizer'] = random.choice(['sgd', 'sgd', 'momentum', 'adam', 'adam', 'rmsprop'])
    deep = depth >= 5
    if c['optimizer'] == 'sgd': c['lr'] = random.choice([.02, .05, .1] if deep else [.05, .1, .2])
    elif c['optimizer'] == 'momentum': c['optimizer'] = 'sgd'; c['momentum'] = .9; c['lr'] = random.choice([.005, .01] if deep else [.01, .02, .05])
    elif c['optimizer'] == 'adam': c['lr'] = random.choice([.0005, .001, .002] if deep else [.001, .002, .005, .01])
    else: c['lr'] = random.choice([.0003, .0005, .001] if deep else [.0005, .001, .002])
    if c['loss'] == 'mse' and c['optimizer'] == 'sgd': c['lr'] = min(c['lr'], .1)
    c['batch'] = random.choice([16, 32, 32, 64, 128])
    if random.random() < .25: c['schedule'] = random.choice(['cosine', 'step', 'one_cycle', 'linear_warmup'])
    if random.random() < .1: c['weight_decay'] = 1e-4
    n = 5000 if c['data'] == 'fashion' else 700
    per_epoch = -(-n // c['batch'])
    if c['data'] == 'fashion': c['epochs'] = max(5, min(12, 1200 // per_epoch)); c['hidden'] = c['hidden'][:3]
    else: c['epochs'] = min(400, max(200, 4000 // per_epoch))
    c['seed'] = random.randrange(1, 10**6)
    return c

HARD = ['moons_overlap', 'circles_overlap', 'blobs_overlap', 'noisy', 'few', 'sine']

def hard(i):
    c = healthy(i)
    c['id'] = f'x{i:04d}'
    kind = random.choice(HARD)
    if kind.endswith('overlap'):
        c['data'] = kind
        c['standardize'] = kind.startswith('blobs')
    elif kind == 'noisy':
        c['labels'] = 'noisy'
        if c['data'] == 'fashion': c['data'] = 'moons'
    elif kind == 'few':
        c.update(data='fashion', epochs=1, hidden=c['hidden'][:2], batch=min(c['batch'], 64))
        c.pop('schedule', None)
    else: c.update(data='sine', loss='mse', outputs=1)
    if c['loss'] == 'bce' and c['data'] not in ('circles', 'moons', 'spirals', 'moons_overlap', 'circles_overlap'): c['loss'] = 'ce'
    return c

def group(c): return (c['data'], c.get('labels', ''), c['epochs'] == 1)

# kind -> (condition on the healthy base, change)
def K():
    k = {}
    two = lambda b: b['data'] != 'fashion'
    hard = lambda b: b['data'] in ('circles', 'moons', 'spirals', 'spirals3')
    def add(name, cond, change): k[name] = (cond, change)
    def deep_sigmoid(c):
        c['activation'] = 'sigmoid'; c['hidden'] = [max(c['hidden'][0], 8)] * random.randint(5, 8)
        c['init'] = random.choice(['xavier_normal', 'uniform_fan_in'])
    add('deep_sigmoid', lambda b: not b.get('batch_norm'), deep_sigmoid)
    def lr(f): return lambda c: c.update(lr=c['lr'] * f)
    add('lr_x300', lambda b: True, lr(300)); add('lr_x1000', lambda b: True, lr(1000))
    add('lr_x30', lambda b: True, lr(30))
    add('lr_/1000', lambda b: True, lr(1e-3))
    def bias(c):
        c['bias'] = -10
        if random.random() < .5: c['bias_layer'] = random.randrange(len(c['hidden']))
    add('bias_-10', lambda b: b['activation'] in ('relu', 'relu6', 'elu', 'celu', 'gelu', 'swish', 'mish', 'tanh', 'sigmoid', 'softplus', 'hard_swish') and not b.get('batch_norm'), bias)
    def weights(f):
        def g(c):
            c['weight_scale'] = f
            if random.random() < .4: c['weight_layer'] = random.randrange(len(c['hidden']))
        return g
    nb = lambda b: not b.get('batch_norm')
    add('weights_x10', nb, weights(10)); add('weights_x30', nb, weights(30)); add('weights_x0.01', nb, weights(.01))
    add('zero_init', nb, lambda c: c.update(init='zeros', output_init='zeros'))
    add('constant_init', nb, lambda c: c.update(init=random.choice(['constant:0.5', 'constant:0.1']), output_init=c['init']))
    add('labels_shuffled', lambda b: True, lambda c: c.update(labels='shuffled'))
    add('labels_constant', lambda b: True, lambda c: c.update(labels='constant'))
    add('imbalance_99', lambda b: True, lambda c: c.update(labels='imbalanced'))
    add('labels_off_by_one', lambda b: b['loss'] == 'ce', lambda c: c.update(labels='off_by_one'))
    add('inputs_x1000', lambda b: not b.get('standardize'), lambda c: c.update(inputs='x1000'))
    add('inputs_x0.001', lambda b: not b.get('standardize'), lambda c: c.update(inputs='x0.001'))
    add('feature_x1000', lambda b: not b.get('standardize'), lambda c: c.update(inputs='feature'))
    add('nan_row', lambda b: True, lambda c: c.update(inputs='nan', standardize=False))
    add('constant_input', lambda b: two(b), lambda c: c.update(inputs='constant', standardize=False))
    add('no_activation', lambda b: hard(b), lambda c: c.update(activation='' if random.random() < .7 else 'identity'))
    add('double_softmax', lambda b: b['loss'] == 'ce', lambda c: c.update(output_activation='softmax'))
    add('sigmoid_before_bce', lambda b: b['loss'] == 'bce', lambda c: c.update(output_activation='sigmoid'))
    add('relu_output', lambda b: b['loss'] in ('ce', 'bce'), lambda c: c.update(output_activation='relu'))
    add('softmax_one_unit', lambda b: b['loss'] in ('bce',), lambda c: c.update(output_activation='softmax', loss=random.choice(['mse', 'bce']), outputs=1))
    def mse_scale(c): c['loss'] = 'mse'; c['target_scale'] = random.choice([100, 255, 1000]); c['outputs'] = None
    add('mse_targets_x100', lambda b: b['loss'] in ('ce', 'mse'), mse_scale)
    add('frozen_layer', lambda b: len(b['hidden']) >= 1, lambda c: c.update(frozen=random.randrange(len(c['hidden']) + 1)))
    add('dropout_0.95', lambda b: True, lambda c: c.update(dropout=.95))
    add('weight_decay_1', lambda b: True, lambda c: c.update(weight_decay=1))
    def batch1(c): c['batch'] = 1; c['lr'] *= 30; c['epochs'] = 12 if c['data'] != 'fashion' else 1
    add('batch_1_lr_x30', lambda b: not b.get('batch_norm'), batch1)
    add('sign_flipped', lambda b: b['optimizer'] == 'sgd', lambda c: c.update(ascend=True))
    add('adam_eps_1', lambda b: b['optimizer'] == 'adam', lambda c: c.update(eps=1))
    add('momentum_0.999', lambda b: b['optimizer'] == 'sgd', lambda c: c.update(momentum=.999))
    add('lr_collapse', lambda b: True, lambda c: c.update(schedule='collapse'))
    def eval_test(c): c['mode'] = 'eval_in_train'; c['dropout'] = .5
    add('eval_never_called', lambda b: b['hidden'][0] >= 16, eval_test)
    add('train_never_called', lambda b: b.get('batch_norm') or b.get('dropout'), lambda c: c.update(mode='train_in_eval'))
    def one_unit(c):
        h = c['hidden']; c['hidden'] = [1] if len(h) == 1 else h[:]
        if len(h) > 1: c['hidden'][random.randrange(len(h))] = 1
    add('one_unit', lambda b: hard(b), one_unit)
    return k

def at_models():
    """Architectures of AutoTrainer's faulty Circle and Blob models, as facts: depth, units 5, activation, initializer."""
    out = []
    for data, rows in {'circles': [(8,'relu','random_uniform')]*3+[(9,'relu','random_uniform')]+[(15,'relu','he_uniform'),(16,'relu','he_uniform'),(17,'relu','he_uniform')]
                       +[(8,'exponential','he_uniform')]*2+[(9,'exponential','he_uniform')]*2+[(10,'exponential','he_uniform')]*2+[(11,'exponential','he_uniform')]*2
                       +[(11,'sigmoid','he_uniform')]*2+[(12,'sigmoid','he_uniform')]*2+[(13,'sigmoid','he_uniform')]
                       +[(5,'tanh','he_uniform')]*3+[(8,'tanh','he_uniform')]*2+[(11,'tanh','he_uniform')]*2+[(14,'tanh','he_uniform')]+[(17,'tanh','he_uniform')]*2,
                       'blobs': [(8,'relu','random_uniform'),(9,'relu','random_uniform'),(15,'relu','he_uniform')]
                       +[(8,'exponential','he_uniform')]*2+[(9,'exponential','he_uniform')]*2+[(10,'exponential','he_uniform')]
                       +[(11,'sigmoid','he_uniform')]*2+[(12,'sigmoid','he_uniform')]
                       +[(5,'tanh','he_uniform')]*4+[(8,'tanh','he_uniform')]+[(11,'tanh','he_uniform')]*2+[(14,'tanh','he_uniform')]+[(17,'tanh','he_uniform')]*2}.items():
        for i, (depth, f, init) in enumerate(rows):
            for opt, lr in (('sgd', .01), ('adam', .001)):
                out.append({'id': f'at_{data}_{i}_{opt}', 'kind': f'autotrainer_{f}', 'base': '', 'data': data, 'hidden': [5] * depth, 'activation': f, 'init': init,
                            'output_init': 'he_uniform', 'loss': 'bce' if data == 'circles' else 'ce', 'optimizer': opt, 'lr': lr, 'batch': 32, 'epochs': 200, 'seed': 10 + i})
    return out

def lines(path): return [json.loads(line) for line in open(path)]

def keep(path):
    """Healthy is what stays finite and gets within 3 points of the best network on the same data; of regression within 0.1 of its R²."""
    runs = [r for r in lines(path) if 'error' not in r and not r['diverged'] and isinstance(r['test_accuracy'], float)]
    best = collections.defaultdict(float)
    for r in runs: best[group(r['config'])] = max(best[group(r['config'])], r['test_accuracy'])
    for r in runs:
        c, a = r['config'], r['test_accuracy']
        if a >= best[group(c)] - (.1 if c['data'] == 'sine' else .05 if c['epochs'] == 1 else .03):
            yield dict(c, base_accuracy=a, damaged=False)

def faulty(path, per_kind, seed):
    random.seed(seed)
    bases = list(keep(path))
    for kind, (cond, change) in K().items():
        fit = [b for b in bases if cond(b)]
        random.shuffle(fit)
        for i, base in enumerate(fit[:per_kind]):
            c = json.loads(json.dumps(base)); c['base'] = c['id']; c['id'] = f'{kind}_{i}'; c['kind'] = kind
            change(c)
            yield {k: v for k, v in c.items() if v is not None}

BY_DEFINITION = {'labels_off_by_one', 'double_softmax', 'sigmoid_before_bce', 'relu_output', 'frozen_layer', 'eval_never_called', 'train_never_called'}

def judge(path):
    """Damaged is what lost 10 points or diverged. Kinds that are faults by definition stay; of the others only what is damaged."""
    for r in lines(path):
        if 'error' in r: continue
        c = r['config']
        c['damaged'] = r['diverged'] or not isinstance(r['test_accuracy'], float) or r['test_accuracy'] < c['base_accuracy'] - .1
        if c['damaged'] or c['kind'] in BY_DEFINITION: yield c

what, rest = sys.argv[1], sys.argv[2:]
if what in ('healthy', 'hard'):
    random.seed(int(rest[1]))
    made = ((healthy if what == 'healthy' else hard)(i) for i in range(int(rest[0])))
elif what == 'faulty': made = faulty(rest[0], int(rest[1]), int(rest[2]))
else: made = {'keep': keep, 'judge': judge, 'at': lambda: at_models()}[what](*rest)
for config in made: print(json.dumps(config))
