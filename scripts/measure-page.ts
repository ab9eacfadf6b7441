/** How responsive a page stays: the tasks of its main thread, and its frames. */
import type { Browser, Page } from "playwright-core";

/** Above the lines that `measure` prints. */
export const head =
  "| | longest task | tasks over 50 ms | median frame | p95 | longest | frames |\n| --- | --- | --- | --- | --- | --- | --- |";

/** The longest task of the page's main thread, and its frames, in milliseconds, while `act` goes on. */
export async function measure(browser: Browser, page: Page, name: string, act: () => Promise<unknown>): Promise<void> {
  await page.evaluate(`{
    frames = []; let last = performance.now(); let going = true;
    const tick = (now) => { frames.push(now - last); last = now; if (going) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    stopFrames = () => { going = false; return frames.slice(1).sort((a, b) => a - b); };
  }`);
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  await act();
  const frames = await page.evaluate<number[]>("stopFrames()");
  const tasks = tasksIn(JSON.parse((await browser.stopTracing()).toString()));
  const at = (sorted: readonly number[], share: number) =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  const over = tasks.filter((ms) => ms > 50).length;
  console.log(
    `| ${name} | ${at(tasks, 1)} | ${over} | ${at(frames, 0.5)} | ${at(frames, 0.95)} | ${at(frames, 1)} | ${frames.length} |`,
  );
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly args: { readonly name?: string };
}

/** How long the tasks of the main threads of pages took, sorted. */
function tasksIn({ traceEvents }: { readonly traceEvents: readonly TraceEvent[] }): number[] {
  const threads = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }: TraceEvent) => threads.some((one) => one.pid === pid && one.tid === tid);
  return traceEvents
    .filter((event) => /RunTask$/.test(event.name) && isMain(event))
    .map(({ dur = 0 }) => dur / 1000)
    .sort((a, b) => a - b);
}
