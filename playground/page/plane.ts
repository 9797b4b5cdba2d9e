// The large map: the output of the network, or of the unit that is pointed at, with the points and the lines of layer 1.

import { byId, element } from './dom';
import type { Plane } from './engine';
import { paint, type Palette } from './palette';

const side = 640;

export class PlaneView {
  private field = document.createElement('canvas');
  private layers = [0, 1, 2].map(() => element('canvas', { width: side, height: side }));
  private cursor = { x: 0.5, y: 0.5, on: false };
  private drawn: { points: Float32Array; trained: number; colours: Palette } | null = null;
  plane: Plane = { low: [-1, -1], high: [1, 1], lines: [] };

  /** `add` hears of a point that is to be added: its place and class. */
  constructor(private add: (x1: number, x2: number, label: number) => void) {
    const root = byId('map');
    root.append(...this.layers);
    root.setAttribute('role', 'img');
    root.addEventListener('click', (event) => this.place(event.offsetX / root.clientWidth, event.offsetY / root.clientHeight, event.shiftKey ? 0 : 1));
    root.addEventListener('keydown', (event) => this.key(event));
    root.addEventListener('blur', () => { this.cursor.on = false; this.points(); });
  }

  private place(x: number, y: number, label: number): void {
    const { low, high } = this.plane;
    this.add(low[0] + x * (high[0] - low[0]), high[1] - y * (high[1] - low[1]), label);
  }
  private key(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) {
      this.cursor = { x: Math.min(Math.max(this.cursor.x + moves[event.key][0] / 40, 0), 1), y: Math.min(Math.max(this.cursor.y + moves[event.key][1] / 40, 0), 1), on: true };
      this.points();
    } else if (event.key === '0' || event.key === '1') {
      this.place(this.cursor.x, this.cursor.y, Number(event.key));
    } else return;
    event.preventDefault();
  }

  /** cells×cells values from −1 to 1. */
  draw(values: Float32Array, cells: number, colours: Palette, name: string): void {
    const image = new ImageData(cells, cells);
    Object.assign(this.field, { width: cells, height: cells });
    paint(this.field, values, colours.heat, cells, image);
    const context = this.layers[0].getContext('2d')!;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.field, 0, 0, side, side);
    byId('map').setAttribute('aria-label', name);
  }

  private at(x1: number, x2: number): [number, number] {
    const { low, high } = this.plane;
    return [((x1 - low[0]) / (high[0] - low[0])) * side, ((high[1] - x2) / (high[1] - low[1])) * side];
  }

  drawPoints(points: Float32Array, trained: number, colours: Palette): void {
    this.drawn = { points: points.slice(), trained, colours };
    this.points();
  }
  private points(): void {
    if (!this.drawn) return;
    const { points, trained, colours } = this.drawn;
    const context = this.layers[2].getContext('2d')!;
    context.clearRect(0, 0, side, side);
    context.lineWidth = 2;
    const size = points.length > 900 ? 5 : 7;
    for (let i = 0; i < points.length / 3; ++i) {
      const [x, y] = this.at(points[3 * i], points[3 * i + 1]);
      const label = points[3 * i + 2];
      context.beginPath();
      if (label) context.arc(x, y, size, 0, 7);
      else { context.moveTo(x, y - size - 2); context.lineTo(x + size + 2, y); context.lineTo(x, y + size + 2); context.lineTo(x - size - 2, y); context.closePath(); }
      context.fillStyle = i < trained ? colours.classes[label] : colours.ground;
      context.strokeStyle = i < trained ? colours.ground : colours.classes[label];
      context.fill();
      context.stroke();
    }
    if (!this.cursor.on) return;
    context.strokeStyle = colours.ink;
    const [x, y] = [this.cursor.x * side, this.cursor.y * side];
    context.beginPath();
    context.moveTo(x - 14, y); context.lineTo(x + 14, y); context.moveTo(x, y - 14); context.lineTo(x, y + 14);
    context.stroke();
  }

  /** z = 0 of every unit of the first layer with its number; dashed where the unit is dead. */
  drawLines(colours: Palette, on: boolean): void {
    const context = this.layers[1].getContext('2d')!;
    context.clearRect(0, 0, side, side);
    if (!on) return;
    const { low, high } = this.plane;
    context.strokeStyle = context.fillStyle = colours.ink;
    context.font = '600 19px system-ui, sans-serif';
    context.lineWidth = 2;
    this.plane.lines.forEach(([w1, w2, b, dead], unit) => {
      const ends = ([[low[0], null], [high[0], null], [null, low[1]], [null, high[1]]] as [number | null, number | null][])
        .map(([x1, x2]) => (x1 === null ? [-(b + w2 * x2!) / w1, x2!] : [x1, -(b + w1 * x1) / w2]))
        .filter(([x1, x2]) => x1 >= low[0] - 1e-6 && x1 <= high[0] + 1e-6 && x2 >= low[1] - 1e-6 && x2 <= high[1] + 1e-6);
      if (ends.length < 2) return;
      const [from, to] = [this.at(ends[0][0], ends[0][1]), this.at(ends[ends.length - 1][0], ends[ends.length - 1][1])];
      context.setLineDash(dead ? [8, 8] : []);
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
      const t = 0.12 + 0.06 * (unit % 6);
      context.lineWidth = 5;
      context.strokeStyle = colours.ground;
      context.setLineDash([]);
      const text: [string, number, number] = [String(unit + 1), from[0] + t * (to[0] - from[0]) + 6, from[1] + t * (to[1] - from[1]) - 6];
      context.strokeText(...text);
      context.fillText(...text);
      context.lineWidth = 2;
      context.strokeStyle = colours.ink;
    });
  }
}
