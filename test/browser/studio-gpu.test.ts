/** The Train view on WebGPU, in real Chromium on its software adapter: the choice of a processor, and the loss of a GPU. */
import type { Browser, Page } from "playwright-core";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Studio } from "../../src/serve/server.ts";
import { launch, launchOptions } from "./page.ts";
import { barriers, lossesShown, openStudio, type StudioPage, serveStudio } from "./studio.ts";

const query = "?threads=2&kernel=relaxed-4x8";
/** A software adapter compiles kernels slowly. */
const soon = { timeout: 240_000 };
let browser: Browser;
let server: Studio;
let studio: StudioPage;

beforeAll(async () => {
  const { args = [], ...options } = launchOptions();
  browser = await chromium.launch({ ...options, args: [...args, "--enable-unsafe-webgpu"] });
  server = await serveStudio();
  studio = await openStudio(browser, server, `${query}&fallback-adapter`);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const mainButton = (page: Page, name: string) => page.locator(".controls").getByRole("button", { name });
const phase = (page: Page) => page.locator(".phase").textContent();
const device = (page: Page) => page.locator(".device").textContent();
const processor = (page: Page, name: string) => page.locator(".processor").getByRole("radio", { name });
const about = (page: Page) => page.locator(".processor [role=status]").textContent();
const ready = (page: Page) => expect.poll(() => page.locator(".controls .primary").isEnabled(), soon).toBe(true);

/** The smallest model of the form, with so many updates, and nothing between them. */
async function chooseTiny(page: Page, updates: number): Promise<void> {
  await page.getByLabel(/^own/).check();
  for (const [label, value] of [
    ["Layers (L)", 1],
    ["Heads (NH)", 2],
    ["Channels (C)", 16],
    ["Block (T)", 16],
  ] as const)
    await page.getByLabel(label, { exact: true }).fill(String(value));
  const details = page.locator("details.card");
  if (!(await details.evaluate((element) => element.hasAttribute("open")))) await details.locator("summary").click();
  for (const [label, value] of [
    ["Updates", updates],
    ["Batch (B)", 4],
    ["Sample every", 0],
  ] as const)
    await details.getByLabel(label, { exact: true }).fill(String(value));
}

let onCpu: readonly number[];

test("auto times an update on both, takes the faster, and says which and why", async () => {
  const { page } = studio;
  await ready(page);
  expect(await processor(page, "Auto").isChecked()).toBe(true);
  expect(await about(page)).toMatch(/one update is timed on each/);
  expect(await page.locator(".why-not").count()).toBe(0);
  await chooseTiny(page, 30);
  await ready(page);
  await mainButton(page, "Start training").click();
  await page.locator(".progress").getByText("Timing an update on the CPU and the GPU").waitFor(soon);
  await expect.poll(() => phase(page), soon).toBe("Done");
  // The adapter is software, on the same cores.
  expect(await page.locator(".taken").textContent()).toMatch(
    /^“Auto” took the CPU: CPU [\d.,]+ ms, GPU [\d.,]+ ms an update\.$/,
  );
  expect(await device(page)).toBe("2 threads · relaxed SIMD · 4×8");
  onCpu = await lossesShown(page, "step", "val");
  await expect.poll(() => about(page), soon).toMatch(/^One update: CPU .* GPU .* “Auto” takes the CPU\.$/);
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "中文" }).click();
  expect(await page.locator(".taken").textContent()).toMatch(/^“自动”选用了 CPU：每次更新 CPU [\d.,]+.*GPU/);
  expect(await about(page)).toContain("“自动”选用 CPU。");
  await page.getByRole("button", { name: "Switch to English" }).click();
});

test("by the keyboard it is overruled: the GPU trains, with the CPU's losses, validates and writes", async () => {
  const { page } = studio;
  await processor(page, "Auto").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await processor(page, "GPU").isChecked()).toBe(true);
  expect(await page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("radio");
  await expect.poll(() => device(page), soon).toMatch(/^GPU · .*swiftshader/i);
  expect(await about(page)).toContain("The CPU would be faster.");
  await ready(page);
  await mainButton(page, "Start over").click();
  await expect.poll(() => phase(page), soon).toBe("Training");
  await expect.poll(() => phase(page), soon).toBe("Done");
  expect(await device(page)).toMatch(/^GPU · /);
  expect(await page.locator(".taken").count()).toBe(0);
  const onGpu = await lossesShown(page, "step", "val");
  expect(onGpu).toHaveLength(onCpu.length);
  for (const [i, loss] of onGpu.entries()) expect(Math.abs(loss - onCpu[i])).toBeLessThan(1e-4);
  await page.locator(".write").getByRole("button", { name: "Write" }).click();
  await expect.poll(() => page.locator(".write [role=status]").textContent(), soon).toMatch(/\d+ tokens/);
  expect(await barriers(page)).toEqual([]);
});

