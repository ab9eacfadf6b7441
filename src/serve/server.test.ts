/** The whole server over a port. What a browser would not send, sockets do. */
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { IncomingMessage, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { decodeColumns } from "../runs/columns.ts";
import { toJsonLine } from "../train/events.ts";
import { type Studio, startStudio } from "./server.ts";
import { Watch } from "./watch.ts";

let root: string;
let runs: string;
let page: string;
let studio: Studio;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "llm-ts-serve-")));
  runs = join(root, "runs");
  page = join(root, "page");
  await mkdir(join(page, "assets"), { recursive: true });
  await writeFile(join(page, "index.html"), "<!doctype html><title>studio</title>");
  await writeFile(join(page, "assets", "index-abc.js"), "export {};");
  await writeFile(join(root, "secret"), "secret");
  studio = await startStudio({ folder: runs, ports: [0], page });
});
afterAll(async () => {
  await studio.close();
  await rm(root, { recursive: true });
});

const config = (created: string) =>
  JSON.stringify({
    version: 1,
    created,
    model: { name: "small", L: 1, NH: 2, C: 8, V: 256, Vp: 256, maxT: 12 },
    run: { steps: 3 },
  });
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i)
    .map((step) =>
      toJsonLine({ type: "step", step, loss: 5 - step / 4, learningRate: 0.5, norm: 1, ms: 10, tokensPerSecond: 8 }),
    )
    .join("");
const sample = toJsonLine({ type: "sample", step: 1, tokens: [1], text: "<b>ä</b>" });

async function makeRun(name: string, metrics: string, created = "2026-01-02T03:04:05.000Z"): Promise<string> {
  const path = join(runs, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "config.json"), config(created));
  await writeFile(join(path, "metrics.jsonl"), metrics);
  return path;
}

const get = (path: string, init?: RequestInit) => fetch(new URL(path, studio.url), { redirect: "manual", ...init });
const json = async (path: string) => (await get(path)).json();
/** Does not wait for the next look at the folder. */
const look = () => get("/api/runs");
const names = async () => (await json("/api/runs")).map(({ folder }: { folder: string }) => folder);

/** The answer to a request as written, `Connection: close` added. */
function raw(request: string, { port, hostname } = new URL(studio.url)): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(`${request}\r\nConnection: close\r\n\r\n`));
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      answer += text;
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}
const statusOf = (answer: string) => Number(answer.split(" ", 2)[1]);

/** The server-sent events of a studio, one after the other. */
async function* eventsOf(url = studio.url, signal?: AbortSignal) {
  const { body } = await fetch(new URL("/api/events", url), { signal });
  let rest = "";
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (rest + text).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
      if (event !== undefined) yield { event, data: JSON.parse(data) };
    }
  }
}

/** The next event for which `is` holds. */
async function nextOf(events: ReturnType<typeof eventsOf>, is: (event: { event: string; data: unknown }) => boolean) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error("The events ended.");
    if (is(value)) return value;
  }
}

