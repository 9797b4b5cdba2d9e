// Steps per second of processor time of the engine and of TensorFlow Playground's nn.ts, side by side on the same network:
//   node bench.mjs ENGINE NN.ts     (ENGINE.js and ENGINE.wasm are what Emscripten made; nn.ts is not part of this repository)
import { transform } from 'esbuild';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [engine, other] = process.argv.slice(2).map((path) => resolve(path));
const library = await createRequire(import.meta.url)(`${engine}.js`)({ wasmBinary: readFileSync(`${engine}.wasm`) });
const config = {
  data: 'moons', points: 500, noise: 0.1, validation: 0.2, seed: 42, hidden: [8, 8], activation: 'tanh', initializer: 'xavier_normal',
  optimizer: 'sgd', lr: 0.03, batch: 10, own: [],
};
const ours = new library.Engine(config, null);
const points = ours.points().slice();

const { code } = await transform(readFileSync(other, 'utf8'), { loader: 'ts', format: 'esm' });
const nn = await import(`data:text/javascript,${encodeURIComponent(code)}`);
const network = nn.buildNetwork([2, 8, 8, 1], nn.Activations.TANH, nn.Activations.TANH, null, ['x1', 'x2']);
let row = 0;
const theirs = (steps) => {
  for (let step = 0; step < steps; ++step) {
    for (let i = 0; i < 10; ++i, row = (row + 1) % 400) {
      nn.forwardProp(network, [points[3 * row], points[3 * row + 1]]);
      nn.backProp(network, 2 * points[3 * row + 2] - 1, nn.Errors.SQUARE);
    }
    nn.updateWeights(network, 0.03, 0);
  }
};

const rate = (run, steps) => {
  const begin = process.cpuUsage();
  run(steps);
  const { user, system } = process.cpuUsage(begin);
  return steps / ((user + system) / 1e6);
};
const contestants = [['nn.ts', theirs], ['engine alone', (n) => ours.runAlone(n)], ['engine with its monitor', (n) => ours.run(n)]];
const rates = contestants.map(([, run]) => { run(3000); return []; });
for (let round = 0; round < 5; ++round) contestants.forEach(([, run], i) => rates[i].push(rate(run, 20000)));
const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
contestants.forEach(([name], i) => console.log(`${name.padEnd(24)} ${median(rates[i]).toFixed(0).padStart(8)} steps/s   ${(median(rates[i]) / median(rates[0])).toFixed(2)} ×`));
