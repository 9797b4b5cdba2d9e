// The network as columns of units: each a picture of its output over the plane, framed by its state.

import type { Config } from './config';
import { limits } from './config';
import { byId, digits, element, percent, say } from './dom';
import type { Engine, Unit } from './engine';
import { paint, type Palette } from './palette';

interface Shown { button: HTMLButtonElement; canvas: HTMLCanvasElement; rate: HTMLElement; badge: HTMLElement }

export class NetworkView {
  private shown: Shown[][] = [];
  private places: { x: number; y: number }[][] = [];
  private edges = element('canvas', { class: 'edges', 'aria-hidden': 'true' });
  private image!: ImageData;
  private states: Unit[][] = [];
  private headings: HTMLElement[] = [];
  private pointed: { layer: number; unit: number } | null = null;
  pinned: { layer: number; unit: number } | null = null;

  /** `point` hears which unit is pointed at (null: none), `resize` which layer is to have how many units. */
  constructor(private point: () => void, private resize: (layer: number, units: number) => void) {
    byId('network').addEventListener('pointerleave', () => this.look(null));
  }

  /** The unit whose picture is shown large, if any. */
  get focus() { return this.pointed ?? this.pinned; }

  /** Lays out the columns of a network. */
  layout(config: Config, cells: number): void {
    const root = byId('network');
    const many = config.hidden.length > 5;
    const width = Math.max(root.parentElement!.clientWidth, (many ? 50 : 76) * (config.hidden.length + 2));
    const most = Math.max(2, ...config.hidden);
    const size = many ? 30 : most > 8 ? 34 : 40;
    const pitch = size + (most > 8 ? 13 : 16);
    const top = 56, height = top + most * pitch + 8;
    root.style.height = `${height}px`;
    root.style.width = `${width}px`;
    root.replaceChildren(this.edges);
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.edges, { width: width * ratio, height: height * ratio });
    Object.assign(this.edges.style, { width: `${width}px`, height: `${height}px` });
    this.image = new ImageData(cells, cells);
    const columns = [2, ...config.hidden, 1];
    const x = (c: number) => 26 + (c * (width - 52)) / (columns.length - 1);
    this.places = columns.map((n, c) => Array.from({ length: n }, (_, u) => ({ x: x(c), y: top + pitch * (u + 0.5 + (most - n) / 2) })));
    this.headings = [];
    this.shown = columns.map((n, c) => {
      const hidden = c > 0 && c <= config.hidden.length;
      const heading = element('div', { class: 'column', style: `left:${x(c)}px` }, c === 0 ? 'inputs' : hidden ? `layer ${c}` : 'output');
      if (hidden) heading.append(this.stepper(c - 1, n, many));
      this.headings.push(heading);
      root.append(heading);
      return Array.from({ length: n }, (_, u) => this.unit(c, u, size, cells, root));
    });
    this.pinned = null;
    this.look(null);
  }

  private stepper(layer: number, units: number, short: boolean): HTMLElement {
    const button = (text: string, by: number, name: string) =>
      element('button', { type: 'button', 'aria-label': `Layer ${layer + 1}: one unit ${name}`, disabled: units + by < 1 || units + by > limits.units, onclick: () => this.resize(layer, units + by) }, text);
    return element('div', { class: 'units' }, button('−', -1, 'fewer'), short ? '' : String(units), button('+', 1, 'more'));
  }

  private unit(column: number, unit: number, size: number, cells: number, root: HTMLElement): Shown {
    const place = this.places[column][unit];
    const canvas = element('canvas', { width: cells, height: cells });
    const rate = element('span', { class: 'rate' });
    const badge = element('span', { class: 'badge', hidden: true });
    const at = { layer: column - 1, unit };
    const button = element('button', {
      type: 'button', class: 'unit', style: `left:${place.x}px;top:${place.y}px;width:${size}px;height:${size}px`,
      onpointerenter: () => this.look(at), onfocus: () => this.look(at), onblur: () => this.look(null),
      onclick: () => { this.pinned = this.pinned?.layer === at.layer && this.pinned.unit === unit ? null : at; this.mark(); this.point(); },
    }, canvas, rate, badge);
    button.dataset.layer = String(column - 1);
    button.dataset.unit = String(unit);
    button.setAttribute('aria-label', column === 0 ? `Input x${unit + 1}` : 'Unit');
    root.append(button);
    return { button, canvas, rate, badge };
  }

  private look(at: { layer: number; unit: number } | null): void {
    this.pointed = at;
    this.point();
  }
  private mark(): void {
    this.shown.forEach((column, c) => column.forEach((s, u) => s.button.classList.toggle('pinned', this.pinned?.layer === c - 1 && this.pinned.unit === u)));
  }

  /** Pictures of all units; the rest of `values` is the output of the network. */
  draw(values: Float32Array, cells: number, colours: Palette): void {
    const area = cells * cells;
    let at = 0;
    for (let c = 1; c < this.shown.length - 1; ++c)
      for (const s of this.shown[c]) paint(s.canvas, values.subarray(at, (at += area)), colours.heat, cells, this.image);
    paint(this.shown[this.shown.length - 1][0].canvas, values.subarray(at).map((p) => 2 * p - 1), colours.heat, cells, this.image);
  }
  /** The inputs never change. */
  drawInputs(cells: number, colours: Palette): void {
    for (const axis of [0, 1]) {
      const ramp = Float32Array.from({ length: cells * cells }, (_, i) => ((axis ? Math.floor(i / cells) : i % cells) / (cells - 1)) * 2 - 1);
      paint(this.shown[0][axis].canvas, ramp, colours.heat, cells, this.image);
    }
  }

  /** Frames by what the library's census and monitor say. */
  drawStates(states: Unit[][]): void {
    this.states = states;
    states.forEach((layer, l) => layer.forEach((unit, u) => {
      const s = this.shown[l + 1]?.[u];
      if (!s) return;
      const name = `unit ${unit.state}`;
      if (!s.button.className.startsWith(name)) {
        s.button.className = name;
        s.badge.hidden = unit.state !== 'dead' && !(unit.revived >= 0 && unit.state === 'alive');
        s.badge.textContent = unit.state === 'dead' ? '×' : '↺';
        this.mark();
      }
      s.rate.style.width = `${Math.round(100 * unit.firingRate)}%`;
      const text = `Layer ${l + 1}, unit ${u + 1}: ${this.describe(unit)}`;
      if (s.button.getAttribute('aria-label') !== text) s.button.setAttribute('aria-label', text);
    }));
    const out = this.shown[this.shown.length - 1][0].button;
    out.setAttribute('aria-label', 'Output of the network');
  }

  describe(unit: Unit): string {
    const rate = `not saturated on ${percent(unit.firingRate)} of the points`;
    if (unit.state === 'dead') return unit.deadSince >= 0 ? `dead since step ${unit.deadSince}` : 'f′ is 0 on every point now';
    return `${unit.state}, ${rate}` + (unit.revived >= 0 ? `; revived at step ${unit.revived}` : '');
  }

  /** Numbers of the unit that is pointed at. */
  detail(engine: Engine): void {
    const at = this.focus;
    const to = byId('unit');
    if (!at || at.layer < 0) {
      if (at) say(to, `Input x${at.unit + 1}: the ${at.unit ? 'vertical' : 'horizontal'} coordinate of a point.`);
      else if (to.dataset.empty !== 'yes') {
        to.dataset.empty = 'yes';
        to.textContent = 'Point at a unit, or move to one with the Tab key, to see its numbers. The bar below a unit is the share of the points on which it is not saturated.';
      }
      return;
    }
    to.dataset.empty = 'no';
    const last = at.layer === this.shown.length - 2;
    const unit = this.states[at.layer]?.[at.unit];
    const inputs = this.shown[at.layer].length;
    const weights = Array.from(engine.weights(at.layer, false).subarray(at.unit * inputs, (at.unit + 1) * inputs), digits);
    const bias = digits(engine.bias()[at.unit] ?? NaN);
    const title = last ? 'Output' : `Layer ${at.layer + 1}, unit ${at.unit + 1}`;
    const parts: (string | Node)[] = [element('b', {}, title), `: ${last || !unit ? 'the probability of class 1 is σ of its sum' : this.describe(unit)}. Weights ${weights.join(', ')}; bias ${bias}.`];
    if (unit?.certificate) parts.push(element('br'), element('b', {}, 'Death certificate. '), unit.certificate);
    to.replaceChildren(...parts);
  }

  /** Lines between units: width by size, colour by sign. */
  drawEdges(engine: Engine, gradients: boolean, colours: Palette): void {
    const context = this.edges.getContext('2d')!;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.edges.width, this.edges.height);
    for (let c = 0; c + 1 < this.places.length; ++c) {
      const from = this.places[c], to = this.places[c + 1];
      const w = engine.weights(c, gradients);
      let most = 0;
      for (const v of w) if (Math.abs(v) > most && Number.isFinite(v)) most = Math.abs(v);
      for (let u = 0; u < to.length; ++u)
        for (let i = 0; i < from.length; ++i) {
          const v = w[u * from.length + i];
          const share = most > 0 ? Math.abs(v) / most : 0;
          if (!(share > 0.02)) continue;
          context.strokeStyle = colours.classes[v > 0 ? 1 : 0];
          context.globalAlpha = 0.15 + 0.65 * share;
          context.lineWidth = 0.4 + 3.2 * share;
          context.beginPath();
          const middle = (from[i].x + to[u].x) / 2;
          context.moveTo(from[i].x, from[i].y);
          context.bezierCurveTo(middle, from[i].y, middle, to[u].y, to[u].x, to[u].y);
          context.stroke();
        }
    }
    context.globalAlpha = 1;
  }

  /** Shows where a finding is: the layer, and its first unit in that state. */
  pointAt(layer: number, states: string[]): void {
    this.headings.forEach((h, c) => h.classList.toggle('pointed', c === layer + 1));
    const unit = Math.max(0, this.states[layer]?.findIndex((u) => states.includes(u.state)) ?? 0);
    this.shown[layer + 1]?.[unit]?.button.focus();
  }
}
