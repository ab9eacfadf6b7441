// The runtime around the kernels: order of commands, failures, memory, lifetime of workers. No test here measures time.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { BackendError, MemoryError, UsageError } from "../../errors.ts";
import type { KernelWorker } from "../../platform/platform.ts";
import type { Backend, Tensor } from "../backend.ts";
import type { BackendOptions } from "../entry.ts";
import { createBackend } from "../registry.ts";
import { createWasmBackend } from "./create.ts";
import { opcodeOf } from "./kernels.ts";
import { WorkerPool } from "./pool.ts";
import {
  CAPACITY,
  claimsOf,
  EVERY_WORKER,
  FENCED,
  FINISHED,
  PUBLISHED,
  positionOf,
  recordFailure,
  runParts,
  SHARED_BYTES,
  sharedViews,
  slotOf,
} from "./protocol.ts";
import type { WorkerStart } from "./worker.ts";

const kinds: BackendOptions[] = [
  { threads: 1, kernel: "relaxed-4x8" },
  { threads: 3, kernel: "relaxed-4x8" },
  { shared: false, kernel: "relaxed-4x8" },
  { threads: 2, kernel: "relaxed-4x8", wasmMemory: 0 },
];

const lasting = new Map<BackendOptions, Promise<Backend>>();

afterAll(async () => {
  for (const backend of lasting.values()) await (await backend).dispose();
});

/** A test for each kind of backend, on one that other tests use too. */
function onEach(name: string, body: (backend: Backend) => Promise<void>): void {
  for (const options of kinds) {
    test(`${name} (${describeKind(options)})`, async () => {
      const backend = lasting.get(options) ?? createWasmBackend(options);
      lasting.set(options, backend);
      await body(await backend);
    });
  }
}

/** A test for each kind of backend, on one that it may break. */
function onEachAnew(name: string, body: (backend: Backend) => Promise<void>): void {
  for (const options of kinds) {
    test(`${name} (${describeKind(options)})`, async () => {
      const backend = await createWasmBackend(options);
      await body(backend);
      await backend.dispose();
    });
  }
}

function describeKind({ shared, threads, wasmMemory }: BackendOptions): string {
  const workers = shared === false ? "no workers" : `${threads} workers`;
  return wasmMemory === 0 ? `${workers}, tensors outside` : workers;
}

function vector(backend: Backend, ...numbers: number[]): { tensor: Tensor; written: Promise<void> } {
  const tensor = backend.alloc([numbers.length]);
  return { tensor, written: backend.write(tensor, Float32Array.from(numbers)) };
}

/** A tensor far outside of memory: to use it is a trap. */
function outside(tensor: Tensor): Tensor {
  return { ...tensor, offset: 2 ** 29 };
}

