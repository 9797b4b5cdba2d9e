// Curves of the loss, the lens on an activation, the gradient by layer, update ratios.

import { scaleLinear, scaleLog } from 'd3-scale';
import { area, line } from 'd3-shape';
import uPlot from 'uplot';
import { byId, digits, element, percent, svg } from './dom';
import type { Curve, Engine, Evaluation, Layer, Library } from './engine';
import type { Palette } from './palette';

/** Losses, or accuracies, of every run over the steps; older points are thinned. */
export class LossChart {
  accuracy = false;  ///< what is shown
  private plot: uPlot | null = null;
  private steps: number[] = [];
  private losses: (number | null)[][] = [];
  private accuracies: (number | null)[][] = [];
  private every = 1;
  private seen = 0;

  start(names: string[], validation: boolean, colours: Palette): void {
    this.steps = [];
    this.losses = Array.from({ length: names.length + (validation ? 1 : 0) }, () => []);
    this.accuracies = this.losses.map(() => []);
    this.every = 1;
    this.seen = 0;
    this.build(names, validation, colours);
  }
  build(names: string[], validation: boolean, colours: Palette): void {
    this.plot?.destroy();
    const root = byId('loss');
    const axis = { stroke: colours.quiet, grid: { stroke: colours.faint, width: 1 }, ticks: { stroke: colours.faint }, font: '11px system-ui, sans-serif' };
    const lines: uPlot.Series[] = names.map((label, i) => ({ label, stroke: colours.runs[i], width: 2, points: { show: false }, value: (_: uPlot, v: number | null) => (v == null ? '–' : digits(v)) }));
    if (validation) lines.push({ label: 'validation', stroke: colours.runs[0], width: 1.5, dash: [5, 4], points: { show: false }, value: (_: uPlot, v: number | null) => (v == null ? '–' : digits(v)) });
    this.plot = new uPlot({
      width: Math.max(root.clientWidth, 200), height: 190, scales: { x: { time: false } }, cursor: { y: false },
      axes: [{ ...axis, size: 34 }, { ...axis, size: 46, values: (_, ticks) => ticks.map(digits) }],
      series: [{ label: 'step' }, ...lines],
    }, this.data(), root);
  }
  private data(): uPlot.AlignedData { return [this.steps, ...(this.accuracy ? this.accuracies : this.losses)] as uPlot.AlignedData; }

  add(step: number, values: Evaluation[]): void {
    if (this.steps.length && step <= this.steps[this.steps.length - 1]) return;
    if (this.seen++ % this.every !== 0) return;
    this.steps.push(step);
    const finite = (x: number) => (Number.isFinite(x) ? x : null);
    this.losses.forEach((s, i) => s.push(finite(values[i].loss)));
    this.accuracies.forEach((s, i) => s.push(finite(values[i].accuracy)));
    if (this.steps.length > 600) {
      this.every *= 2;
      const keep = (_: unknown, i: number) => i % 2 === 0;
      this.steps = this.steps.filter(keep);
      this.losses = this.losses.map((s) => s.filter(keep));
      this.accuracies = this.accuracies.map((s) => s.filter(keep));
    }
  }
  draw(): void { this.plot?.setData(this.data()); }
  resize(): void { this.plot?.setSize({ width: Math.max(byId('loss').clientWidth, 200), height: 190 }); }
}

/** f, f′ and the histogram of z of one layer; where f′ is small the ground is shaded. */
export class Lens {
  private text = '';
  private curve: Curve | null = null;
  constructor(private library: Library) {}