describe("runs", () => {
  test("a folder that is not there yet has no runs", async () => {
    expect(await json("/api/runs")).toEqual([]);
    expect(await json("/api/info")).toEqual({ version: expect.any(String), folder: runs, platform: process.platform });
  });

  test("they are listed, the newest first; folders that hold none, and hidden ones, are not", async () => {
    await makeRun("old", lines(0, 2), "2026-01-01T00:00:00.000Z");
    await makeRun("new 1%", `${lines(0, 3)}${sample}{\n`, "2026-01-03T00:00:00.000Z");
    await makeRun(".hidden", lines(0, 2));
    await mkdir(join(runs, "photos"));
    await mkdir(join(runs, "begun"));
    await writeFile(join(runs, "begun", "config.json"), config("2026-01-02T00:00:00.000Z"));
    await mkdir(join(runs, "damaged"));
    await writeFile(join(runs, "damaged", "config.json"), "{");
    const list = await json("/api/runs");
    expect(list.filter(({ status }: { status: string }) => status !== "unreadable")).toMatchObject([
      { folder: "new 1%", status: "cut off", step: 3, steps: 3, loss: 4.5, model: "small" },
      { folder: "begun", status: "cut off", steps: 3 },
      { folder: "old", status: "cut off", step: 2 },
    ]);
    expect(list).toHaveLength(4);
    expect(list).toContainEqual(
      expect.objectContaining({
        folder: "damaged",
        status: "unreadable",
        reason: expect.stringContaining("not valid JSON"),
      }),
    );
  });

  test("a run has a summary, settings and samples, and says how many lines are broken", async () => {
    expect(await json(`/api/runs/${encodeURIComponent("new 1%")}`)).toMatchObject({
      summary: { folder: "new 1%", step: 3 },
      config: { model: { name: "small" }, run: { steps: 3 } },
      samples: [{ step: 1, text: "<b>ä</b>" }],
      broken: 1,
    });
    expect(await json("/api/runs/begun")).toMatchObject({ summary: { status: "cut off" }, samples: [], broken: 0 });
    expect(await json("/api/runs/damaged")).toMatchObject({ summary: { status: "unreadable" }, samples: [] });
  });

  test("curves come as columns", async () => {
    const answer = await get("/api/runs/new%201%25/curves");
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const { step, loss, broken } = decodeColumns(await answer.arrayBuffer());
    expect([[...step], [...loss], broken]).toEqual([[0, 1, 2], [5, 4.75, 4.5], 1]);
    expect(decodeColumns(await (await get("/api/runs/begun/curves")).arrayBuffer()).step).toHaveLength(0);
    const damaged = await get("/api/runs/damaged/curves");
    expect([damaged.status, await damaged.json()]).toEqual([409, { error: expect.stringContaining("not valid JSON") }]);
  });

  test("a run's own folder is a list of one", async () => {
    const path = await makeRun("single", lines(0, 2));
    const one = await startStudio({ folder: path, ports: [0], page });
    expect(await (await fetch(`${one.url}api/runs`)).json()).toMatchObject([{ folder: "single", step: 2 }]);
    await one.close();
  });
});

