/** Responsiveness of a page: the tasks of its main thread, and its frames. */
import type { Browser, Page } from "playwright-core";

/** Above the lines that `measure` prints. */
export const head =
  "Milliseconds; in brackets how many tasks took more than 50.\n\n" +
  "| | longest task | of the processor | median frame | p95 | longest |\n| --- | --- | --- | --- | --- | --- |";

/** The longest task of the page's main thread, and its frames, in milliseconds, while `act` runs. */
export async function measure(browser: Browser, page: Page, name: string, act: () => Promise<unknown>): Promise<void> {
  await page.evaluate(`{
    frames = []; let last = performance.now(); let going = true;
    const tick = (now) => { frames.push(now - last); last = now; if (going) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    stopFrames = () => { going = false; return frames.slice(1); };
  }`);
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  await act();
  const frames = await page.evaluate<number[]>("stopFrames()");
  const tasks = tasksIn(JSON.parse((await browser.stopTracing()).toString()));
  const at = (values: readonly number[], share: number) => {
    const sorted = values.toSorted((a, b) => a - b);
    return (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  };
  const longest = (values: readonly number[]) => `${at(values, 1)} (${values.filter((ms) => ms > 50).length})`;
  const [clock, processor] = [tasks.map(({ dur = 0 }) => dur / 1000), tasks.map(({ tdur = 0 }) => tdur / 1000)];
  const framed = [0.5, 0.95, 1].map((share) => at(frames, share));
  console.log(`| ${[name, longest(clock), longest(processor), ...framed].join(" | ")} |`);
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds: on the clock, and of the processor. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** The tasks of the main threads of pages. */
function tasksIn({ traceEvents }: { readonly traceEvents: readonly TraceEvent[] }): TraceEvent[] {
  const threads = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }: TraceEvent) => threads.some((one) => one.pid === pid && one.tid === tid);
  return traceEvents.filter((event) => event.name === "RunTask" && isMain(event));
}