  draw(layer: Layer | undefined, colours: Palette): void {
    const root = byId('lens');
    if (!layer) return void root.replaceChildren('There is no hidden layer.');
    if (layer.activation !== this.text) {
      this.text = layer.activation;
      this.curve = layer.elementwise ? this.library.curve(this.text, -8, 8, 161) : null;
    }
    const curve = this.curve;
    const note = byId('lens-note');
    if (!curve) {
      note.textContent = `${layer.activation} makes one output of several inputs, so there is no single curve, and saturated and dead are not defined.`;
      return void root.replaceChildren();
    }
    const width = 340, height = 210, left = 30, bottom = 22;
    const x = scaleLinear([-8, 8], [left, width - 6]);
    const lowest = Math.max(Math.min(...curve.value, ...curve.slope, 0), -3), highest = Math.min(Math.max(...curve.value, ...curve.slope, 1), 4);
    const y = scaleLinear([lowest, highest], [height - bottom, 8]).clamp(true);
    const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `f and f′ of ${layer.activation}, and how z is distributed` });
    const cell = x(0.1) - x(0);
    curve.x.forEach((at, i) => curve.saturated[i] && picture.append(svg('rect', { x: x(at) - cell / 2, y: 8, width: cell + 0.4, height: height - bottom - 8, fill: colours.faint, opacity: 0.75 })));
    if (layer.z) {
      const z = layer.z, most = Math.max(...z.counts, 1), step = (z.high - z.low) / z.counts.length;
      const h = scaleLinear([0, most], [height - bottom, height - bottom - 110]);
      const shape = area<number>().x((_, i) => x(z.low + (i + 0.5) * step)).y0(height - bottom).y1((n) => h(n));
      picture.append(svg('path', { d: shape(z.counts)!, fill: colours.runs[2], opacity: 0.45 }));
    }
    for (const at of [-8, -4, 0, 4, 8]) picture.append(svg('text', { x: x(at), y: height - 6, 'text-anchor': 'middle' }, String(at)));
    for (const at of y.ticks(4)) {
      picture.append(svg('line', { x1: left, x2: width - 6, y1: y(at), y2: y(at), stroke: colours.faint }));
      picture.append(svg('text', { x: left - 5, y: y(at) + 4, 'text-anchor': 'end' }, String(at)));
    }
    const path = (values: number[]) => line<number>().x((_, i) => x(curve.x[i])).y((v) => y(v)).defined((v) => v >= lowest && v <= highest)(values)!;
    picture.append(svg('path', { d: path(curve.slope), fill: 'none', stroke: colours.runs[1], 'stroke-width': 2, 'stroke-dasharray': '6 4' }));
    picture.append(svg('path', { d: path(curve.value), fill: 'none', stroke: colours.runs[0], 'stroke-width': 2.5 }));
    const label = (text: string, at: number, colour: string) => picture.append(Object.assign(svg('text', { x: at, y: 20, 'font-weight': 700 }, text), { style: `fill:${colour};font-size:13px` }));
    label('f', left + 8, colours.runs[0]);
    label('f′', left + 26, colours.runs[1]);
    label('z', left + 48, colours.runs[2]);
    root.replaceChildren(picture);
    note.textContent = `${curve.formula ? `f(x) = ${curve.formula}. ` : ''}Shaded: saturated, |f′| below a tenth of its maximum. In the last batch ${percent(layer.saturatedLow ?? NaN)} of the outputs were saturated on the low side, ${percent(layer.saturatedHigh ?? NaN)} on the high side; z: mean ${digits(layer.zMean ?? NaN)}, standard deviation ${digits(layer.zStd ?? NaN)}.`;
  }
}

const log = scaleLog([1e-8, 1], [0, 100]).clamp(true);

function row(name: string, value: number, low: boolean): HTMLElement {
  const width = value > 0 ? Math.max(log(value), 1) : 0;
  return element('div', { class: 'row' }, element('span', {}, name),
    element('div', { class: 'track' }, element('div', { class: low ? 'fill low' : 'fill', style: `width:${width}%` })), element('span', { class: 'number' }, digits(value)));
}

/** Bars of the gradient by layer, and what changes it from a layer to the one before. */
export function drawFlow(layers: Layer[]): void {
  const rows: HTMLElement[] = [];
  layers.forEach((layer, l) => {
    if (layer.gradient === undefined) return;
    rows.push(row(layer.path === 'output' ? 'output' : `layer ${l + 1}`, layer.gradient, layer.gradient < 1e-6));
    if (layer.path !== 'output')
      rows.push(element('div', { class: 'factors' }, `× ${digits(layer.weightFactor ?? NaN)} weights, × ${digits(layer.slopeFactor ?? NaN)} f′`));
  });
  byId('flow').replaceChildren(...(rows.length ? rows : [element('p', { class: 'note' }, 'Press Play: a step has to be seen first.')]));
}

export function drawRatios(engine: Engine): void {
  const rows = engine.parameters().filter((p) => p.path.endsWith('weight')).map((p) => row(p.path, p.updateRatio, p.updateRatio > 0.1));
  byId('ratios').replaceChildren(...rows);
}
