"""What counts as naming the cause: fault kind → list of (rule, text that must be in it, or '')."""
LOWER = 'lower the learning rate'
ACCEPT = {
 'deep_sigmoid': [('vanishing gradient', ''), ('bad initialization', 'shrinks the gradient')],
 'lr_x30': [('learning rate too high', ''), ('not finite', LOWER), ('exploding gradient', LOWER), ('dying relu', LOWER), ('saturation', LOWER)],
 'lr_/1000': [('learning rate too low', '')],
 'bias_-10': [('dead at birth', ''), ('saturation', '')],
 'weights_x10': [('bad initialization', ''), ('exploding gradient', 'weights are large'), ('saturation', 'smaller weights')],
 'weights_x0.01': [('bad initialization', ''), ('vanishing gradient', 'weights are small')],
 'zero_init': [('bad initialization', ''), ('vanishing gradient', '')],
 'constant_init': [('bad initialization', '')],
 'labels_shuffled': [('labels shuffled', '')],
 'labels_constant': [('labels constant', '')],
 'imbalance_99': [('labels constant', ''), ('class imbalance', '')],
 'labels_off_by_one': [],
 'inputs_x1000': [('unscaled inputs', '')],
 'inputs_x0.001': [('unscaled inputs', '')],
 'feature_x1000': [('unscaled inputs', '')],
 'nan_row': [('not finite', 'input')],
 'constant_input': [('constant input', '')],
 'no_activation': [('no activation', '')],
 'double_softmax': [('double softmax', '')],
 'sigmoid_before_bce': [('double sigmoid', '')],
 'relu_output': [('dying relu', '@output'), ('dead at birth', '@output'), ('output activation', '')],
 'softmax_one_unit': [('constant output', ''), ('softmax of one unit', '')],
 'mse_targets_x100': [('learning rate too high', ''), ('not finite', ''), ('exploding gradient', ''), ('unscaled targets', '')],
 'frozen_layer': [('frozen parameter', '')],
 'dropout_0.95': [('dropout too high', '')],
 'weight_decay_1': [('vanishing gradient', 'weights are small'), ('weight decay', '')],
 'sign_flipped': [('uphill', '')],
 'adam_eps_1': [('learning rate too low', '')],
 'lr_collapse': [('learning rate too low', '')],
 'eval_never_called': [], 'train_never_called': [('not in training mode', '')],
 'one_unit': [('too few units', '')],
 'autotrainer_relu': [('dead at birth', ''), ('dying relu', ''), ('vanishing gradient', ''), ('bad initialization', '')],
 'autotrainer_exponential': [('not finite', ''), ('exploding gradient', ''), ('bad initialization', ''), ('learning rate too high', '')],
 'autotrainer_sigmoid': [('vanishing gradient', ''), ('bad initialization', 'shrinks the gradient')],
 'autotrainer_tanh': [('exploding gradient', ''), ('vanishing gradient', ''), ('bad initialization', ''), ('learning rate too high', ''), ('learning rate too low', ''), ('saturation', '')],
}
for k in ('lr_x300', 'lr_x1000', 'batch_1_lr_x30', 'momentum_0.999'): ACCEPT[k] = ACCEPT['lr_x30']
# Rules that a better diagnosis adds, by the cause they name.
MORE = {'zero_init': 'identical units', 'constant_init': 'identical units', 'labels_constant': 'labels constant', 'imbalance_99': 'class imbalance',
 'nan_row': 'input not finite', 'constant_input': 'constant input', 'no_activation': 'no activation', 'double_softmax': 'output activation',
 'sigmoid_before_bce': 'output activation', 'relu_output': 'output activation', 'softmax_one_unit': 'softmax of one unit', 'mse_targets_x100': 'unscaled targets',
 'frozen_layer': 'frozen parameter', 'dropout_0.95': 'dropout too high', 'weight_decay_1': 'weight decay', 'sign_flipped': 'uphill',
 'lr_/1000': 'learning rate too low', 'adam_eps_1': 'learning rate too low', 'lr_collapse': 'learning rate gone', 'train_never_called': 'not in training mode',
 'one_unit': 'too few units', 'inputs_x1000': 'unscaled inputs', 'feature_x1000': 'unscaled inputs', 'lr_x30': 'loss rose again', 'lr_x300': 'loss rose again', 'lr_x1000': 'loss rose again',
 'batch_1_lr_x30': 'loss rose again', 'momentum_0.999': 'momentum too high',
 'labels_shuffled': 'memorizes', 'labels_off_by_one': 'memorizes', 'eval_never_called': 'in training mode at evaluation'}
for kind, rule in MORE.items(): ACCEPT[kind] = ACCEPT[kind] + [(rule, '')]
ACCEPT['weights_x30'] = ACCEPT['weights_x10']
def names_cause(kind, f, r):
    for rule, text in ACCEPT[kind]:
        if f['rule'] != rule: continue
        if text == '@output':
            if f['where'] not in r['features']['layer_paths']['activation'] and f['where']: return True
        elif text in f['text']: return True
    return False
