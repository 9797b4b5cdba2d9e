// The page: one run with its twins, what is drawn of it, and when.

import { defaults, fromAddress, limits, toAddress, type Config } from './config';
import { Controls, type Effect } from './controls';
import { drawFlow, drawRatios, Lens, LossChart } from './charts';
import { byId, digits, element, percent, say } from './dom';
import { start, type Engine, type Library } from './engine';
import { FindingsView } from './findings';
import { LessonView } from './lessons';
import { NetworkView } from './network';
import { paint, palette, type Palette } from './palette';
import { PlaneView } from './plane';

class Playground {
  private config: Config;
  private twins: string[];
  private engines: Engine[] = [];  ///< the run, then its twins
  private twinMaps: HTMLCanvasElement[] = [];
  private playing = false;
  private changed = false;  ///< while running: the C++ program starts anew
  private frame = 0;
  private owed = 0;
  private last = 0;
  private cells = 40;
  private colours!: Palette;
  private calm = matchMedia('(prefers-reduced-motion: reduce)');
  private network = new NetworkView(() => this.drawPictures(), (layer, units) => this.change({ hidden: this.config.hidden.map((n, l) => (l === layer ? units : n)) }, 'anew'));
  private plane = new PlaneView((x1, x2, label) => this.addPoint(x1, x2, label));
  private loss = new LossChart();
  private lens: Lens;
  private findings: FindingsView;
  private controls: Controls;
  /** Steps per second and times of frames of the last second, for tests. */
  readonly pace = { frames: [] as number[] };

  constructor(private library: Library) {
    ({ config: this.config, twins: this.twins } = fromAddress(location.hash));
    this.lens = new Lens(library);
    this.controls = new Controls(library.names(), (change, effect) => this.change(change, effect));
    this.findings = new FindingsView((layer, rule) => this.network.pointAt(layer, rule.includes('satur') ? ['saturated'] : ['dead', 'asleep', 'saturated']),
      (next, text) => { this.replace(next, this.twins); this.tell(`Applied: ${text}. The training starts anew.`, true); });
    new LessonView((settings, twins) => this.replace({ ...structuredClone(defaults) as Config, ...settings }, twins));
    this.wire();
    this.theme(matchMedia('(prefers-color-scheme: dark)').matches);
    if (!this.build(null)) {
      const why = byId('status').textContent;
      this.replace(structuredClone(defaults) as Config, []);
      this.tell(`The address cannot be used: ${why}`);
    }
    requestAnimationFrame((now) => this.tick(now));
  }

  get engine(): Engine { return this.engines[0]; }
  get state() { return { config: this.config, twins: this.twins, playing: this.playing, engines: this.engines }; }

  private wire(): void {
    const on = (id: string, f: () => void) => byId(id).addEventListener('click', f);
    on('play', () => this.play(!this.playing));
    on('step', () => { this.play(false); this.run(1); this.drawAll(); });
    on('reset', () => { this.build(null); });
    on('link', () => this.copy(location.href, 'The link is copied: it holds the whole configuration.'));
    on('program', () => this.showProgram());
    on('theme', () => this.theme(!this.colours.dark));
    on('fewer', () => this.change({ hidden: this.config.hidden.slice(0, -1) }, 'anew'));
    on('more', () => this.change({ hidden: [...this.config.hidden, this.config.hidden[this.config.hidden.length - 1] ?? 4] }, 'anew'));
    on('code-copy', () => this.copy(byId('code-text').textContent!, 'The program is copied.'));
    byId('edges').addEventListener('change', () => this.drawEdges());
    byId('lines').addEventListener('change', () => this.drawLines());
    byId('curve').addEventListener('change', () => {
      this.loss.accuracy = byId<HTMLSelectElement>('curve').value === 'accuracy';
      this.loss.draw();
    });
    byId('lens-layer').addEventListener('change', () => this.drawCharts());
    addEventListener('resize', () => { this.layout(); this.loss.resize(); this.drawAll(); });
    addEventListener('hashchange', () => {
      const next = fromAddress(location.hash);
      if (toAddress(next.config, next.twins) !== toAddress(this.config, this.twins)) this.replace(next.config, next.twins);
    });
    addEventListener('keydown', (event) => {
      const busy = event.target instanceof HTMLElement && event.target.closest('input, select, button, textarea, dialog, #map');
      if (event.key === ' ' && !busy) { event.preventDefault(); this.play(!this.playing); }
    });
    const button = (text: string, f: () => void) => element('button', { type: 'button', onclick: f }, text);
    const damage = (text: string, what: string, done: string) => button(text, () => this.touch(() => this.engines.forEach((e) => e.damage(what)), done));
    byId('break').append(element('h3', {}, 'Break it'), element('div', { class: 'buttons' },
      button('rate × 10', () => this.change({ lr: Number((this.config.lr * 10).toPrecision(3)) }, 'retune')),
      damage('biases −10', 'biases', 'The biases of the hidden layers are −10 now.'),
      damage('weights × 10', 'weights', 'All weights are ten times as large now.'),
      damage('weights 0', 'zero', 'All weights are 0 now.'),
      button('shuffle labels', () => this.change({ shuffledLabels: true }, 'keep')),
      button('inputs × 100', () => this.change({ inputScale: this.config.inputScale * 100 }, 'keep'))),
      element('h3', {}, 'Repair it'), element('div', { class: 'buttons' }, button('revive the dead', () => this.revive())));
    byId('own').append('Click adds a point of class 1, with Shift of class 0; with the map in focus the arrow keys move a cursor, and 0 and 1 add a point. ',
      button('clear', () => this.change({ own: [] }, 'anew')), ' ', button('save as CSV', () => this.saveOwn()));
  }

