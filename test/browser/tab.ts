import type { BrowserContext, Page } from "playwright-core";
import { watch } from "./page.ts";

/** A dedicated worker of a page that `bundleWorkerPage` made. */
export interface TabWorker {
  /** Runs the body of an async function, with the names of evaluate.js in scope. */
  call<T>(code: string): Promise<T>;
  terminate(): Promise<void>;
}

/** A page that starts such workers. */
export class Tab {
  readonly page: Page;
  /** Errors and warnings of the page. */
  readonly problems: string[] = [];
  #started = 0;

  private constructor(page: Page) {
    this.page = page;
    watch(page, this.problems);
  }

  static async open(browser: BrowserContext, url: string): Promise<Tab> {
    const tab = new Tab(await browser.newPage());
    await tab.page.goto(url);
    return tab;
  }

  /** As a worker's `call`, but on the page itself. */
  call<T>(code: string): Promise<T> {
    return this.page.evaluate(`evaluateHere(${JSON.stringify(code)})`);
  }

  async start(): Promise<TabWorker> {
    const worker = `globalThis.worker${++this.#started}`;
    await this.page.evaluate(`{ ${worker} = startWorker(); }`);
    return {
      call: (code) => this.page.evaluate(`${worker}.call(${JSON.stringify(code)})`),
      terminate: () => this.page.evaluate(`${worker}.terminate()`),
    };
  }
}
