// Every backend against the reference, over the cases of the suite: wasm in both builds (relaxed and plain SIMD), with 1, 2
// and 3 threads and with none, with every tile size, with tensors inside and outside of the WebAssembly memory; webgpu, where
// there is an adapter; and a reference whose tensors begin where a GPU's may.
import { afterAll, describe, expect, test, vi } from "vitest";
import "../../test/gpu.ts";
import { BackendError, MemoryError } from "../errors.ts";
import { type Backend, type GeluForm, type Tensor, view } from "./backend.ts";
import type { BackendOptions } from "./entry.ts";
import { ReferenceBackend } from "./reference/reference.ts";
import { availableBackends, backends, createBackend } from "./registry.ts";
import { type Case, halfPrecision, suite } from "./suite/cases.ts";
import { problemsOf, runCase } from "./suite/run.ts";
import { operationNames } from "./work.ts";

/** Ways to start a backend. All of one group promise each other's bits. */
const wasm = (build: "relaxed" | "plain"): BackendOptions[] => [
  { threads: 1, kernel: `${build}-6x16` },
  { threads: 2, kernel: `${build}-6x8` },
  { threads: 2, kernel: `${build}-4x8` }, // a second run with as many threads
  { threads: 3, kernel: `${build}-4x8` },
  { shared: false, kernel: `${build}-6x8` },
  { threads: 2, kernel: `${build}-6x16`, wasmMemory: 0 }, // all tensors outside of the WebAssembly memory
  { shared: false, kernel: `${build}-6x8`, wasmMemory: 0 },
];
const groups: Readonly<Record<string, readonly BackendOptions[][]>> = { wasm: [wasm("relaxed"), wasm("plain")] };

const reference = new ReferenceBackend();
const all = [...suite, ...halfPrecision];
const expected = new Map(await Promise.all(all.map(async (one) => [one, await runCase(reference, one)] as const)));

const started: { name: string; instances: Backend[] }[] = [
  { name: "strict reference", instances: [new ReferenceBackend({ alignment: 256 })] },
];
for (const { name, available } of backends) {
  if ((await available()) !== true) continue;
  for (const options of groups[name] ?? [[{}]]) {
    const instances = await Promise.all(options.map((each) => createBackend(name, each)));
    started.push({ name: instances[0].description, instances });
  }
}
afterAll(() => Promise.all(started.flatMap(({ instances }) => instances.map((backend) => backend.dispose()))));

describe.each(started)("$name", ({ instances }) => {
  const { precisions, weightTypes } = instances[0];
  const isFor = ({ precision = "fp32", weights = "f32" }: Case) =>
    precisions.includes(precision) && weightTypes.includes(weights);
  test.each(all.filter(isFor))("$name", async (one) => {
    const [first, ...others] = await Promise.all(instances.map((backend) => runCase(backend, one)));
    const wanted = expected.get(one);
    expect(wanted && problemsOf(one, first, wanted)).toEqual([]);
    if (instances[0].promises.sameBits) for (const other of others) expect(other).toEqual(first);
  });
});

test("a backend that is not available is refused with its reason", async () => {
  vi.stubGlobal("WebAssembly", { ...WebAssembly, validate: () => false });
  try {
    const refused = createBackend("wasm");
    await expect(refused).rejects.toThrow(BackendError);
    await expect(refused).rejects.toThrow(/wasm is not available here: .* SIMD\. Available: .*reference/);
    expect(await availableBackends()).toContainEqual({ name: "reference", available: true });
  } finally {
    vi.unstubAllGlobals();
  }
});

test("scratch memory for the head stays bounded and grows with the rows", () => {
  for (const backend of started.slice(1).flatMap(({ instances }) => instances)) {
    const size = (N: number, Vp: number) => backend.headScratchSize(N, Vp);
    if (size(2 ** 20, 50_304) === 2 ** 20 * 50_304) continue; // takes all rows at once
    expect(size(100_000, 50_304) * 4).toBeLessThanOrEqual(64 * 2 ** 20);
    expect(size(2, 1e9)).toBe(1e9);
    for (let N = 300; N < 400; N++) expect(size(N, 50_304)).toBeLessThanOrEqual(size(N + 1, 50_304));
  }
});

describe("the suite finds", () => {
  /** Small cases are enough, of every operation. */
  const small = suite.filter(({ name }) => !/\d{3}/.test(name));

  /** Problems of a reference backend with some operations replaced. */
  async function problemsWith(change: Partial<Backend>): Promise<string[]> {
    const broken = Object.assign(new ReferenceBackend(), change);
    const found = small.map(async (one) => {
      const wanted = expected.get(one);
      return wanted ? problemsOf(one, await runCase(broken, one), wanted) : ["not expected"];
    });
    return (await Promise.all(found)).flat();
  }

  test("nothing wrong with the reference itself", async () => {
    expect(await problemsWith({})).toEqual([]);
  });

  test.each(operationNames)("%s that does nothing", async (name) => {
    expect(await problemsWith({ [name]: () => {} })).toContain(name);
  });

  test("what is written beside a result, and to an operand", async () => {
    const behind = (tensor: Tensor) => ({ ...tensor, offset: tensor.offset + tensor.size, shape: [1], size: 1 });
    const beside = await problemsWith({
      geluForward(this: Backend, out: Tensor, inp: Tensor, form: GeluForm) {
        this.geluBackward(out, inp, out, form);
        this.fill(behind(out), 1);
      },
    });
    expect(beside).toContain("gelu (tanh) n=47 writes beside out");
    const to = await problemsWith({
      matmulBackwardInput(this: Backend, dinp: Tensor, dout: Tensor) {
        this.fill(dout, 1);
        this.fill(dinp, 0);
      },
    });
    expect(to).toContain("matmulBackwardInput N=9 C=13 OC=21 writes to dout");
  });
});

describe("operands against the contract", () => {
  const strict = new ReferenceBackend({ alignment: 256, buffer: 2 ** 12, total: 2 ** 13 });
  const memory = strict.alloc([256]);
  const other = strict.alloc([64]);

  test("that begin elsewhere than at the alignment are refused, where they may not", () => {
    expect(() => strict.fill(view(memory, 5, [3]), 0)).toThrow(/fill: operand 0 begins at byte 20 .* multiple of 256/);
    expect(() => strict.mean(view(memory, 5, [1]), other)).not.toThrow();
  });

  test("that are written beside others in a buffer are refused, but for what is in place", () => {
    const [low, high] = [view(memory, 0, [64]), view(memory, 64, [64])];
    expect(() => strict.residualForward(low, other, high)).toThrow(/operand 0 is written .* with operand 2\. Allocate/);
    expect(() => strict.residualForward(low, other, low)).not.toThrow();
    expect(() => strict.sumSquares(low, [other, high])).toThrow(/sumSquares: .*with operand 1\.1/);
  });

  test("that are larger than a buffer, or than the device, are refused", () => {
    expect(() => strict.alloc([1025])).toThrow(MemoryError);
    strict.alloc([1000]);
    expect(() => strict.alloc([1000])).toThrow(
      /does not fit this backend: 4096 bytes a buffer, 8192 in all, 5280 in use/,
    );
  });
});