  private tell(text: string, good = false): void {
    const status = byId('status');
    status.className = good ? 'good' : '';
    say(status, text);
  }
  private copy(text: string, done: string): void {
    navigator.clipboard?.writeText(text).then(() => this.tell(done, true), () => this.tell('The browser does not allow copying here; the address bar holds the link.'));
  }

  // What runs.

  private replace(config: Config, twins: string[]): void {
    const before = { config: this.config, twins: this.twins };
    Object.assign(this, { config, twins });
    if (!this.build(null)) { Object.assign(this, before); this.controls.show(this.config); }
  }

  private change(change: Partial<Config>, effect: Effect): void {
    const before = this.config;
    this.config = { ...before, ...change };
    const ran = this.changed || this.engine.steps() > 0;  // kept weights are trained ones, though the steps begin at 0
    if (effect === 'retune') {
      try {
        this.engines.forEach((e, i) => e.retune(this.of(i)));
        this.changed ||= ran;
        this.tell('');
      } catch (error) {
        this.tell(String(error));
        this.config = before;
      }
      this.settle();
    } else if (!this.build(effect === 'keep' ? this.engines : null)) {
      this.config = before;
      this.controls.show(before);
    } else if (effect === 'keep') this.changed = ran;
  }

  private of(i: number): Config { return i === 0 ? this.config : { ...this.config, activation: this.twins[i - 1] }; }

  /** Makes the runs; with `old`, each begins with the weights of the old one where they fit. False: the library refuses. */
  private build(old: Engine[] | null): boolean {
    if (this.config.data === 'own' && this.config.own.length < 6) this.config = { ...this.config, own: [-1, -1, 0, 1, 1, 1, -1, 1, 0] };
    const made: Engine[] = [];
    try {
      for (let i = 0; i <= this.twins.length; ++i) {
        let engine: Engine | null = null;
        if (old?.[i]) try { engine = new this.library.Engine(this.of(i), old[i]); } catch { /* other shapes: begin anew */ }
        made.push(engine ?? new this.library.Engine(this.of(i), null));
      }
    } catch (error) {
      made.forEach((e) => e.delete());
      this.tell(String(error));
      return false;
    }
    this.engines.forEach((e) => e.delete());
    this.engines = made;
    this.twinMaps = [];
    this.changed = false;
    this.tell('');
    this.settle();
    this.layout();
    this.loss.start([this.config.activation, ...this.twins], this.config.validation > 0, this.colours);
    this.drawAll();
    return true;
  }

  /** After a change of the configuration: controls, address, texts that name it. */
  private settle(): void {
    this.controls.show(this.config);
    const address = toAddress(this.config, this.twins);
    history.replaceState(null, '', address ? `#${address}` : location.pathname + location.search);
    say(byId('depth'), String(this.config.hidden.length));
    byId<HTMLButtonElement>('fewer').disabled = this.config.hidden.length === 0;
    byId<HTMLButtonElement>('more').disabled = this.config.hidden.length === limits.layers;
    byId('own').hidden = this.config.data !== 'own';
    byId('map').tabIndex = this.config.data === 'own' ? 0 : -1;
    const layers = byId<HTMLSelectElement>('lens-layer');
    if (layers.options.length !== this.config.hidden.length)
      layers.replaceChildren(...this.config.hidden.map((_, l) => element('option', { value: l }, `layer ${l + 1}`)));
  }

