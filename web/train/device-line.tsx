import { Notice } from "../parts/notice.tsx";
import { device } from "../store/state.ts";
import { text } from "./live-text.ts";

/** What computes, and why it is one thread where more could. */
export function DeviceLine() {
  const t = text().device;
  const found = device.value;
  if (!found) return <p class="device">{t.starting} …</p>;
  const { threads, relaxed, kernel, sharedMemory } = found;
  const tile = kernel.replace(/^[a-z]+-/, "").replace("x", "×");
  return (
    <>
      <p class="device">{[t.threads(threads), relaxed ? t.relaxed : t.plain, tile].join(" · ")}</p>
      {!sharedMemory && <Notice>{crossOriginIsolated ? t.noSharedMemory : t.notIsolated}</Notice>}
    </>
  );
}
