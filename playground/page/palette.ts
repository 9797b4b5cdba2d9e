// Colours: Okabe and Ito's, which colour-blind readers tell apart, the report's ground and ink. Class 0 is orange, class 1 blue.

export interface Palette {
  dark: boolean; ink: string; quiet: string; faint: string; ground: string;
  runs: string[];
  classes: [string, string];
  heat: Uint32Array;  ///< 256 colours from −1 (orange) through the ground to 1 (blue), as ImageData has them
}

const rgb = (hex: string) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function scale(low: string, middle: string, high: string): Uint32Array {
  const [a, m, b] = [low, middle, high].map(rgb);
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const t = i / 127.5 - 1;
    const end = t < 0 ? a : b;
    const share = Math.abs(t) ** 0.8;
    const [r, g, bl] = m.map((v, c) => Math.round(v + (end[c] - v) * share));
    return (255 << 24) | (bl << 16) | (g << 8) | r;
  });
}

export function palette(dark: boolean): Palette {
  return dark
    ? { dark, ink: '#e6e9ef', quiet: '#9aa4b5', faint: '#2a3140', ground: '#12161f',
        runs: ['#56b4e9', '#e69f00', '#2fc79a'], classes: ['#ffb52e', '#6cc2f5'], heat: scale('#d08700', '#1a202c', '#2f8fd0') }
    : { dark, ink: '#1d2330', quiet: '#5d6778', faint: '#e8ebf0', ground: '#ffffff',
        runs: ['#0072b2', '#d98600', '#009e73'], classes: ['#c97a00', '#005f96'], heat: scale('#e69f00', '#f6f7f9', '#2a86c4') };
}

/** Draws cells×cells values from −1 to 1, rows from below, into a canvas of that size. */
export function paint(canvas: HTMLCanvasElement, values: Float32Array, heat: Uint32Array, cells: number, image: ImageData): void {
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < cells; ++row) {
    const to = (cells - 1 - row) * cells;
    for (let col = 0; col < cells; ++col) {
      const v = values[row * cells + col];
      pixels[to + col] = heat[v !== v ? 127 : v <= -1 ? 0 : v >= 1 ? 255 : ((v + 1) * 127.5) | 0];
    }
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}