describe("order", () => {
  onEach("many more commands than the ring holds run in order, none lost", async (backend) => {
    const count = 12 * CAPACITY + 1;
    const [sum, one] = [vector(backend, 0, 5), vector(backend, 1, 2)];
    for (let i = 0; i < count; i++) backend.residualForward(sum.tensor, sum.tensor, one.tensor);
    expect([...(await backend.read(sum.tensor))]).toEqual([count, 5 + 2 * count]);
  });

  onEach("reads and writes keep their place among commands, awaited or not", async (backend) => {
    const { tensor } = vector(backend, 1, 1, 1);
    const double = () => backend.residualForward(tensor, tensor, tensor);
    double();
    const before = backend.read(tensor);
    double();
    const written = backend.write(tensor, Float32Array.of(10));
    double();
    const after = backend.read(tensor);
    double();
    expect([...(await before)]).toEqual([2, 2, 2]);
    await written;
    expect([...(await after)]).toEqual([20, 8, 8]);
    expect([...(await backend.read(tensor))]).toEqual([40, 16, 16]);
  });

  onEach("each of many awaits sees what was computed before it", async (backend) => {
    const [sum, one] = [vector(backend, 0), vector(backend, 1)];
    for (let i = 1; i <= 1000; i++) {
      backend.residualForward(sum.tensor, sum.tensor, one.tensor);
      expect(await backend.read(sum.tensor)).toEqual(Float32Array.of(i));
    }
  });

  onEach("integers are filled, written and kept as such", async (backend) => {
    const tensor = backend.alloc([3], "i32");
    backend.fill(tensor, -7);
    await backend.write(tensor, Int32Array.of(2 ** 30));
    const bits = await backend.read(tensor);
    expect([...new Int32Array(bits.buffer)]).toEqual([2 ** 30, -7, -7]);
  });

  test("a caller without Atomics.waitAsync is notified by message", async () => {
    const { waitAsync } = Atomics;
    Object.defineProperty(Atomics, "waitAsync", { value: undefined, configurable: true, writable: true });
    try {
      const backend = await createWasmBackend({ threads: 2, kernel: "relaxed-4x8" });
      const { tensor } = vector(backend, 1);
      for (let i = 0; i < 2 * CAPACITY; i++) backend.fill(tensor, i);
      expect([...(await backend.read(tensor))]).toEqual([2 * CAPACITY - 1]);
      await backend.dispose();
    } finally {
      Object.defineProperty(Atomics, "waitAsync", { value: waitAsync, configurable: true, writable: true });
    }
  });

  test("the event loop turns while workers compute", async () => {
    const backend = await createWasmBackend({ threads: 2, kernel: "relaxed-4x8" });
    const [a, b, c] = [0, 1, 2].map(() => backend.alloc([512, 512]));
    const order: string[] = [];
    for (let i = 0; i < 40; i++) backend.matmulForward(c, a, { weight: b, bias: null }); // far more than a turn's time
    const done = backend.sync().then(() => order.push("computed"));
    await new Promise((resolve) => setTimeout(resolve, 0));
    order.push("turned");
    await done;
    expect(order).toEqual(["turned", "computed"]);
    await backend.dispose();
  });
});

describe("parts", () => {
  const control = () => sharedViews(new SharedArrayBuffer(SHARED_BYTES)).control;

  test("each is claimed once, and one worker learns that it completed the command", () => {
    const words = control();
    const word = claimsOf(7);
    const claimed: number[] = [];
    // A second worker runs as a whole while the first computes part 1; the late one finds nothing left.
    const outcomes: boolean[] = [];
    const worker = (during: (part: number) => void) => {
      const outcome = runParts(words, word, 5, (part) => {
        claimed.push(part);
        during(part);
      });
      outcomes.push(outcome);
    };
    worker((part) => {
      if (part === 1) worker(() => {});
    });
    worker(() => {});
    expect(claimed).toEqual([0, 1, 2, 3, 4]);
    expect(outcomes).toEqual([false, true, false]);
  });

  test("the same bits with 64 threads as with one", async () => {
    const outputs = async (threads: number) => {
      const backend = await createWasmBackend({ threads, kernel: "relaxed-4x8" });
      const [N, C, OC] = [100, 770, 90];
      const values = (shape: number[]) => {
        const tensor = backend.alloc(shape);
        void backend.write(
          tensor,
          Float32Array.from({ length: tensor.size }, (_, i) => Math.sin(i)),
        );
        return tensor;
      };
      const [x, y, weight, bias, dx] = [[N, C], [N, OC], [OC, C], [OC], [N, C]].map(values);
      const [qkv, dqkv] = [values([5, 20, 3 * 30]), values([5, 20, 3 * 30])];
      const [out, saved] = [values([5, 20, 30]), values([5 * 3 * 20 * 2])];
      const ln = { weight: values([C]), bias: values([C]) };
      const normalized = { out: values([N, C]), mean: values([N]), rstd: values([N]) };
      for (let repeat = 0; repeat < 20; repeat++) {
        backend.layernormForward(normalized, x, ln, 1e-5);
        backend.matmulForward(y, normalized.out, { weight, bias });
        backend.matmulBackwardInput(dx, y, { weight, bias: null });
        backend.layernormBackward(x, { ...ln, accumulate: true }, dx, normalized.out, ln, normalized);
        backend.matmulBackwardWeight({ weight, bias, accumulate: true }, y, x);
        backend.attentionForward(out, saved, qkv, 3);
        backend.attentionBackward(dqkv, out, qkv, saved, 3);
        backend.geluForward(qkv, dqkv, "tanh");
      }
      const all: Float32Array[] = [];
      for (const tensor of [x, y, weight, bias, dx, qkv, dqkv, out, ln.weight]) all.push(await backend.read(tensor));
      await backend.dispose();
      return all;
    };
    expect(await outputs(64)).toEqual(await outputs(1));
  });
});

