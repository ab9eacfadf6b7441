import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { installIn } from "./bundle.ts";
import { callInNode, launch, plainPage, type Run, root, watch } from "./page.ts";
import { type ServerOptions, startServer, type TestServer } from "./server.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-browser-"));
let browser: Browser;
const servers: TestServer[] = [];
let problems: string[] = [];
/** Names of the files that the page has requested. */
let loaded: string[] = [];

beforeAll(async () => {
  browser = await launch();
});
afterEach(() => {
  expect(problems).toEqual([]);
  problems = [];
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
  await Promise.all(servers.map((server) => server.close()));
});

async function openPage(isolated: boolean, options: Partial<ServerOptions> = {}): Promise<Page> {
  const server = await startServer({ root, isolated, pages: { "/": plainPage }, ...options });
  servers.push(server);
  const page = await browser.newPage();
  watch(page, problems);
  loaded = [];
  page.on("request", (request) => loaded.push(request.url().replace(/^.*\//, "")));
  await page.goto(server.url);
  return page;
}

/** Calls a function of program.js. As text: Vitest would rewrite an import inside a function. */
function call<T>(page: Page, call: string): Promise<T> {
  return page.evaluate<T>(`import("/test/browser/program.js").then(async (program) => program.${call})`);
}

test("an isolated page trains with threads, bit for bit as Node does", async () => {
  const page = await openPage(true);
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  const here = callInNode<Run>("trainAndWrite(2)");
  const there = await call<Run>(page, "trainAndWrite(2)");
  expect(there.threads).toBe(2);
  expect(there.fma).toBe(true);
  expect(there.losses).toEqual(here.losses);
  expect(there.norms).toEqual(here.norms);
  expect(there.tokens).toEqual(here.tokens);
  expect(here.losses).toHaveLength(8);
  expect(here.losses[7]).toBeLessThan(here.losses[0] ?? 0);
  await page.close();
});

test("a page without shared memory trains in one thread, to the same bits", async () => {
  const page = await openPage(false);
  expect(await page.evaluate("crossOriginIsolated")).toBe(false);
  const here = callInNode<Run>("trainAndWrite(2)");
  const there = await call<Run>(page, "trainAndWrite(2)");
  expect(there.threads).toBe(1);
  expect(there.description).toMatch(/^wasm, relaxed-\dx\d+, 1 thread$/);
  expect(there.losses).toEqual(here.losses);
  expect(there.tokens).toEqual(here.tokens);
  await page.close();
});

test.each([true, false])("plain kernels, where relaxed SIMD is not to be had (isolated: %s)", async (isolated) => {
  const page = await openPage(isolated);
  // An engine without these instructions.
  await page.evaluate(`{
    const { compile, validate } = WebAssembly;
    const isRelaxed = (bytes) => {
      const all = new Uint8Array(bytes);
      return all.some((byte, i) => byte === 0xfd && all[i + 1] === 0x85 && all[i + 2] === 2);
    };
    WebAssembly.validate = (bytes) => !isRelaxed(bytes) && validate(bytes);
    WebAssembly.compile = async (bytes) => {
      if (isRelaxed(bytes)) throw new WebAssembly.CompileError("invalid opcode 0xfd85");
      return compile(bytes);
    };
  }`);
  const here = callInNode<Run>('trainAndWrite(2, "plain-4x8")');
  const there = await call<Run>(page, "trainAndWrite(2)");
  expect(there.description).toMatch(isolated ? /^wasm, plain-\dx\d+, 2 threads$/ : /^wasm, plain-\dx\d+, 1 thread$/);
  expect(there.fma).toBe(false);
  expect(there.losses).toEqual(here.losses);
  expect(there.tokens).toEqual(here.tokens);
  expect((await call<Run>(page, 'trainAndWrite(2, "plain-6x8")')).description).toContain("plain-6x8,");
  await expect(call(page, 'trainAndWrite(2, "relaxed-6x8")')).rejects.toThrow(
    /BackendError: The kernel relaxed-6x8 cannot be used here: relaxed SIMD: not known to this engine/,
  );
  await page.close();
});

test("kernels that no page can have are refused with the reason", async () => {
  const page = await openPage(true);
  await expect(call(page, 'trainAndWrite(1, "relaxed-6x16-256")')).rejects.toThrow(
    /BackendError: The kernel relaxed-6x16-256 cannot be used here: 256-bit vectors: a page in a browser cannot ask/,
  );
  await expect(call(page, 'trainAndWrite(1, "fast")')).rejects.toThrow(/UsageError: There is no kernel "fast".*auto/);
  await page.close();
});

test("a page saves a model as a download, the same file as Node's, and loads it from a URL or a Blob", async () => {
  const page = await openPage(true);
  const path = join(folder, "model.bin");
  callInNode(`trainAndSave(${JSON.stringify(path)})`);
  const download = page.waitForEvent("download");
  await call(page, 'trainAndSave("runs/model.bin")');
  expect((await download).suggestedFilename()).toBe("model.bin");
  expect(readFileSync(await (await download).path()).equals(readFileSync(path))).toBe(true);

  const fixture = "test/fixtures/gpt2_tiny.bin";
  const here = callInNode<number[]>(`loadAndWrite("${fixture}")`);
  expect(await call(page, `loadAndWrite("/${fixture}")`)).toEqual(here);
  expect(await call(page, `loadAndWrite(await (await fetch("/${fixture}")).blob())`)).toEqual(here);
  await page.close();
});

test("a worker of a page uses the library and starts its workers", async () => {
  const page = await openPage(true);
  const code = `import { GPT2, makeConfig } from "${new URL("/dist/browser/llm-ts.js", page.url())}";
    const model = await GPT2.create(makeConfig({ maxT: 8, V: 16, L: 1, NH: 1, C: 16 }), { threads: 2 });
    self.postMessage(model.backend.description);`;
  const description = await page.evaluate(`new Promise((resolve, reject) => {
    const blob = new Blob([${JSON.stringify(code)}], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = (event) => reject(new Error(event.message));
  })`);
  expect(description).toMatch(/^wasm, relaxed-\dx\d+, 2 threads$/);
  await page.close();
});

test("the example of the documentation works as it stands, and loads GPT-2's vocabulary only when it is used", async () => {
  const site = join(folder, "site");
  installIn(site);
  const example = readFileSync(join(root, "docs/browser-example.html"), "utf8");
  expect(readFileSync(join(root, "docs/browser.md"), "utf8")).toContain(`\n\`\`\`html\n${example}\`\`\`\n`);
  const page = await openPage(true, { root: site, pages: { "/": example, "/favicon.ico": "" } });
  await page.getByRole("button", { name: "Save the model" }).waitFor({ timeout: 90_000 });
  const [, loss] =
    /^wasm, relaxed-\dx\d+, \d+ threads?: loss (\S+)$/.exec(await page.locator("#status").innerText()) ?? [];
  // The loss of 65 characters begins at ln 65 = 4.17; their frequencies alone give 3.3.
  expect(Number(loss)).toBeLessThan(2.8);
  expect(await page.locator("#sample").innerText()).toMatch(/\w+ \w+/);
  // The tokenizer is downloaded as well, in either order.
  const download = page.waitForEvent("download", (one) => one.suggestedFilename() === "shakespeare.bin");
  await page.getByRole("button").click();
  expect(callInNode(`loadAndWrite(${JSON.stringify(await (await download).path())})`)).toHaveLength(20);
  expect(loaded).toContain("tinyshakespeare.txt");
  expect(loaded).not.toContain("r50k_base.js");
  await page.evaluate('import("/node_modules/llm-ts/dist/browser/llm-ts.js").then((llm) => llm.gpt2Tokenizer())');
  expect(loaded).toContain("r50k_base.js");
  await page.close();
});