  private touch(f: () => void, done: string): void {
    try {
      f();
      this.changed = true;
      this.tell(done, true);
    } catch (error) { this.tell(String(error)); }
    this.drawAll();
  }
  private revive(): void {
    let count = 0;
    this.touch(() => { count = this.engines.reduce((sum, e) => sum + e.revive(), 0); }, '');
    if (!byId('status').textContent) this.tell(count ? `${count} dead ${count === 1 ? 'unit has' : 'units have'} new weights.` : 'No unit is dead.', true);
  }
  private addPoint(x1: number, x2: number, label: number): void {
    if (this.config.data === 'own') this.change({ own: [...this.config.own, ...[x1, x2].map((v) => Number(v.toPrecision(4))), label] }, 'keep');
  }
  private saveOwn(): void {
    const rows = Array.from({ length: this.config.own.length / 3 }, (_, i) => this.config.own.slice(3 * i, 3 * i + 3).join(','));
    const link = element('a', { href: `data:text/csv,${encodeURIComponent(['x1,x2,label', ...rows, ''].join('\n'))}`, download: 'points.csv' });
    link.click();
  }

  private play(on: boolean): void {
    this.playing = on;
    this.last = 0;
    const button = byId('play');
    button.setAttribute('aria-pressed', String(on));
    say(button, on ? 'Pause' : 'Play');
    if (!on) this.drawAll();
  }
  private run(steps: number): void {
    try { for (const engine of this.engines) engine.run(steps); } catch (error) { this.tell(String(error)); this.play(false); }
  }

  private tick(now: number): void {
    requestAnimationFrame((next) => this.tick(next));
    if (!this.playing) return;
    this.pace.frames.push(now);
    if (this.pace.frames.length > 600) this.pace.frames.shift();
    const speed = Number(byId<HTMLSelectElement>('speed').value);
    const before = this.engine.steps();
    if (speed > 0) {
      this.owed = Math.min(this.owed + (this.last ? ((now - this.last) / 1000) * speed : 1), speed / 10 + 1);
      const steps = Math.floor(this.owed);
      this.owed -= steps;
      if (steps > 0) this.run(steps);
    } else {
      const end = performance.now() + 9;
      do this.run(25); while (performance.now() < end);
    }
    this.last = now;
    ++this.frame;
    if (this.engine.steps() !== before) this.drawSome();
  }

  // What is drawn. The work of a frame is spread over the frames.

  private drawSome(): void {
    const f = this.frame;
    if (this.calm.matches ? f % 20 === 0 : f % 2 === 0) this.drawPictures();
    if (this.calm.matches && f % 20) return;
    if (f % 12 === 1) this.drawStates();
    if (f % 12 === 3) this.drawNumbers();
    if (f % 12 === 5) { this.drawEdges(); if (byId<HTMLInputElement>('lines').checked) this.drawLines(); }
    if (f % 12 === 7) this.loss.draw();
    if (f % 12 === 9) this.drawCharts();
    if (f % 30 === 11) this.drawFindings();
  }
  private drawAll(): void {
    this.drawPictures();
    this.drawStates();
    this.drawNumbers();
    this.loss.draw();
    this.drawEdges();
    this.drawLines();
    this.drawCharts();
    this.drawFindings();
  }

  private layout(): void {
    const units = this.config.hidden.reduce((a, b) => a + b, 0);
    this.cells = units > 64 ? 20 : units > 32 ? 28 : 40;
    this.network.layout(this.config, this.cells);
    this.network.drawInputs(this.cells, this.colours);
    this.plane.plane = this.engine.map();
    this.plane.drawPoints(this.engine.points(), this.engine.trained(), this.colours);
    this.layoutTwins();
  }
  private layoutTwins(): void {
    const root = byId('twins');
    const rest = this.library.names().activations.map((a) => a.name);
    const add = element('select', { 'aria-label': 'Add a twin', onchange: () => this.replace(this.config, [...this.twins, add.value]) },
      element('option', { value: '' }, 'add a twin …'), ...rest.map((n) => element('option', { value: n }, n)));
    add.disabled = this.twins.length === 2;
    root.replaceChildren(element('h2', {}, 'Twins'), element('p', { class: 'note' }, 'The same seed and the same batches, in step; only the activation differs. '), add);
    this.twinMaps = [];
    if (!this.twins.length) return;
    const list = element('div', { class: 'twin-list' });
    [this.config.activation, ...this.twins].forEach((name, i) => {
      const canvas = element('canvas', { width: this.cells, height: this.cells, role: 'img', 'aria-label': `Output of the twin with ${name}` });
      this.twinMaps.push(canvas);
      const remove = element('button', { type: 'button', 'aria-label': `Remove the twin with ${name}`, onclick: () => this.replace(this.config, this.twins.filter((_, k) => k !== i - 1)) }, '×');
      list.append(element('div', { class: 'twin', style: `--run:${this.colours.runs[i]}` }, element('header', {}, element('b', {}, name), ...(i ? [remove] : [])), canvas, element('div', { class: 'twin-numbers' })));
    });
    root.append(list);
  }