describe("failures", () => {
  onEachAnew("a trap in a kernel rejects the next await, and all after it", async (backend) => {
    const { tensor } = vector(backend, 1);
    await backend.sync();
    backend.fill(outside(tensor), 1);
    backend.residualForward(tensor, tensor, tensor);
    await expect(backend.read(tensor)).rejects.toThrow(/fill|copy/);
    await expect(backend.read(tensor)).rejects.toThrow(BackendError);
    await expect(backend.sync()).rejects.toThrow(BackendError);
    await expect(backend.write(tensor, Float32Array.of(1))).rejects.toThrow(BackendError);
    backend.fill(tensor, 1); // not computed any more
  });

  onEachAnew(
    "a disposed backend refuses all work, has nothing to free, and disposing twice is fine",
    async (backend) => {
      const { tensor, written } = vector(backend, 1);
      await written;
      const [first, second] = [backend.dispose(), backend.dispose()];
      await Promise.all([first, second]);
      expect(() => backend.fill(tensor, 1)).toThrow(BackendError);
      expect(() => backend.alloc([1])).toThrow(BackendError);
      for (const refused of [backend.read(tensor), backend.sync(), backend.write(tensor, Float32Array.of(1))])
        await expect(refused).rejects.toThrow(BackendError);
      await backend.free(tensor);
    },
  );

  test("disposing ends what is awaited", async () => {
    const backend = await createWasmBackend({ threads: 2, kernel: "relaxed-4x8" });
    const [a, b, c] = [0, 1, 2].map(() => backend.alloc([512, 512]));
    for (let i = 0; i < 20; i++) backend.matmulForward(c, a, { weight: b, bias: null });
    const pending = expect(backend.sync()).rejects.toThrow(/disposed/);
    await backend.dispose();
    await pending;
  });

  onEach("tensors of another backend, freed ones and data that is too long are refused", async (backend) => {
    const other = await createWasmBackend({ shared: false, kernel: "relaxed-4x8" });
    expect(() => backend.fill(other.alloc([1]), 0)).toThrow(/another backend/);
    const { tensor } = vector(backend, 1, 2);
    await backend.free(tensor);
    expect(() => backend.fill(tensor, 0)).toThrow(/given back/);
    await expect(backend.free(tensor)).rejects.toThrow(/given back/);
    await expect(backend.write(backend.alloc([2]), new Float32Array(3))).rejects.toThrow(UsageError);
    await other.dispose();
  });

  test("impossible options are refused by name and number", async () => {
    for (const threads of [0, -1, 1.5, Number.NaN, 65, 1e6])
      await expect(createBackend("wasm", { threads })).rejects.toThrow(UsageError);
    await expect(createBackend("webgpu")).rejects.toThrow(/wasm, reference/);
    await expect(createBackend("reference", { kernel: "plain-4x8" })).rejects.toThrow(
      /no kernels.*leave plain-4x8 out/,
    );
    const reference = await createBackend("reference", { kernel: "auto" });
    expect(reference.name).toBe("reference");
  });
});

/** A worker that does nothing but what the test says. */
class FakeWorker implements KernelWorker {
  terminated = false;
  report: (message: unknown) => void = () => {};
  die: (error: Error) => void = () => {};