describe("what lies outside", () => {
  test.each([
    "/api/runs/..",
    "/api/runs/%2e%2e",
    "/api/runs/..%2fsecret",
    "/api/runs/..%5csecret",
    "/api/runs/old%2f..%2fold",
    "/api/runs/old/../../secret",
    "/api/runs//etc",
    "/api/runs/%2fetc%2fpasswd",
    "/api/runs/old%00",
    "/api/runs/%",
    "/api/runs/%ff",
    "/api/runs/.hidden",
    "/api/runs/photos",
    "/api/runs/__proto__",
    "/api/runs/",
    "/api/runs/old/",
    "/api/runs/old/curves/",
    "/api/runs/old/config.json",
    `/api/runs/${"x".repeat(300)}`,
    "/api/nothing",
    "/api/",
    "/../secret",
    "/%2e%2e/secret",
    "/..%2fsecret",
    "/assets/..%2f..%2f..%2fsecret",
    "//secret",
    "/nothing",
    "/index%00.html",
    "/%",
  ])("there is nothing under %s", async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: ${new URL(studio.url).host}`);
    expect(statusOf(answer)).toBe(404);
    expect(answer.split("\r\n\r\n")[1]).not.toContain("secret");
  });

  test("a name too long for a header is refused, and the server keeps running", async () => {
    const answer = await raw(`GET /api/runs/${"x".repeat(20_000)} HTTP/1.1\r\nHost: ${new URL(studio.url).host}`);
    expect(statusOf(answer)).toBe(431);
    expect((await get("/api/info")).status).toBe(200);
  });

  // On Windows only administrators may make links.
  test.skipIf(process.platform === "win32")(
    "links that lead out of the folder are not followed, nor pipes read",
    async () => {
      const outside = join(root, "outside");
      await mkdir(outside);
      await writeFile(join(outside, "config.json"), config("2026-01-02T03:04:05.000Z"));
      await writeFile(join(outside, "metrics.jsonl"), lines(0, 1));
      await symlink(outside, join(runs, "linked-folder"));
      const linked = await makeRun("linked-file", "");
      await rm(join(linked, "metrics.jsonl"));
      await symlink(join(outside, "metrics.jsonl"), join(linked, "metrics.jsonl"));
      const dangling = await makeRun("dangling", "");
      await rm(join(dangling, "metrics.jsonl"));
      await symlink(join(runs, "gone"), join(dangling, "metrics.jsonl"));
      const pipe = await makeRun("pipe", "");
      await rm(join(pipe, "metrics.jsonl"));
      execFileSync("mkfifo", [join(pipe, "metrics.jsonl")]);
      const inside = await makeRun("inside", "");
      await rm(join(inside, "metrics.jsonl"));
      await symlink(join("..", "old", "metrics.jsonl"), join(inside, "metrics.jsonl"));

      expect(await names()).not.toContain("linked-folder");
      const circle = await makeRun("circle", "");
      await rm(join(circle, "metrics.jsonl"));
      await symlink("metrics.jsonl", join(circle, "metrics.jsonl"));
      const reasons = {
        "linked-file": "a link that leads out of",
        dangling: "a link to something that does not exist",
        circle: "lead in a circle",
      };
      for (const [name, reason] of Object.entries(reasons)) {
        const summary = { status: "unreadable", reason: expect.stringContaining(reason) };
        expect(await json(`/api/runs/${name}`)).toMatchObject({ summary });
        expect((await get(`/api/runs/${name}/curves`)).status).toBe(409);
      }
      const summary = { status: "unreadable", reason: expect.stringContaining("is a device") };
      expect(await json("/api/runs/pipe")).toMatchObject({ summary });
      expect(await json("/api/runs/inside")).toMatchObject({ summary: { status: "cut off", step: 2 } });
    },
  );
});

describe("who may ask", () => {
  const port = () => new URL(studio.url).port;
  const ask = async (headers: string) => statusOf(await raw(`GET /api/info HTTP/1.1\r\n${headers}`));

  test("only by its own names: another name may lead here by a trick (DNS rebinding)", async () => {
    for (const host of ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
      expect(await ask(`Host: ${host}:${port()}`)).toBe(200);
    for (const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "192.168.0.1",
      "a@localhost",
    ])
      expect(await ask(`Host: ${host}:${port()}`)).toBe(403);
    for (const host of ["localhost", "localhost:1", "", `localhost:${port()}:${port()}`])
      expect(await ask(`Host: ${host}`)).toBe(403);
    expect(statusOf(await raw("GET /api/info HTTP/1.0"))).toBe(403);
    expect(statusOf(await raw("GET /api/info HTTP/1.1"))).toBe(400);
    expect(statusOf(await raw(`GET http://localhost/api/info HTTP/1.1\r\nHost: localhost:${port()}`))).toBe(400);
    expect(statusOf(await raw(`GET / HTTP/1.1\r\nHost: evil.example:${port()}`))).toBe(403);
  });

  test("of the API only its own page", async () => {
    const host = `Host: localhost:${port()}`;
    expect(await ask(`${host}\r\nOrigin: http://localhost:${port()}\r\nSec-Fetch-Site: same-origin`)).toBe(200);
    expect(await ask(`${host}\r\nSec-Fetch-Site: none`)).toBe(200);
    for (const site of ["cross-site", "same-site", "anything"])
      expect(await ask(`${host}\r\nSec-Fetch-Site: ${site}`)).toBe(403);
    for (const origin of ["http://evil.example", "null", `http://127.0.0.1:${port()}`, `https://localhost:${port()}`])
      expect(await ask(`${host}\r\nOrigin: ${origin}`)).toBe(403);
    expect(await raw(`GET /api/events HTTP/1.1\r\n${host}\r\nSec-Fetch-Site: cross-site`)).toMatch(/^HTTP\/1.1 403/);
    const answer = await get("/api/info");
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("nothing can be changed", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
      for (const path of ["/", "/api/runs", "/api/runs/old"]) {
        const answer = await get(path, { method });
        expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      }
    for (const path of ["/", "/api/runs", "/api/runs/old/curves", "/api/events"]) {
      const answer = await get(path, { method: "HEAD" });
      expect([answer.status, await answer.text()]).toEqual([200, ""]);
    }
  });

  test("from other machines only with the token", async () => {
    const open = await startStudio({ folder: runs, ports: [0], page, host: "0.0.0.0" });
    const { port, searchParams } = new URL(open.url);
    const token = searchParams.get("token") ?? "";
    expect(token).toMatch(/^[\w-]{32}$/);
    const base = `http://127.0.0.1:${port}`;
    const ask = (path: string, cookie = "") => fetch(base + path, { redirect: "manual", headers: { cookie } });
    for (const path of ["/", "/assets/index-abc.js", "/api/runs", "/api/events", "/?token=", `/?token=${token}x`]) {
      const answer = await ask(path);
      expect([answer.status, await answer.text()]).toEqual([401, expect.stringContaining("llm-ts studio")]);
    }
    const entered = await ask(`//evil.example/?token=${token}`);
    expect([entered.status, await entered.text()]).toEqual([200, expect.stringContaining('content="0; url=/"')]);
    const cookie = entered.headers.get("set-cookie") ?? "";
    expect(cookie).toBe(`llm-ts-studio-${port}=${token}; HttpOnly; SameSite=Strict; Path=/`);
    expect((await ask("/", `other=1; llm-ts-studio-${port}=${token}`)).status).toBe(200);
    expect((await ask("/api/runs", `llm-ts-studio-${port}=${token}`)).status).toBe(200);
    expect((await ask("/api/runs", `llm-ts-studio-${port}=${token}x`)).status).toBe(401);
    expect((await ask("/api/runs", `llm-ts-studio-1=${token}`)).status).toBe(401);
    // Every number is one of its own, no other name is.
    const at = { hostname: "127.0.0.1", port } as URL;
    expect(statusOf(await raw(`GET / HTTP/1.1\r\nHost: 192.168.0.1:${port}`, at))).toBe(401);
    expect(statusOf(await raw(`GET / HTTP/1.1\r\nHost: evil.example:${port}`, at))).toBe(403);
    await open.close();
  });
});

