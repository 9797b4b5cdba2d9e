// The library's findings in words, each pointing at its layer, with buttons that apply its remedies.

import type { Config } from './config';
import { byId, element } from './dom';
import type { Finding, Layer, Remedy } from './engine';

const marks: Record<string, string> = { critical: '✖', warning: '▲', info: 'ℹ' };

/** The hidden layer (from 0) of a finding's path, "2" or "2.weight"; −1: none. */
export function layerOf(where: string, layers: Layer[]): number {
  const module = Number.parseInt(where, 10);
  return Number.isNaN(module) ? -1 : layers.findIndex((l) => l.path !== 'output' && Number(l.path) >= module);
}

/** The configuration after a remedy; null where no control of the page can follow it. */
export function remedied(config: Config, r: Remedy): Config | null {
  const next = { ...config };
  switch (r.change) {
    case 'learning_rate': if (r.to) return null; next.lr = Number((config.lr * r.value).toPrecision(3)); break;
    case 'momentum': next.momentum = r.value; break;
    case 'weight_decay': next.weightDecay = r.value; break;
    case 'dropout': next.dropout = r.value; break;
    case 'initialization': next.initializer = r.to; break;
    case 'activation': next.activation = r.to; next.initializer = r.initializer; break;
    case 'normalization': next.batchNorm = true; break;
    case 'output_activation': next.softmaxTwice = false; break;
    case 'units': next.hidden = config.hidden.map((n) => Math.min(Math.max(n, r.value), 16)); break;
    case 'inputs': next.standardized = true; break;
    case 'data': if (!config.shuffledLabels) return null; next.shuffledLabels = false; break;
    default: return null;
  }
  return JSON.stringify(next) === JSON.stringify(config) ? null : next;
}

export class FindingsView {
  private last = '';
  private offered = new Set<string>();  ///< a remedy that several findings share comes once
  constructor(private pointAt: (layer: number, rule: string) => void, private apply: (next: Config, text: string) => void) {}

  draw(findings: Finding[], layers: Layer[], config: Config, steps: number): void {
    const key = JSON.stringify([findings.map((f) => [f.rule, f.where, f.text, f.severity]), config, steps > 0]);
    if (key === this.last) return;
    const root = byId('findings');
    if (root.contains(document.activeElement) && this.last && findings.length) return;  // not under the reader's fingers
    this.last = key;
    if (!findings.length) {
      root.replaceChildren(element('p', { class: 'note' }, steps === 0 ? 'Nothing has been seen yet: press Play.' : 'Nothing is wrong so far.'));
      return;
    }
    const shown = findings.slice(0, 6);
    this.offered.clear();
    root.replaceChildren(element('ol', {}, ...shown.map((finding) => this.item(finding, layers, config))));
    if (findings.length > shown.length) root.append(element('p', { class: 'note' }, `${findings.length - shown.length} more of less weight.`));
  }

  private item(finding: Finding, layers: Layer[], config: Config): HTMLElement {
    const layer = layerOf(finding.where, layers);
    const acts = element('div', { class: 'acts' });
    if (layer >= 0) acts.append(element('button', { type: 'button', onclick: () => this.pointAt(layer, finding.rule) }, `Show layer ${layer + 1}`));
    for (const remedy of finding.severity === 'info' ? [] : finding.remedies.slice(0, 3)) {
      const next = remedied(config, remedy);
      const text = remedy.text[0].toUpperCase() + remedy.text.slice(1);
      if (!next || this.offered.has(text)) continue;
      this.offered.add(text);
      acts.append(element('button', { type: 'button', title: 'Applies it and starts anew', onclick: () => this.apply(next, remedy.text) }, text));
    }
    const effect = finding.effectOf ? ` (an effect of: ${finding.effectOf})` : '';
    return element('li', { class: finding.severity }, element('span', { class: 'mark', 'aria-hidden': 'true' }, marks[finding.severity]),
      element('div', {}, element('span', { class: 'where' }, `${finding.severity}: ${finding.rule}${effect}`), element('div', {}, finding.text), acts));
  }
}