  start: WorkerStart | null = null;

  postMessage(message: unknown): void {
    this.start = message as WorkerStart;
    this.report({ type: "ready" });
  }
  onMessage(listener: (message: unknown) => void): void {
    this.report = listener;
  }
  onError(listener: (error: Error) => void): void {
    this.die = listener;
  }
  keepAlive(): void {}
  async terminate(): Promise<void> {
    this.terminated = true;
  }
}

describe("workers", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));

  async function poolOf(workers: FakeWorker[]): Promise<WorkerPool> {
    const pool = new WorkerPool(workers);
    await pool.start(module, memory);
    return pool;
  }

  test("a failed kernel ends its workers, and nothing lets the process end before them", async () => {
    const calls: string[] = [];
    const worker = Object.assign(new FakeWorker(), {
      keepAlive: (on: boolean) => void calls.push(on ? "kept alive" : "let go"),
      terminate: async () => void calls.push("terminated"),
    });
    const pool = await poolOf([worker]);
    const { control } = sharedViews(worker.start?.shared ?? new SharedArrayBuffer(SHARED_BYTES));
    pool.enqueue(opcodeOf("fill"), 1, 0, 0, 0);
    const pending = pool.after(() => {});
    recordFailure(control, "fill: is not a function");
    Atomics.store(control, FENCED, 1);
    Atomics.notify(control, FENCED);
    await expect(pending).rejects.toThrow("fill: is not a function");
    await pool.dispose();
    expect(calls).toEqual(["let go", "kept alive", "terminated"]);
  });

  test("a notification that is not the fence's is not taken for it", async () => {
    const worker = new FakeWorker();
    const pool = await poolOf([worker]);
    const { control } = sharedViews(worker.start?.shared ?? new SharedArrayBuffer(SHARED_BYTES));
    let passed = false;
    pool.enqueue(opcodeOf("fill"), 1, 0, 0, 0);
    const pending = pool.after(() => {
      passed = true;
    });
    Atomics.notify(control, FENCED);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(passed).toBe(false);
    Atomics.store(control, FENCED, 1);
    Atomics.notify(control, FENCED);
    await pending;
    expect(passed).toBe(true);
    await pool.dispose();
  });

  test("no slot is overwritten that a late one may still read, and a fence makes it catch up", async () => {
    const workers = [new FakeWorker(), new FakeWorker()];
    const pool = await poolOf(workers);
    const { control, ring } = sharedViews(workers[0].start?.shared ?? new SharedArrayBuffer(SHARED_BYTES));
    const published = () => Atomics.load(control, PUBLISHED);
    const fence = () => ring[slotOf(published() - 1) + 1];
    /** All commands are complete; each worker is at its position. */
    const advance = async (passed: number, ...positions: number[]) => {
      for (const [thread, position] of positions.entries()) Atomics.store(control, positionOf(thread), position);
      Atomics.store(control, FINISHED, published());
      Atomics.store(control, FENCED, passed);
      Atomics.notify(control, FENCED);
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    for (let i = 0; i < 2 * CAPACITY; i++) pool.enqueue(opcodeOf("fill"), 1, i, 0, 0);
    expect(published()).toBe(CAPACITY);
    expect(fence()).toBe(EVERY_WORKER);
    await advance(1, CAPACITY, CAPACITY - 1);
    expect(published()).toBe(2 * CAPACITY - 1);
    // The second worker is late: the last slot is a fence for both.
    await advance(2, 2 * CAPACITY - 1, 2 * CAPACITY - 1);
    expect(published()).toBe(2 * CAPACITY + 2);
    const pending = pool.after(() => "done");
    expect(fence()).toBe(1);
    await advance(3, published(), CAPACITY);
    expect(await pending).toBe("done");
    await pool.dispose();
  });

  test("one that dies is reported to all who wait, and the others are stopped", async () => {
    const workers = [new FakeWorker(), new FakeWorker()];
    const pool = await poolOf(workers);
    pool.enqueue(opcodeOf("fill"), 1, 0, 0, 0);
    const pending = pool.after(() => "never");
    workers[1].die(new Error("out of memory"));
    await expect(pending).rejects.toThrow(/Worker thread 2 of 2 failed: out of memory/);
    await expect(pool.after(() => "never")).rejects.toThrow(BackendError);
    expect(workers.every((worker) => worker.terminated)).toBe(true);
    await pool.dispose();
  });

  test("one that cannot start fails the start", async () => {
    const workers = [new FakeWorker(), new FakeWorker()];
    workers[0].postMessage = () => workers[0].die(new Error("no thread to be had"));
    await expect(poolOf(workers)).rejects.toThrow(/Worker thread 1 of 2 failed: no thread to be had/);
    expect(workers.every((worker) => worker.terminated)).toBe(true);
  });

  test("one whose module cannot be instantiated fails the start", async () => {
    const worker = new FakeWorker();
    worker.postMessage = () => worker.report({ type: "failed", message: "import missing" });
    await expect(poolOf([worker])).rejects.toThrow(/import missing/);
  });

  test("a script ends by itself, not before its work is done, without disposing", async () => {
    const script = `
      import { createBackend } from ${JSON.stringify(new URL("../registry.ts", import.meta.url).href)};
      const backend = await createBackend("wasm", { threads: 2, kernel: "relaxed-4x8" });
      const [a, b, c] = [0, 1, 2].map(() => backend.alloc([300, 300]));
      backend.fill(a, 1);
      backend.fill(b, 2);
      for (let i = 0; i < 20; i++) backend.matmulForward(c, a, { weight: b, bias: null });
      console.log((await backend.read(c))[89_999]);
      backend.fill(c, 3); // not awaited
    `;
    const flags = ["--conditions=source", "--input-type=module", "-e", script];
    const { stdout } = await promisify(execFile)(process.execPath, flags);
    expect(stdout).toBe("600\n");
  });
});

