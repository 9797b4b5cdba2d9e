// The configuration of a run, and how it stands in the page's address.

export interface Config {
  data: string; points: number; noise: number; validation: number; seed: number;
  hidden: number[]; activation: string; initializer: string;
  optimizer: string; lr: number; momentum: number; weightDecay: number; batch: number;
  batchNorm: boolean; dropout: number;
  softmaxTwice: boolean; shuffledLabels: boolean; inputScale: number; standardized: boolean;
  own: number[];
}

export const defaults: Readonly<Config> = {
  data: 'moons', points: 500, noise: 0.1, validation: 0.2, seed: 42,
  hidden: [8, 8], activation: 'tanh', initializer: 'xavier_normal',
  optimizer: 'sgd', lr: 0.1, momentum: -1, weightDecay: -1, batch: 10,
  batchNorm: false, dropout: 0,
  softmaxTwice: false, shuffledLabels: false, inputScale: 1, standardized: false,
  own: [],
};

export const limits = { layers: 12, units: 16 };

/** What differs from the defaults, as "lr=0.3&hidden=4,4", and the twins. */
export function toAddress(config: Config, twins: string[]): string {
  const parts = new URLSearchParams();
  for (const key of Object.keys(defaults) as (keyof Config)[])
    if (String(config[key]) !== String(defaults[key])) parts.set(key, String(config[key]) || '-');
  if (twins.length) parts.set('twins', twins.join(';'));
  return parts.toString();
}

export function fromAddress(text: string): { config: Config; twins: string[] } {
  const config: Config = structuredClone(defaults) as Config;
  const parts = new URLSearchParams(text.replace(/^#/, ''));
  for (const [key, value] of parts) {
    if (!Object.hasOwn(defaults, key)) continue;
    const old = defaults[key as keyof Config];
    const numbers = value === '-' ? [] : value.split(',').map(Number);
    const next = Array.isArray(old) ? numbers : typeof old === 'number' ? Number(value) : typeof old === 'boolean' ? value === 'true' : value;
    if (Array.isArray(next) ? next.every(Number.isFinite) : typeof next !== 'number' || Number.isFinite(next))
      Object.assign(config, { [key]: next });
  }
  config.points = Math.min(Math.max(Math.round(config.points), 4), 2000);
  config.own.length -= config.own.length % 3;
  config.hidden = config.hidden.slice(0, limits.layers).map((n) => Math.min(Math.max(Math.round(n), 1), limits.units));
  return { config, twins: (parts.get('twins') ?? '').split(';').filter(Boolean).slice(0, 2) };
}
