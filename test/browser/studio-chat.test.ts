/** A chat in the studio, in real Chromium: with a model that has learned two answers by heart. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Studio } from "../../src/serve/server.ts";
import { talkJsonl } from "../talk.ts";
import { launch, root } from "./page.ts";
import { barriers, openStudio, type StudioPage, serveStudio } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-studio-chat-"));
const soon = { timeout: 30_000 };
let browser: Browser;
let server: Studio;
let studio: StudioPage;

function llmTs(...args: readonly string[]): void {
  execFileSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], { cwd: folder, stdio: "pipe" });
}

beforeAll(async () => {
  writeFileSync(join(folder, "talk.jsonl"), talkJsonl);
  llmTs("prepare", "--chat", "talk.jsonl", "--tokenizer", "bpe:280", "--val-fraction", "0", "-o", "talk");
  const sizes = ["--model", "custom", "--layers", "2", "--heads", "2", "--channels", "32", "-b", "8", "-t", "48"];
  const steps = ["-x", "300", "-l", "0.005", "-k", "constant", "--order", "random", "-s", "0", "--threads", "2"];
  llmTs("train", "-i", "talk", ...sizes, ...steps, "-o", "run");
  [browser, server] = [await launch(), await serveStudio()];
  studio = await openStudio(browser, server, "?threads=2&kernel=relaxed-4x8");
  const model = readdirSync(join(folder, "run")).find((name) => name.startsWith("model_")) ?? "";
  const files = [model, "tokenizer.json", "tokenizer_config.json"].map((name) => join(folder, "run", name));
  await studio.page.locator("input[type=file][accept]").setInputFiles(files);
  await studio.page.getByRole("heading", { name: "Chat", exact: true }).waitFor(soon);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const turns = () => studio.page.getByRole("log").locator("p").allTextContents();

test("Enter sends a message, and the answer ends where the model ends its turn", async () => {
  const { page } = studio;
  await page.getByLabel("Temperature").fill("0");
  expect(await page.getByText("This model has learned conversations.").isVisible()).toBe(true);
  expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await page.getByLabel("Message").fill("tick");
  await page.keyboard.press("Enter");
  await expect.poll(turns, soon).toEqual(["You tick", "Model tock"]);
  expect(await page.getByLabel("Message").inputValue()).toBe("");
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByLabel("Message").fill("ping");
  await page.getByRole("button", { name: "Send" }).click();
  await expect.poll(turns, soon).toEqual(["You ping", "Model pong"]);
  expect(await barriers(page)).toEqual([]);
});

test("Shift and Enter begins a line; a message with a special token is refused, and stays to be corrected", async () => {
  const { page } = studio;
  await page.getByLabel("Message").fill("a");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("<|im_end|>");
  await page.keyboard.press("Enter");
  await page.getByText("The message holds <|im_end|>").waitFor(soon);
  expect(await page.getByLabel("Message").inputValue()).toBe("a\n<|im_end|>");
  expect(await turns()).toEqual(["You ping", "Model pong"]);
});

test("a conversation that grows too long loses its oldest turns, which is said; other instructions begin a new one", async () => {
  const { page } = studio;
  const note = page.getByText("its oldest turns are left out");
  for (let i = 1; i < 12 && !(await note.isVisible()); i++) {
    await page.getByLabel("Message").fill("ping");
    await page.keyboard.press("Enter");
    await expect.poll(async () => (await turns()).length, soon).toBe(2 * i + 2);
    await page.getByRole("button", { name: "Send" }).waitFor(soon);
  }
  expect(await note.isVisible()).toBe(true);
  await page.getByLabel("Instructions").fill("Be kind.");
  await page.keyboard.press("Tab");
  await expect.poll(() => page.getByRole("log").count(), soon).toBe(0);
  expect(await note.isVisible()).toBe(false);
});

test("in Chinese", async () => {
  const { page, problems } = studio;
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByLabel("消息").fill("ping");
  await page.getByRole("button", { name: "发送" }).click();
  await expect.poll(async () => (await turns())[0], soon).toBe("你 ping");
  await page.getByLabel("消息").fill("<|im_start|>");
  await page.keyboard.press("Enter");
  await page.getByText("消息中有特殊词元").waitFor(soon);
  expect(await barriers(page)).toEqual([]);
  expect(problems).toEqual([]);
});
