/** `llm-ts studio` as a program, beside a program that trains. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { cli } from "./nodes.ts";
import { result, run, start, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();

/** Starts the studio; returns the process and its address. */
function startStudio(...args: string[]) {
  return studioOf(start(["studio", "runs", "--no-open", "--port", "0", ...args], { cwd: folder }));
}

async function studioOf(child: ReturnType<typeof start>) {
  const done = result(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(String(text).trim()));
    child.on("exit", () => reject(new Error("The studio ended.")));
  });
  return { child, done, url };
}

test("the page and live runs, until Ctrl-C", async () => {
  const { child, done, url } = await startStudio();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  const page = await fetch(url);
  expect(await page.text()).toContain("<title>llm.ts studio</title>");
  expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
  expect(await (await fetch(`${url}api/runs`)).json()).toEqual([]);

  const { body } = await fetch(`${url}api/events`);
  writeTokens(join(folder, "tokens.bin"), 3000, 101);
  const options = "-x 5 -b 2 -t 8 -s 0 -v 5 -i tokens.bin -j tokens.bin -o runs/tiny".split(" ");
  const training = run(["train", "-e", fixturePath("gpt2_tiny.bin"), ...options], { cwd: folder });
  let events = "";
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    events += text;
    // The list that says so comes after the last lines.
    if (events.includes('"status":"done"')) break;
  }
  expect((await training).code).toBe(0);
  const lines = [...events.matchAll(/^event: lines\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data));
  expect(lines[0]).toMatchObject({ name: "tiny", from: 0 });
  for (const [i, { from }] of lines.entries()) expect(from).toBe(lines[i - 1]?.to ?? 0);
  const metrics = lines.flatMap(({ lines }) => lines).map((line) => JSON.parse(line));
  expect(metrics.filter(({ event }) => event === "step").map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
  expect(metrics.at(-1)).toMatchObject({ event: "done", step: 5 });

  // A page that listens does not keep it from ending.
  await fetch(`${url}api/events`);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await done;
  if (process.platform !== "win32") expect(code).toBe(0);
  expect(stdout).toBe(`${url}\n`);
  expect(stderr).toContain("shows the runs in runs, which is not there yet. Ctrl-C ends it.");
});

test("other machines need the token in the address", async () => {
  const { child, done, url } = await startStudio("--host", "0.0.0.0");
  const { port, search } = new URL(url);
  expect(search).toMatch(/^\?token=[\w-]{32}$/);
  const base = `http://127.0.0.1:${port}`;
  expect((await fetch(base)).status).toBe(401);
  const { headers } = await fetch(`${base}/${search}`);
  const [cookie = ""] = (headers.get("set-cookie") ?? "").split(";");
  expect((await fetch(base, { headers: { cookie } })).status).toBe(200);
  child.kill("SIGTERM");
  const { code } = await done;
  if (process.platform !== "win32") expect(code).toBe(0);
});

// Windows has no such limit.
test.skipIf(process.platform === "win32")("unread responses, and no file handles left", async () => {
  const args = [
    "-c",
    'ulimit -n 64; exec "$@"',
    "sh",
    process.execPath,
    cli,
    "studio",
    "runs",
    "--no-open",
    "--port",
    "0",
  ];
  const { child, done, url } = await studioOf(spawn("sh", args, { cwd: folder }));
  const { hostname, port, host } = new URL(url);
  const sockets: Socket[] = [];
  // More connections than file handles, each with many answers to take, which it does not.
  for (let i = 0; i < 100; i++) {
    const socket = connect(Number(port), hostname).on("error", () => {});
    socket.pause();
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(100));
    socket.write(`GET /api/runs HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(20));
    sockets.push(socket);
  }
  await wait(500);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => fetch(url).then(({ status }) => status, String)).toBe(200);
  child.kill("SIGINT");
  expect((await done).code).toBe(0);
});

test("a port that is taken, or none, and a folder that is a file", async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  expect(await run(["studio", "--no-open", "--port", String(port)], { cwd: folder })).toEqual({
    code: 1,
    stdout: "",
    stderr: `error: Port ${port} is taken on 127.0.0.1. Choose another one with --port, or --port 0 for any that is free.\n`,
  });
  server.close();
  expect((await run(["studio", "--port", "65536"])).code).toBe(2);
  writeFileSync(join(folder, "file"), "");
  const { code, stderr } = await run(["studio", "file", "--no-open"], { cwd: folder });
  expect([code, stderr]).toEqual([1, "error: file is a file, where a folder with runs is expected.\n"]);
});
