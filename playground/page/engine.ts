// The library compiled to WebAssembly, as the page sees it (playground.cpp).

import type { Config } from './config';

export interface Evaluation { loss: number; accuracy: number }
export type State = 'alive' | 'saturated' | 'asleep' | 'dead';
export interface Unit { state: State; firingRate: number; deadSince: number; revived: number; certificate: string }
export interface Histogram { low: number; high: number; counts: number[] }
export interface Layer {
  path: string; activation: string; elementwise: boolean;
  saturatedLow?: number; saturatedHigh?: number; deadSince?: number;
  gradient?: number; weightFactor?: number; slopeFactor?: number; zMean?: number; zStd?: number; z?: Histogram;
}
export interface Remedy { change: string; value: number; to: string; initializer: string; text: string }
export interface Finding { rule: string; where: string; severity: string; text: string; effectOf: string; remedies: Remedy[] }
export interface Plane { low: number[]; high: number[]; lines: number[][] }
export interface Curve { x: number[]; value: number[]; slope: number[]; saturated: number[]; formula: string }
export interface Names {
  activations: { name: string; settings: { name: string; value: number }[] }[];
  initializers: string[]; optimizers: string[];
}
export interface Engine {
  run(steps: number): void;
  retune(config: Config): void;
  damage(what: string): void;
  revive(): number;
  steps(): number;
  units(): Unit[][];
  census(): Record<string, number[]>;
  layers(): Layer[];
  parameters(): { path: string; updateRatio: number }[];
  train(): Evaluation;
  validation(): Evaluation;
  firstLosses(): number[];
  program(): string;
  findings(): Finding[];
  map(): Plane;
  pictures(cells: number): Float32Array;
  weights(layer: number, gradients: boolean): Float32Array;
  bias(): Float32Array;
  points(): Float32Array;
  trained(): number;
  delete(): void;
}
export interface Library {
  Engine: new (config: Config, start: Engine | null) => Engine;
  curve(text: string, low: number, high: number, count: number): Curve | null;
  names(): Names;
}
declare const tapegradEngine: (options: { wasmBinary: ArrayBuffer }) => Promise<Library>;

/** Starts the engine that the page brings along. */
export async function start(): Promise<Library> {
  const text = document.getElementById('wasm')!.textContent!.trim();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return tapegradEngine({ wasmBinary: await new Response(stream).arrayBuffer() });
}
