// The form of settings. Each setting says whether the network is kept when it changes.

import type { Config } from './config';
import { byId, element } from './dom';
import type { Names } from './engine';

/** What a change needs: new settings of the optimizer only, a new run with the old weights, a new run. */
export type Effect = 'retune' | 'keep' | 'anew';

interface Setting {
  key: keyof Config; label: string; effect: Effect; hint?: string;
  options?: [string, string][];
  number?: { min: number; max: number; step: number };
  check?: boolean;
}

const rates = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100].map((r): [string, string] => [String(r), String(r)]);
const own: [string, string] = ['-1', 'its own'];

function groups(names: Names): [string, Setting[]][] {
  const plain = (list: string[]) => list.map((n): [string, string] => [n, n.replaceAll('_', ' ')]);
  return [
    ['Data', [
      { key: 'data', label: 'Points', effect: 'keep', options: [['moons', 'two moons'], ['circles', 'circles'], ['spirals', 'spirals'], ['xor', 'xor'], ['blobs', 'blobs'], ['own', 'own points']] },
      { key: 'points', label: 'Number', effect: 'keep', number: { min: 4, max: 2000, step: 1 } },
      { key: 'noise', label: 'Noise', effect: 'keep', number: { min: 0, max: 1, step: 0.05 }, hint: 'standard deviation' },
      { key: 'validation', label: 'Validation', effect: 'keep', options: [['0', 'none'], ['0.2', '20 %'], ['0.5', '50 %'], ['0.8', '80 %']] },
      { key: 'shuffledLabels', label: 'labels shuffled', effect: 'keep', check: true },
      { key: 'inputScale', label: 'Inputs ×', effect: 'keep', options: ['0.01', '1', '10', '100', '1000'].map((n) => [n, n]) },
      { key: 'standardized', label: 'inputs standardized', effect: 'keep', check: true },
    ]],
    ['Network', [
      { key: 'activation', label: 'Activation', effect: 'keep', options: plain(names.activations.map((a) => a.name)) },
      { key: 'initializer', label: 'Weights', effect: 'anew', options: plain(names.initializers.filter((n) => !['normal', 'constant', 'sparse_negative'].includes(n))) },
      { key: 'batchNorm', label: 'batch normalization', effect: 'anew', check: true },
      { key: 'dropout', label: 'Dropout', effect: 'keep', options: ['0', '0.1', '0.2', '0.5', '0.9'].map((n) => [n, n]) },
      { key: 'softmaxTwice', label: 'softmax before the loss', effect: 'anew', check: true, hint: 'two outputs; the loss applies softmax again' },
      { key: 'seed', label: 'Seed', effect: 'anew', number: { min: 0, max: 1e9, step: 1 } },
    ]],
    ['Training', [
      { key: 'optimizer', label: 'Optimizer', effect: 'retune', options: plain(names.optimizers) },
      { key: 'lr', label: 'Rate', effect: 'retune', options: rates, hint: 'learning rate' },
      { key: 'momentum', label: 'Momentum', effect: 'retune', options: [own, ...['0', '0.5', '0.9', '0.99', '0.999'].map((n): [string, string] => [n, n])] },
      { key: 'weightDecay', label: 'Decay', effect: 'retune', options: [own, ...['0', '0.0001', '0.001', '0.01', '0.1', '1'].map((n): [string, string] => [n, n])], hint: 'weight decay' },
      { key: 'batch', label: 'Batch', effect: 'retune', options: ['1', '5', '10', '30', '100', '500'].map((n) => [n, n]) },
    ]],
  ];
}

export class Controls {
  private fields = new Map<keyof Config, { field: HTMLInputElement | HTMLSelectElement; setting: Setting }>();
  private activationSettings = element('div');

  constructor(private names: Names, private change: (change: Partial<Config>, effect: Effect) => void) {
    const form = byId('controls');
    for (const [title, settings] of groups(names)) {
      const set = element('fieldset', {}, element('legend', {}, title));
      for (const setting of settings) {
        set.append(this.row(setting));
        if (setting.key === 'activation') set.append(this.activationSettings);
      }
      form.append(set);
    }
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  private row(setting: Setting): HTMLElement {
    const title = setting.hint ?? '';
    if (setting.check) {
      const field = element('input', { type: 'checkbox', name: setting.key, title, onchange: () => this.change({ [setting.key]: field.checked }, setting.effect) });
      this.fields.set(setting.key, { field, setting });
      return element('label', { class: 'check', title }, field, setting.label);
    }
    const field = setting.number ? element('input', { type: 'number', name: setting.key, ...setting.number, title }) : element('select', { name: setting.key, title });
    if (setting.options) for (const [value, text] of setting.options) field.append(element('option', { value }, text));
    field.addEventListener('change', () => this.read(setting, field));
    this.fields.set(setting.key, { field, setting });
    return element('label', { title }, setting.label, field);
  }

  private read(setting: Setting, field: HTMLInputElement | HTMLSelectElement): void {
    const text = ['data', 'activation', 'initializer', 'optimizer'].includes(setting.key);
    let value: string | number = field.value;
    if (!text) {
      value = Number(field.value);
      const { min, max } = setting.number ?? { min: -Infinity, max: Infinity };
      value = Math.min(Math.max(Number.isFinite(value) ? value : min, min), max);
    }
    this.change({ [setting.key]: value }, setting.effect);
  }

  /** Shows a configuration. */
  show(config: Config): void {
    for (const [key, { field, setting }] of this.fields) {
      const value = config[key];
      if (setting.check) { (field as HTMLInputElement).checked = value as boolean; continue; }
      const text = key === 'activation' ? String(value).split('(')[0] : String(value);
      if (field instanceof HTMLSelectElement && !Array.from(field.options).some((o) => o.value === text))
        field.append(element('option', { value: text }, text.replaceAll('_', ' ')));
      field.value = text;
    }
    this.fields.get('momentum')!.field.disabled = !['sgd', 'rmsprop'].includes(config.optimizer);
    this.fields.get('points')!.field.disabled = this.fields.get('noise')!.field.disabled = config.data === 'own';
    this.showActivation(config.activation);
  }

  /** The settings of the activation, "swish(beta=2)". */
  private showActivation(text: string): void {
    const name = text.split('(')[0];
    const settings = this.names.activations.find((a) => a.name === name)?.settings ?? [];
    const given = new Map(Array.from(text.matchAll(/(\w+)=([^,)]+)/g), (m) => [m[1], Number(m[2])]));
    const fields: [string, HTMLInputElement][] = settings.map((s) => [s.name, element('input', { type: 'number', step: 'any', value: given.get(s.name) ?? s.value, 'aria-label': `${name}: ${s.name}` })]);
    const change = () => this.change({ activation: `${name}(${fields.map(([n, f]) => `${n}=${f.value}`).join(',')})` }, 'keep');
    for (const [, field] of fields) field.addEventListener('change', change);
    this.activationSettings.replaceChildren(...fields.map(([n, field]) => element('label', {}, n.replaceAll('_', ' '), field)));
  }
}
