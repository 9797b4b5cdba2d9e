// Puts the page, its scripts and the engine into one HTML file: node build.mjs ENGINE OUTPUT, where ENGINE.js and ENGINE.wasm
// are what Emscripten made. Licence comments of the libraries stay.
import { build } from 'esbuild';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const [engine, output] = process.argv.slice(2);
const here = (path) => new URL(path, import.meta.url).pathname;
const bundle = async (entry) => {
  const result = await build({
    entryPoints: [here(entry)], bundle: true, minify: true, write: false, format: 'iife', target: 'es2022', legalComments: 'inline',
  });
  return result.outputFiles[0].text;
};
// d3 has its licence in a file only.
const licence = ['d3-scale', 'd3-shape']
  .map((name) => `/*! ${name}: ${readFileSync(here(`node_modules/${name}/LICENSE`), 'utf8').trim()} */\n`).join('');
const uplot = `/*! uPlot: ${readFileSync(here('node_modules/uplot/LICENSE'), 'utf8').trim()} */\n`;
const script = (text) => text.replaceAll('</script', '<\\/script');
const parts = {
  style: readFileSync(here('node_modules/uplot/dist/uPlot.min.css'), 'utf8') + readFileSync(here('page/style.css'), 'utf8'),
  // The engine is compressed here, and by the browser decompressed, so that a page on a disk is small, too.
  wasm: gzipSync(readFileSync(`${engine}.wasm`), { level: 9 }).toString('base64'),
  engine: script(readFileSync(`${engine}.js`, 'utf8')),
  script: script(licence + uplot + (await bundle('page/main.ts'))),
};
const page = readFileSync(here('page/index.html'), 'utf8').replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
writeFileSync(output, page);
console.log(`${output}: ${(page.length / 1000).toFixed(0)} kB, ${(gzipSync(page).length / 1000).toFixed(0)} kB gzipped`);