describe("the page", () => {
  test("is isolated, loads nothing from elsewhere, and is kept as long as it holds", async () => {
    const index = await get("/");
    expect(await index.text()).toContain("<title>studio</title>");
    for (const { headers } of [index, await get("/api/runs"), await get("/nothing"), await get("/", { method: "PUT" })])
      expect(Object.fromEntries(headers)).toMatchObject({
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": expect.stringMatching(/^default-src 'none'; .*frame-ancestors 'none'$/),
      });
    expect(index.headers.get("cache-control")).toBe("no-cache");
    const etag = index.headers.get("etag") ?? "";
    expect((await get("/", { headers: { "If-None-Match": etag } })).status).toBe(304);
    const asset = await get("/assets/index-abc.js", { headers: { Range: "bytes=9-3" } });
    expect([asset.status, asset.headers.get("cache-control")]).toEqual([200, "public,max-age=31536000,immutable"]);
    expect(asset.headers.get("content-type")).toMatch("javascript");
  });

  test("lets the worker of exercises evaluate code, and reach nothing", async () => {
    const folder = join(root, "exercises");
    await mkdir(join(folder, "assets"), { recursive: true });
    await writeFile(join(folder, "index.html"), "");
    for (const name of ["exercise-worker-1a_B-.js", "lesson-worker-1.js"])
      await writeFile(join(folder, "assets", name), "export {};");
    const one = await startStudio({ folder: runs, ports: [0], page: folder });
    const policyOf = async (name: string) =>
      (await fetch(`${one.url}assets/${name}`)).headers.get("content-security-policy");
    expect(await policyOf("exercise-worker-1a_B-.js")).toBe("default-src 'none'; script-src 'self' 'unsafe-eval'");
    expect(await policyOf("lesson-worker-1.js")).toContain("script-src 'self' 'wasm-unsafe-eval';");
    await one.close();
  });

  test("is what it was when the studio began, whatever becomes of its files", async () => {
    const folder = join(root, "swapped");
    await mkdir(join(folder, "assets"), { recursive: true });
    await writeFile(join(folder, "index.html"), "<!doctype html><title>first</title>");
    await writeFile(join(folder, "assets", "index-1.js"), "export {};");
    const one = await startStudio({ folder: runs, ports: [0], page: folder });
    await rm(folder, { recursive: true });
    expect(await (await fetch(one.url)).text()).toContain("first");
    expect((await fetch(`${one.url}assets/index-1.js`)).status).toBe(200);
    await one.close();
  });

  test("must have been built", async () => {
    await expect(startStudio({ folder: runs, ports: [0], page: root })).rejects.toThrow(/is not built.*npm run build/);
  });
});

describe("ports", () => {
  const taken = () => Number(new URL(studio.url).port);

  test("the next free one is taken, where one may choose", async () => {
    const other = await startStudio({ folder: runs, ports: [taken(), 0], page });
    expect(Number(new URL(other.url).port)).not.toBe(taken());
    await other.close();
    await expect(startStudio({ folder: runs, ports: [taken()], page })).rejects.toThrow(/^Port \d+ is taken.*--port/);
  });

  test("an address that is not this machine's is refused", async () => {
    const start = startStudio({ folder: runs, ports: [0], page, host: "203.0.113.1" });
    await expect(start).rejects.toThrow(InputError);
    await expect(start).rejects.toThrow(/no such address/);
  });
});

