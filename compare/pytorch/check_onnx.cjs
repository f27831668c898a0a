// Show that ONNX Runtime computes ringloom's logits from an exported file.
//
//     ringloom export --init CHECKPOINT --output model.onnx
//     ringloom evaluate --init CHECKPOINT --images 20 --logits logits.npy --pixels pixels.npy
//     NODE_PATH=folder/node_modules node compare/pytorch/check_onnx.cjs model.onnx pixels.npy logits.npy
//
// It needs the npm package onnxruntime-node (npm install --ignore-scripts: the CPU's library is in the package, the
// script would fetch the GPU's) or onnxruntime-web. Logits may differ by 1e-4 of the largest; exit status 1 where
// they differ by more, 3 where neither package is there.
'use strict';
const fs = require('fs');

const tolerance = 1e-4;
const batch = 7; // so that 20 images also take an uneven batch

function runtime() {
  for (const name of ['onnxruntime-node', 'onnxruntime-web']) {
    try {
      return { name, ort: require(name) };
    } catch (err) {
      if (err.code !== 'MODULE_NOT_FOUND') throw err;
    }
  }
  console.error('neither onnxruntime-node nor onnxruntime-web is installed: see the head of this file');
  process.exit(3);
}

// npy reads a float32 file of NumPy's format.
function npy(path) {
  const file = fs.readFileSync(path);
  const begin = 10 + file.readUInt16LE(8);
  const header = file.toString('latin1', 10, begin);
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False")) throw new Error(`${path}: ${header}`);
  const dims = header.match(/'shape': \(([^)]*)\)/)[1].split(',').filter((d) => d.trim()).map(Number);
  const bytes = file.subarray(begin);
  return { dims, data: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)) };
}

async function main() {
  const [model, pixelsPath, logitsPath] = process.argv.slice(2);
  const { name, ort } = runtime();
  const pixels = npy(pixelsPath), want = npy(logitsPath);
  const [n, ...image] = pixels.dims, classes = want.dims[1];
  const size = image.reduce((a, b) => a * b, 1);
  const session = await ort.InferenceSession.create(fs.readFileSync(model), { logSeverityLevel: 3 });
  let difference = 0, largest = 0, spread = 0, got = 0, right = 0;
  for (let first = 0; first < n; first += batch) {
    const m = Math.min(batch, n - first);
    const input = new ort.Tensor('float32', pixels.data.slice(first * size, (first + m) * size), [m, ...image]);
    const { logits } = await session.run({ input });
    if (logits.dims.join() !== [m, classes].join()) throw new Error(`logits are ${logits.dims}, not ${[m, classes]}`);
    for (let i = 0; i < m; i++) {
      const theirs = logits.data.slice(i * classes, (i + 1) * classes);
      const ours = want.data.slice((first + i) * classes, (first + i + 1) * classes);
      for (let c = 0; c < classes; c++) {
        difference = Math.max(difference, Math.abs(theirs[c] - ours[c]));
        largest = Math.max(largest, Math.abs(ours[c]));
        spread = Math.max(spread, Math.abs(ours[c] - want.data[c])); // from the first image's
        if (Number.isFinite(theirs[c])) got++;
      }
      if (theirs.indexOf(Math.max(...theirs)) === ours.indexOf(Math.max(...ours))) right++;
    }
  }
  // Logits that hardly depend on the image would agree for no reason.
  const fine = got === n * classes && difference <= tolerance * largest && spread > 10 * difference;
  console.log(`${name}: ${n} images, logits differ by ${(difference / largest).toExponential(1)} of the largest, ` +
    `images by ${(spread / largest).toExponential(1)}, ${right} of the answers are the same: ${fine ? 'agrees' : 'DIFFERS'}`);
  process.exit(fine ? 0 : 1);
}

main();
