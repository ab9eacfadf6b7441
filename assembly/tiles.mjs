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
// - exported, so that nothing inlines it.
// `node --experimental-wasm-revectorize --trace-wasm-revectorize` prints the result for a function.
//
// It also keeps the instructions beside the multiply-adds few: 24 in a step of the 6x16 tile, of which 12 multiply and add
// and 8 load. A core that issues six in a cycle has room for more, but not while another hyper-thread takes half of them.
// - The first step stands before the loop: V8 computes the addresses of its splats (memory + 4 i) there, and keeps them in
//   registers for all others. It also sees that no index needs to be extended to 64 bits.
// - The steps of a round share the loop's check for interrupts and b's increment.
// - A way out between them, which also serves any k, ends a basic block: without it, V8 orders the steps of a round by
//   element of c instead, and the operands no longer fit the registers.
// - The end is an address: comparing and jumping is one instruction, counting down two.

/** Rows and columns of each tile; setTile takes the index in this list. */
const tiles = [
  [6, 16],
  [6, 8],
  [4, 8],
];

/** Steps in a round of the loop. */
const STEPS = 8;

/** AssemblyScript source of all tiles. */
export function tilesSource() {
  return `// Made by tiles.mjs.\nimport { madd } from "./math";\n${tiles.map(tileSource).join("")}`;
}

function tileSource([MR, NR]) {
  const rows = range(MR);
  const vectors = range(NR / 4);
  const each = (list, line) => list.map(line).join("");
  /** One of the k steps: MR numbers of a, and the row of b that lies `at` rows behind b. */
  const step = (name, at) =>
    each(vectors, (v) => `    const b${name}_${v} = v128.load(b, ${4 * (at * NR + 4 * v)});\n`) +
    each(rows, (i) => {
      const a = `a${name}_${i}`;
      const sums = each(vectors, (v) => `    c${i}_${v} = madd(${a}, b${name}_${v}, c${i}_${v});\n`);
      return `    const ${a} = v128.load32_splat(a, ${4 * i});\n${sums}`;
    }) +
    `    a += ${4 * MR};\n`;
  return `
export function tile${MR}x${NR}(
  k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
  const end = a + <usize>k * ${4 * MR};
${each(rows, (i) => `${each(vectors, (v) => `  let c${i}_${v} = v128.load(init, ${16 * v});\n`)}  init += initStride;\n`)}\
${step("First", 0)}\
  b += ${4 * NR};
  if (a != end) do {
${range(STEPS).map((at) => step(at, at)).join("    if (a == end) break;\n")}\
    b += ${4 * NR * STEPS};
  } while (a != end);
${each(rows, (i) => `${each(vectors, (v) => `  v128.store(c, c${i}_${v}, ${16 * v});\n`)}  c += stride;\n`)}\
}
`;
}

function range(count) {
  return [...Array(count).keys()];
}
