/**
 * WebGPU in Node: Dawn, Chromium's implementation, as the optional package `webgpu` has it. On Linux it uses Vulkan, whose
 * loader and drivers are the system's.
 */
import { messageOf } from "../errors.ts";
import { importOptional } from "./node-optional.ts";
import type { GpuAccess } from "./platform.ts";

/** The part of the package that is used. */
interface Dawn {
  create(options: readonly string[]): object;
}

/**
 * No zeros in the workgroups' memory before a kernel starts: none of ours reads there what it has not written, and a
 * software driver takes most of its time to compile for them. Subgroup matrices, which are an experiment, and float16 on
 * NVIDIA's driver for Linux (not tried there), for kernels that are chosen by name and checked at their start. Timestamps, which only profiles
 * read, in nanoseconds instead of tenths of a millisecond.
 */
const OPTIONS = [
  "enable-dawn-features=disable_workgroup_init,allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

/** Dawn ends the process if this is collected while a device lives. */
let opened: object | undefined;

async function open(): Promise<object | string> {
  if (opened) return opened;
  try {
    const dawn = (await importOptional("webgpu")) as Dawn | undefined;
    if (!dawn) return "it needs the package webgpu: npm install webgpu";
    opened = dawn.create(OPTIONS);
    return opened;
  } catch (error) {
    return `the package webgpu cannot be used: ${messageOf(error)}`;
  }
}

function problem(): string {
  if (process.platform !== "linux") return "this machine has no GPU that WebGPU can use";
  if (!hasLibrary("libvulkan.so.1"))
    return "there is no libvulkan.so.1, the loader of Vulkan: install it (Debian, Ubuntu: apt-get install libvulkan1; Fedora: vulkan-loader)";
  return (
    "Vulkan finds no driver for a GPU: install the one of its maker (Intel, AMD on Debian, Ubuntu: apt-get install " +
    "mesa-vulkan-drivers)"
  );
}

/** True if the system's loader finds a library: one that is found is refused only because it is no addon of Node. */
function hasLibrary(name: string): boolean {
  try {
    process.dlopen({ exports: {} }, name);
    return true;
  } catch (error) {
    return !/cannot open shared object file/.test(messageOf(error));
  }
}

/** Waits in progress, and the beginning of the first of them. */
let waits = 0;
let waitingSince = 0;
/** True while `pause` is called in every turn: a wait that begins before it has seen the end of the one before takes it over. */
let isPausing = false;
const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * Until a promise of Dawn's resolves, the package asks for it by setImmediate, a hundred thousand times a second: a core that
 * a software driver needs, and as many functions for the garbage collector, which stops for half a second in the end. So the
 * thread sleeps in each turn of the event loop, for a fiftieth of the time waited so far: no timer, and no result, is late by
 * more than that.
 */
async function wait<T>(promise: Promise<T>): Promise<T> {
  if (waits++ === 0) waitingSince = performance.now();
  if (!isPausing) setImmediate(pause);
  isPausing = true;
  try {
    return await promise;
  } finally {
    waits--;
  }
}

const LONGEST_PAUSE_MS = 2;

function pause(): void {
  isPausing = waits > 0;
  if (!isPausing) return;
  Atomics.wait(never, 0, 0, Math.min(LONGEST_PAUSE_MS, (performance.now() - waitingSince) / 50));
  setImmediate(pause);
}

export const gpu: GpuAccess = {
  open,
  wait,
  problem,
  get allowsFallback() {
    return process.env.LLM_TS_FALLBACK_ADAPTER === "1";
  },
};
