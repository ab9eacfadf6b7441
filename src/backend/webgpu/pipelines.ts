/** Pipelines and bind groups, made once and kept: the second training step makes none. */
import { platform } from "#platform";
import { BackendError, messageOf } from "../../errors.ts";
import { takeTurns } from "../../turns.ts";
import { type DType, elementBytes } from "../backend.ts";
import { type Dispatch, type GpuBuffer, SLOT_BYTES } from "./dispatch.ts";
import { bindingsOf, isWritten, type KernelSource, lanes, type Place, wgslOf } from "./wgsl/source.ts";

const COMPUTE = 4;

/** The alignment of bindings that every adapter has, in bytes. */
const BINDING_ALIGNMENT = 256;

export interface Kernel {
  readonly layout: GPUBindGroupLayout;
  /** There once `compiling` has resolved, which is undefined then. */
  pipeline?: GPUComputePipeline;
  compiling?: Promise<void>;
}

/** A kernel with its operands' buffers. */
export interface Call {
  readonly buffers: ReadonlySet<number>;
  readonly kernel: Kernel;
  readonly bindGroup: GPUBindGroup;
  /** For each operand: elements of one index, and the element of the buffer at which its binding begins. */
  readonly operands: readonly { readonly unit: number; readonly base: number }[];
}

export class Pipelines {
  pipelines = 0;
  bindGroups = 0;
  readonly #device: GPUDevice;
  readonly #ring: GPUBuffer;
  readonly #window: number;
  readonly #kernels = new Map<string, Kernel>();
  readonly #calls = new Map<string, Call>();
  /** Shader modules are made one by one, since their source takes the thread some milliseconds: a first step has dozens. */
  #turns: Promise<void> = Promise.resolve();
  readonly #turn = takeTurns();
  /** The calls that each buffer takes part in, by its id. */
  readonly #callsOf = new Map<number, Set<string>>();

  /** `window`: the most bytes of a buffer that can be bound. */
  constructor(device: GPUDevice, ring: GPUBuffer, window: number) {
    this.#device = device;
    this.#ring = ring;
    this.#window = window;
  }

  /** The kernel that `dispatch` names, bound to `buffers`. */
  call(dispatch: Dispatch, buffers: readonly GpuBuffer[]): Call {
    const { tensors } = dispatch;
    let key = dispatch.key;
    for (const [i, { dtype, offset }] of tensors.entries()) {
      key += `${dtype === "f32" ? " " : dtype === "i32" ? " i" : " h"}${buffers[i].id}`;
      if (buffers[i].bytes > this.#window) key += `@${baseOf(dtype, offset)}`;
    }
    const known = this.#calls.get(key);
    if (known) return known;
    const call = this.#bind(dispatch, buffers);
    this.#calls.set(key, call);
    for (const id of call.buffers) this.#callsOf.set(id, (this.#callsOf.get(id) ?? new Set()).add(key));
    return call;
  }

  /** Forgets all calls with a buffer. */
  forget({ id }: GpuBuffer): void {
    for (const key of this.#callsOf.get(id) ?? []) {
      for (const other of this.#calls.get(key)?.buffers ?? []) if (other !== id) this.#callsOf.get(other)?.delete(key);
      this.#calls.delete(key);
    }
    this.#callsOf.delete(id);
  }

  #bind(dispatch: Dispatch, buffers: readonly GpuBuffer[]): Call {
    const window = this.#window;
    const source = dispatch.source();
    const accesses = Object.values(source.operands);
    const written = new Set(buffers.filter((_, i) => isWritten(accesses[i])));
    const bound: { readonly buffer: GpuBuffer; readonly base: number }[] = [];
    const places: Place[] = [];
    const operands = dispatch.tensors.map(({ dtype, offset }, i) => {
      const buffer = buffers[i];
      if (dtype === "bf16" && isWritten(accesses[i]) && lanes(accesses[i]) === 1)
        throw new BackendError(
          `${dispatch.key}: a result has to be in float32, unless its rows are whole vectors of four. bfloat16 weights can ` +
            "only be read, to generate: load the model in float32 for all else.",
        );
      const start = buffer.bytes > window ? baseOf(dtype, offset) : 0;
      let binding = written.has(buffer) ? bound.findIndex((other) => other.buffer === buffer) : -1;
      if (binding < 0) binding = bound.push({ buffer, base: start }) - 1;
      else if (bound[binding].base !== start)
        throw new BackendError(`${dispatch.key}: two parts of one buffer are too far apart to be bound.`);
      places.push({ binding, dtype });
      return { unit: lanes(accesses[i]), base: start / elementBytes[dtype] };
    });
    const kernel = this.#kernel(dispatch.key, source, places);
    const entries = bound.map(({ buffer, base }, i) => ({
      binding: i + 1,
      resource: { buffer: buffer.memory, offset: base, size: Math.min(buffer.bytes - base, window) },
    }));
    const parameters = { binding: 0, resource: { buffer: this.#ring, size: SLOT_BYTES } };
    const bindGroup = this.#device.createBindGroup({ layout: kernel.layout, entries: [parameters, ...entries] });
    this.bindGroups++;
    return { buffers: new Set(buffers.map(({ id }) => id)), kernel, bindGroup, operands };
  }

  #kernel(name: string, source: KernelSource, places: readonly Place[]): Kernel {
    const key = `${name} ${places.map(({ binding, dtype }) => `${binding}${dtype}`).join(" ")}`;
    const known = this.#kernels.get(key);
    if (known) return known;
    const layout = this.#device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: COMPUTE, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...bindingsOf(source, places).map(({ writable }, i) => ({
          binding: i + 1,
          visibility: COMPUTE,
          buffer: { type: writable ? ("storage" as const) : ("read-only-storage" as const) },
        })),
      ],
    });
    const kernel: Kernel = { layout };
    this.#turns = this.#turns.then(this.#turn);
    kernel.compiling = this.#turns.then(async () => {
      kernel.pipeline = await this.#compile(name, layout, wgslOf(source, places));
      kernel.compiling = undefined;
    });
    kernel.compiling.catch(() => {}); // awaited by the batch that runs it
    this.#kernels.set(key, kernel);
    this.pipelines++;
    return kernel;
  }

  async #compile(name: string, layout: GPUBindGroupLayout, code: string): Promise<GPUComputePipeline> {
    const device = this.#device;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: name, code });
    const refused = device.popErrorScope().catch(() => null); // the device is lost, which its own promise reports
    const compute = { module, entryPoint: "main" };
    const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
    try {
      return await platform.gpu.wait(
        device.createComputePipelineAsync({ label: name, layout: pipelineLayout, compute }),
      );
    } catch (error) {
      const reason = (await refused)?.message ?? messageOf(error);
      throw new BackendError(`The GPU's driver cannot compile the kernel ${name}: ${reason}`);
    }
  }
}

/** The byte at which a binding can begin that has element `offset` in it. */
function baseOf(dtype: DType, offset: number): number {
  return Math.floor((offset * elementBytes[dtype]) / BINDING_ALIGNMENT) * BINDING_ALIGNMENT;
}
