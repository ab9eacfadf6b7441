// Generator of multiply-adds without memory access: a core's peak arithmetic from WebAssembly.
// scripts/build.mjs writes its output to assembly/fma.ts. Like the tiles (tiles.mjs), they let V8 fuse pairs of
// vectors.

/** The AssemblyScript source of both kernels. */
export function fmaSource() {
  return `// Made by fma.mjs.\nimport { madd } from "./math";\n${kernel("benchFma256", 24)}${kernel("benchFma128", 12)}`;
}

/**
 * n rounds of independent multiply-adds: 24 fill 12 registers of 256 bits, 12 those of 128 bits where nothing is fused.
 * `at` holds 256 floats of each thread's own, read and written back, then a half and a one. Every value is halved and
 * 1 added, so all of them go to 2 and stay there.
 */
function kernel(name, count) {
  const each = (line) => [...Array(count).keys()].map(line).join("");
  return `
export function ${name}(thread: i32, threads: i32, at: usize, n: i32): void {
  const p = at + (<usize>thread << 10);
  const half = v128.load32_splat(p, 512);
  const one = v128.load32_splat(p, 516);
${each((i) => `  let c${i} = v128.load(p, ${16 * i});\n`)}\
  do {
${each((i) => `    c${i} = madd(c${i}, half, one);\n`)}\
  } while (--n);
${each((i) => `  v128.store(p, c${i}, ${16 * i});\n`)}\
}
`;
}
