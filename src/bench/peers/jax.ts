/** jax-js, an optional package that only this comparison needs: its WebAssembly, which has one thread in Node. */
import { messageOf } from "../../errors.ts";
import { importOptional } from "../../platform/node-optional.ts";
import { type Runner, repeated } from "../comparison.ts";
import { type Form, type Matmul, numbers } from "../matmuls.ts";
import { missing, type PeerProgram } from "./peer.ts";

/** An array of jax-js: an operation consumes its operands, of which `ref` is another reference. */
interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  transpose(): JaxArray;
  blockUntilReady(): Promise<unknown>;
  dispose(): void;
}

/** The part of jax-js that is used. */
interface Jax {
  init(device: "wasm"): Promise<readonly string[]>;
  defaultDevice(device: "wasm"): unknown;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
}

export async function jax(name: string): Promise<PeerProgram> {
  let found: Jax | undefined;
  try {
    found = (await importOptional("@jax-js/jax")) as Jax | undefined;
    if (!found) return missing(name, "product", "it needs the package @jax-js/jax: npm install @jax-js/jax");
    if (!(await found.init("wasm")).includes("wasm")) return missing(name, "product", "it has no WebAssembly here");
    found.defaultDevice("wasm");
  } catch (error) {
    return missing(name, "product", `it cannot be used: ${messageOf(error)}`);
  }
  const { numpy } = found;
  return {
    peer: { name, kind: "product", description: "jax-js on WebAssembly, always one thread", missing: false },
    matmul: (matmul, _threads, minMs) => runnerOf(name, numpy, matmul, minMs),
    async dispose() {},
  };
}

function runnerOf(name: string, numpy: Jax["numpy"], matmul: Matmul, minMs: number): Runner {
  const operands = operandsOf(matmul);
  let arrays: readonly [JaxArray, JaxArray] | undefined;
  const runner = repeated(name, minMs, async (times) => {
    arrays ??= [arrayOf(numpy, operands[0]), arrayOf(numpy, operands[1])];
    const [a, b] = arrays;
    const { form } = matmul;
    for (let i = 0; i < times; i++) {
      const result = numpy.matmul(form === "TN" ? a.ref.transpose() : a.ref, form === "NT" ? b.ref.transpose() : b.ref);
      await result.blockUntilReady();
      result.dispose();
    }
  });
  return {
    ...runner,
    isPeer: true,
    // All operands of all matmuls at once would be gigabytes.
    measure: async () => {
      const ms = await runner.measure();
      for (const array of arrays ?? []) array.dispose();
      arrays = undefined;
      return ms;
    },
  };
}

type Shape = readonly [rows: number, columns: number];

/** Shapes as they lie in memory: x (N,C), y (N,OC), w (OC,C). */
function operandsOf({ form, N, C, OC }: Matmul): readonly [Shape, Shape] {
  const shapes: Record<Form, readonly [Shape, Shape]> = {
    NT: [
      [N, C],
      [OC, C],
    ],
    NN: [
      [N, OC],
      [OC, C],
    ],
    TN: [
      [N, OC],
      [N, C],
    ],
  };
  return shapes[form];
}

function arrayOf(numpy: Jax["numpy"], [rows, columns]: Shape): JaxArray {
  const values = new Float32Array(rows * columns);
  for (let at = 0; at < values.length; ) {
    const some = numbers(values.length - at);
    values.set(some, at);
    at += some.length;
  }
  return numpy.array(values).reshape([rows, columns]);
}
