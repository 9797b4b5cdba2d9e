// Runs what models.cpp has written with ONNX Runtime and compares outputs: node compare.mjs FOLDER
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const ort = createRequire(join(process.cwd(), 'package.json'))('onnxruntime-web')
ort.env.wasm.numThreads = 1
ort.env.logLevel = 'error'
const tolerance = 1e-5

function numbers(path) {
  const bytes = readFileSync(path)
  const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
  const [rows, inputs, outputs] = new Int32Array(data, 0, 3)
  const x = new Float32Array(data, 12, rows * inputs)
  return { rows, inputs, outputs, x, y: new Float32Array(data, 12 + 4 * x.length, rows * outputs) }
}

/** The largest difference, in units of max(1, |y|). */
async function difference(folder, name) {
  const session = await ort.InferenceSession.create(readFileSync(join(folder, name + '.onnx')))
  let largest = 0
  for (const size of [0, 1]) {
    const { rows, inputs, outputs, x, y } = numbers(join(folder, `${name}.${size}.bin`))
    const { output } = await session.run({ input: new ort.Tensor('float32', x, [rows, inputs]) })
    if (output.dims[0] !== rows || output.dims[1] !== outputs) throw new Error(`the output is ${output.dims}, not ${[rows, outputs]}`)
    y.forEach((want, i) => {
      const off = Math.abs(output.data[i] - want) / Math.max(1, Math.abs(want))
      if (off > largest || Number.isNaN(off)) largest = off
    })
  }
  return largest
}

const folder = process.argv[2]
const names = readdirSync(folder).filter((file) => file.endsWith('.onnx')).map((file) => file.slice(0, -5))
let failed = 0
for (const name of names) {
  let off = NaN, error = ''
  try {
    off = await difference(folder, name)
  } catch (thrown) {
    error = String(thrown.message ?? thrown)
  }
  const ok = name === 'differs' ? off > tolerance : off <= tolerance  // written wrong on purpose
  if (!ok) failed++
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(44)}  ${error || off.toExponential(1)}`)
}
console.log(`${names.length - failed} of ${names.length} models are as expected`)
process.exit(failed > 0 || names.length < 30 ? 1 : 0)
