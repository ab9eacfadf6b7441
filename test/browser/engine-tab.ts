import type { BrowserContext, Page } from "playwright-core";
import type { TrainEvent } from "../../src/train/events.ts";
import type { EngineUpdate } from "../../web/engine/protocol.ts";
import { watch } from "./page.ts";

/** Messages of the engine to the page. */
export interface Received {
  readonly events: readonly TrainEvent[];
  readonly remarks: readonly string[];
  readonly latest: Partial<EngineUpdate>;
}

/** A page with an engine: engine-page.js. */
export class EngineTab {
  readonly page: Page;
  /** Errors and warnings of the page. */
  readonly problems: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    watch(page, this.problems);
  }

  static async open(browser: BrowserContext, url: string): Promise<EngineTab> {
    const tab = new EngineTab(await browser.newPage());
    await tab.page.goto(url);
    await tab.page.waitForFunction("globalThis.isReady");
    return tab;
  }

  /** Reloads the page: the engine's worker ends with the old one. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.page.waitForFunction("globalThis.isReady");
  }

  /** Evaluates an expression on the page, which sees `engine` and `received`; a promise is awaited. */
  call<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }

  received(): Promise<Received> {
    return this.call("received");
  }

  /** Waits until an expression about `received` is true. */
  async until(expression: string): Promise<void> {
    await this.page.waitForFunction(expression, undefined, { timeout: 100_000 });
  }

  untilPhase(phase: string): Promise<void> {
    return this.until(`received.latest.state?.phase === ${JSON.stringify(phase)}`);
  }

  untilStep(step: number): Promise<void> {
    return this.until(`received.events.some(({ type, step }) => type === "step" && step >= ${step})`);
  }
}