describe("events", () => {
  test("tell of new runs, new lines, new files and how a run stands", async () => {
    const events = eventsOf();
    const first = await nextOf(events, () => true);
    expect([first.event, first.data]).toEqual(["runs", await json("/api/runs")]);

    const path = await makeRun("live", lines(0, 2));
    await look();
    await nextOf(events, ({ event, data }) => event === "runs" && JSON.stringify(data).includes('"live"'));
    const log = join(path, "metrics.jsonl");
    // A line is sent once it is complete.
    const [line, end] = [lines(2, 3), lines(0, 2).length];
    await appendFile(log, line.slice(0, 20));
    await appendFile(log, line.slice(20));
    await look();
    const isLive = ({ event, data }: { event: string; data: unknown }) => {
      return event === "lines" && typeof data === "object" && JSON.stringify(data).includes(`"from":${end}`);
    };
    const { data } = await nextOf(events, isLive);
    expect(data).toEqual({ name: "live", from: end, to: end + line.length, lines: [line.trimEnd()] });

    const lock = await platform.lockFile(join(path, "run.lock"));
    await look();
    await nextOf(events, ({ event, data }) => event === "runs" && JSON.stringify(data).includes('"running"'));
    await lock.release();
    await look();
    await nextOf(events, ({ event, data }) => event === "runs" && !JSON.stringify(data).includes('"running"'));

    const isReset = ({ event, data }: { event: string; data: unknown }) => {
      return event === "reset" && JSON.stringify(data) === '{"name":"live"}';
    };
    // Shorter; another file under the name; much at once.
    await writeFile(log, lines(0, 1));
    await look();
    await nextOf(events, isReset);
    await writeFile(`${log}.tmp`, lines(0, 4));
    await rename(`${log}.tmp`, log);
    await look();
    await nextOf(events, isReset);
    await appendFile(log, lines(4, 5000));
    await look();
    await nextOf(events, isReset);
    expect(await json("/api/runs/live")).toMatchObject({ summary: { step: 5000 } });

    await rm(path, { recursive: true });
    await look();
    await nextOf(events, ({ event, data }) => event === "runs" && !JSON.stringify(data).includes('"live"'));
    await events.return();
  });

  test("come from a folder that was not there when it began", async () => {
    const folder = join(root, "later");
    const later = await startStudio({ folder, ports: [0], page });
    const events = eventsOf(later.url);
    expect((await nextOf(events, () => true)).data).toEqual([]);
    await mkdir(join(folder, "a"), { recursive: true });
    await writeFile(join(folder, "a", "main.log"), "s:0 trl:5.0000 lr:0.001000 norm:1.00\n");
    const { data } = await nextOf(events, ({ event }) => event === "lines");
    expect(data).toMatchObject({ name: "a", from: 0, to: 37 });
    await rm(folder, { recursive: true });
    await nextOf(events, ({ event, data }) => event === "runs" && JSON.stringify(data) === "[]");
    await later.close();
  });

  test("a page that takes nothing is dropped before much piles up", async () => {
    const folder = join(root, "many");
    for (let run = 0; run < 8; run++) await mkdir(join(folder, `${run}`), { recursive: true });
    const watch = new Watch(folder);
    // Without a socket, all that is written waits.
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    await watch.add(response);
    for (let run = 0; run < 8; run++) await writeFile(join(folder, `${run}`, "main.log"), `${"x".repeat(249_999)}\n`);
    while (watch.listeners > 0) await wait(1);
    expect(response.destroyed).toBe(true);
    // A megabyte, and the piece by which that was passed.
    expect(response.writableLength).toBeLessThan(1.5e6);
  });

  test("pages that come and go leave nothing behind; too many at once are refused", async () => {
    const one = await startStudio({ folder: runs, ports: [0], page });
    for (let round = 0; round < 30; round++) {
      const controllers = Array.from({ length: 20 }, () => new AbortController());
      await Promise.all(controllers.map(({ signal }) => eventsOf(one.url, signal).next()));
      expect(one.listeners).toBe(20);
      for (const controller of controllers) controller.abort();
      while (one.listeners > 0) await wait(1);
    }
    const all = new AbortController();
    await Promise.all(Array.from({ length: 200 }, () => eventsOf(one.url, all.signal).next()));
    const refused = await fetch(`${one.url}api/events`);
    expect([refused.status, await refused.json()]).toEqual([503, { error: expect.stringContaining("Too many") }]);
    await one.close();
    while (one.listeners > 0) await wait(1);
  });
});
