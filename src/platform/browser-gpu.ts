import type { GpuAccess } from "./platform.ts";

/** WebGPU in a browser, in pages and workers. */
export const gpu: GpuAccess = {
  async open() {
    if (navigator.gpu) return navigator.gpu;
    if (!globalThis.isSecureContext) return "browsers have WebGPU only in pages from https: or localhost";
    return "this browser has no WebGPU, or has it switched off: Chrome and Edge have it from version 113 on, Firefox from 141, Safari from 26";
  },
  problem: () =>
    "this browser has WebGPU, but no GPU for it: graphics acceleration may be switched off in its settings, or the driver " +
    "blocked (Chrome and Edge say why at chrome://gpu, Firefox at about:support)",
  allowsFallback: false,
  wait: (promise) => promise,
};
