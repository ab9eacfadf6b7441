// Generator of the innermost loops of every matmul: scripts/build.mjs writes its output to assembly/tiles.ts.
//
// A tile's kernel computes c (MR, NR) = init + aᵀ b, with a (k, MR) and b (k, NR). a and b are packed panels (pack.ts),
// so both are read straight through. init is what the sum starts from, one row every initStride bytes: the tile of c
// itself, or a bias row or zeros with a stride of 0. Strides are in bytes. All of c's tile stays in registers meanwhile:
// for each of the k steps MR numbers of a meet NR numbers of b, that is MR x NR multiply-adds for MR + NR loads.
//
// Which tile is fastest depends on the engine's register allocation; the caller measures and sets it (setTile in
// gemm.ts). Element for element they add in the same order, so all give the same bits.
//
// The shape of the code is what lets V8 (13 and later, with --experimental-wasm-revectorize) fuse pairs of 128-bit
// operations into 256-bit ones, which doubles the speed of the 6x16 tile:
// - loads and stores in pairs exactly 16 bytes apart with one base;
// - no load after a store: the whole of init is read first, the whole of c written last;
// - one splat of a per row, shared by the row's vectors;
// - exported, so that nothing inlines it, and the loop not unrolled.
// `node --experimental-wasm-revectorize --trace-wasm-revectorize` prints the result for a function.

/** Rows and columns of each tile; setTile takes the index in this list. */
const tiles = [
  [6, 16],
  [6, 8],
  [4, 8],
];

/** AssemblyScript source of all tiles. */
export function tilesSource() {
  return `// Made by tiles.mjs.\nimport { madd } from "./math";\n${tiles.map(tileSource).join("")}`;
}

function tileSource([MR, NR]) {
  const rows = range(MR);
  const vectors = range(NR / 4);
  const each = (list, line) => list.map(line).join("");
  return `
export function tile${MR}x${NR}(
  k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
${each(rows, (i) => `${each(vectors, (v) => `  let c${i}_${v} = v128.load(init, ${16 * v});\n`)}  init += initStride;\n`)}\
  do {
${each(vectors, (v) => `    const b${v} = v128.load(b, ${16 * v});\n`)}\
${each(rows, (i) => `    const a${i} = v128.load32_splat(a, ${4 * i});\n${each(vectors, (v) => `    c${i}_${v} = madd(a${i}, b${v}, c${i}_${v});\n`)}`)}\
    a += ${4 * MR};
    b += ${4 * NR};
  } while (--k);
${each(rows, (i) => `${each(vectors, (v) => `  v128.store(c, c${i}_${v}, ${16 * v});\n`)}  c += stride;\n`)}\
}
`;
}

function range(count) {
  return [...Array(count).keys()];
}