test("the choice and the times are known after a reload, and a killed tab resumes on the CPU, the change said", async () => {
  const { page } = studio;
  await page.reload();
  await expect.poll(() => device(page), soon).toMatch(/^GPU · /);
  expect(await processor(page, "GPU").isChecked()).toBe(true);
  await chooseTiny(page, 100_000);
  await ready(page);
  await mainButton(page, "Start training").click();
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/saved at [1-9]/);
  const name = await page.locator(".run-name").textContent();
  await page.close();
  const next = await studio.context.newPage();
  next.setDefaultTimeout(soon.timeout);
  studio = { ...studio, page: next };
  await next.goto(`${server.url}${query}&fallback-adapter&backend=auto`);
  const offer = next.locator(".offer");
  await offer.getByText(/stopped at update \d+ of 100,000\. It resumes from update \d+/).waitFor();
  expect(await barriers(next)).toEqual([]);
  await offer.getByRole("button", { name: `Resume on the CPU: ${name}` }).click();
  await expect.poll(() => phase(next), soon).toBe("Training");
  expect(await device(next)).toBe("2 threads · relaxed SIMD · 4×8");
  await next.getByText(/computed with the webgpu backend until now, and resumes with wasm/).waitFor();
  await mainButton(next, "Stop").click();
  await expect.poll(() => phase(next), soon).toBe("Stopped and saved");
});

test("a GPU process that crashes ends the run in words; the checkpoint is whole, and resumes on the CPU", async () => {
  const { page } = studio;
  await processor(page, "GPU").click();
  await expect.poll(() => device(page), soon).toMatch(/^GPU · /);
  await chooseTiny(page, 100_000);
  await ready(page);
  await page
    .locator(".controls")
    .getByRole("button", { name: /^ ?Start (training|over)$/ })
    .click();
  await expect.poll(() => page.locator(".progress").textContent(), soon).toMatch(/saved at [1-9]/);
  const name = await page.locator(".run-name").textContent();
  const devtools = await browser.newBrowserCDPSession();
  await devtools.send("Browser.crashGpuProcess");
  const failure = page.locator(".notice.bad");
  await failure.getByText(/was lost: .* Saved files are intact: resume from the last checkpoint/).waitFor(soon);
  expect(await phase(page)).toBe("Failed");
  expect(await barriers(page)).toEqual([]);
  await page.getByRole("button", { name: "中文" }).click();
  expect(await failure.textContent()).toMatch(/已丢失：.*改用 CPU/);
  await page.getByRole("button", { name: "Switch to English" }).click();
  await page
    .locator(".offer")
    .getByRole("button", { name: `Resume on the CPU: ${name}` })
    .click();
  await expect.poll(() => phase(page), soon).toBe("Training");
  expect(await device(page)).toMatch(/^2 threads/);
  await page.getByText(/computed with the webgpu backend until now, and resumes with wasm/).waitFor();
  await mainButton(page, "Stop").click();
  await expect.poll(() => phase(page), soon).toBe("Stopped and saved");
});

test("a software adapter that is not named is refused, and it says how to have one all the same", async () => {
  const { context, page, problems } = await openStudio(browser, server, query);
  await page.locator(".why-not").click();
  expect(await page.locator(".reason").textContent()).toMatch(/software on the CPU.*add \?fallback-adapter/);
  expect(await processor(page, "GPU").isDisabled()).toBe(true);
  expect(await about(page)).toBe("Only the CPU is available here.");
  expect(await barriers(page)).toEqual([]);
  expect(problems).toEqual([]);
  await context.close();
});

test("a browser without a GPU computes on the CPU, and says how to switch WebGPU on", async () => {
  const plain = await launch();
  const { page } = await openStudio(plain, server, query);
  await page.locator(".why-not").click();
  expect(await page.locator(".reason").textContent()).toMatch(/^this browser has WebGPU, but no GPU for it/);
  expect(await page.locator(".processor details").textContent()).toMatch(/chrome:\/\/settings\/system.*chrome:\/\/gpu/);
  await ready(page);
  await plain.close();
});