describe("memory", () => {
  onEach("an allocation that cannot fit is refused with its size, and the backend keeps working", async (backend) => {
    expect(backend.limits.total).toBe(platform.machineMemory?.total);
    expect(() => backend.alloc([2 ** 40])).toThrow(MemoryError);
    expect(() => backend.alloc([2 ** 40])).toThrow(/4194304 MiB more are needed, but \d+ MiB of \d+ MiB are free/);
    const { tensor } = vector(backend, 1, 2);
    expect([...(await backend.read(tensor))]).toEqual([1, 2]);
  });

  onEach("freed memory comes back as zeros", async (backend) => {
    const first = backend.alloc([1000]);
    backend.fill(first, 3);
    await backend.free(first);
    const second = backend.alloc([1000]);
    expect((await backend.read(second)).every((value) => value === 0)).toBe(true);
  });

  onEach("tensors survive the growth of memory", async (backend) => {
    const { tensor } = vector(backend, 1, 2, 3);
    const large = backend.alloc([5 * 2 ** 20]);
    backend.fill(large, 4);
    backend.residualForward(tensor, tensor, tensor);
    expect([...(await backend.read(tensor))]).toEqual([2, 4, 6]);
    expect((await backend.read(large)).every((value) => value === 4)).toBe(true);
  });

  onEach("attention over longer rows gets more scratch memory", async (backend) => {
    const before = backend.alloc([16]);
    for (const T of [8, 2048, 16]) {
      const [out, qkv] = [backend.alloc([1, T, 4]), backend.alloc([1, T, 12])];
      backend.fill(qkv, 1);
      backend.attentionForward(out, null, qkv, 1);
      expect((await backend.read(out)).every((value) => Math.abs(value - 1) < 1e-3)).toBe(true);
    }
    expect((await backend.read(before)).every((value) => value === 0)).toBe(true);
  });
});