  private drawPictures(): void {
    if (!this.engine) return;
    const { cells, colours } = this;
    const values = this.engine.pictures(cells);
    this.network.draw(values, cells, colours);
    const area = cells * cells;
    const focus = this.network.focus;
    const hidden = this.config.hidden;
    if (focus && focus.layer >= 0 && focus.layer < hidden.length) {
      const at = hidden.slice(0, focus.layer).reduce((a, b) => a + b, 0) + focus.unit;
      this.plane.draw(values.subarray(at * area, (at + 1) * area), cells, colours, `Output of layer ${focus.layer + 1}, unit ${focus.unit + 1} over the plane`);
      say(byId('h-map'), `Layer ${focus.layer + 1}, unit ${focus.unit + 1} over the plane`);
    } else {
      this.plane.draw(values.subarray(values.length - area).map((p) => 2 * p - 1), cells, colours, 'Probability of class 1 over the plane');
      say(byId('h-map'), 'Output over the plane');
    }
    this.network.detail(this.engine);
    if (this.frame % 6 && this.playing) return;
    this.twinMaps.forEach((canvas, i) => {
      const all = this.engines[i].pictures(cells);
      paint(canvas, all.subarray(all.length - area).map((p) => 2 * p - 1), colours.heat, cells, new ImageData(cells, cells));
    });
  }
  private drawStates(): void { this.network.drawStates(this.engine.units()); }
  private drawEdges(): void {
    const gradients = byId<HTMLInputElement>('edges').checked && this.engine.steps() > 0;
    this.network.drawEdges(this.engine, gradients, this.colours);
  }
  private drawLines(): void {
    const on = byId<HTMLInputElement>('lines').checked;
    if (on) this.plane.plane = { ...this.plane.plane, lines: this.engine.map().lines };
    this.plane.drawLines(this.colours, on);
  }
  private drawNumbers(): void {
    const steps = this.engine.steps();
    const trained = this.engines.map((e) => e.train());
    const valid = this.config.validation > 0 ? (steps > 0 ? this.engine.validation() : null) : null;
    say(byId('n-step'), steps.toLocaleString('en'));
    say(byId('n-train'), digits(trained[0].loss));
    say(byId('n-valid'), valid ? digits(valid.loss) : '–');
    say(byId('n-accuracy'), percent(valid && Number.isFinite(valid.accuracy) ? valid.accuracy : trained[0].accuracy));
    this.loss.add(steps, [...trained, ...(this.config.validation > 0 ? [valid ?? { loss: NaN, accuracy: NaN }] : [])]);
    document.querySelectorAll<HTMLElement>('.twin-numbers').forEach((to, i) => {
      const dead = this.engines[i].units().flat().filter((u) => u.state === 'dead').length;
      say(to, `loss ${digits(trained[i].loss)}${dead ? `, ${dead} dead` : ''}`);
    });
  }
  private drawCharts(): void {
    const layers = this.engine.layers();
    const chosen = byId<HTMLSelectElement>('lens-layer').value;
    this.lens.draw(chosen === '' ? undefined : layers.filter((l) => l.path !== 'output')[Number(chosen)], this.colours);
    drawFlow(layers);
    drawRatios(this.engine);
  }
  private drawFindings(): void {
    this.findings.draw(this.engine.steps() ? this.engine.findings() : [], this.engine.layers(), this.config, this.engine.steps());
  }

  private showProgram(): void {
    const notes = ['Compile it with the library; it prints the loss of every step, the same that this page computes.'];
    if (this.changed) notes.push('The network here was changed while it ran; the program starts anew with the settings of now.');
    if (this.config.data === 'own') notes.push('It reads your points from points.csv: “save as CSV” beside the map writes it.');
    say(byId('code-note'), notes.join(' '));
    say(byId('code-text'), this.engine.program());
    byId<HTMLDialogElement>('code').showModal();
  }

  private theme(dark: boolean): void {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    this.colours = palette(dark);
    say(byId('theme'), dark ? 'Light' : 'Dark');
    if (!this.engine) return;
    this.layout();
    this.loss.build([this.config.activation, ...this.twins], this.config.validation > 0, this.colours);
    this.drawAll();
  }
}

declare global { interface Window { playground: Playground } }
start().then((library) => { window.playground = new Playground(library); },
  (error) => { byId('status').textContent = `The engine does not start: ${error}`; });
