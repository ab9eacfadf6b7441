import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Asked, FakeHub, type Fault, gitHash, sha256 } from "../../test/fake-hub.ts";
import { DownloadError, InputError, UsageError } from "../errors.ts";
import { HubClient } from "./client.ts";
import { downloadFile } from "./download.ts";
import { checkRevision, describeFile, listFiles, repositoryOf } from "./repository.ts";
import { hubSettings } from "./settings.ts";
import { cachedSnapshot, fetchSnapshot, planSnapshot } from "./snapshot.ts";

const repository = "someone/model";
/** Large: it is fetched from the second server, and verified by sha256. */
const weights = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * i) >> 3));
const etag = sha256(weights);

let hub: FakeHub;
let home = "";
let client: HubClient;
let retries: string[];

beforeEach(async () => {
  hub = await FakeHub.start();
  hub.add(repository, { "config.json": "{}", "model.safetensors": weights });
  home = mkdtempSync(join(tmpdir(), "llm-ts-hub-"));
  retries = [];
  client = await clientFor({});
});
afterEach(async () => {
  await client.close();
  await hub.stop();
  rmSync(home, { recursive: true, force: true });
});

async function clientFor(env: Record<string, string>): Promise<HubClient> {
  const settings = await hubSettings({
    HF_HOME: home,
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_DOWNLOAD_TIMEOUT: "0.3",
    ...env,
  });
  return new HubClient({ ...settings, retryMs: 1, attempts: 3 }, (message) => retries.push(message));
}

async function download(path = "model.safetensors"): Promise<string> {
  return downloadFile(client, await describeFile(client, repository, hub.commit, path));
}

const blobs = () => join(home, "hub", "models--someone--model", "blobs");

/** Gives the faults to the downloads of the weights, one each, then none. */
function failWith(...faults: (Fault | undefined)[]): void {
  hub.fault = ({ host, method }: Asked) => (host === "cdn" && method === "GET" ? faults.shift() : undefined);
}

test("lays a snapshot out as huggingface_hub does", async () => {
  const plan = await planSnapshot(client, repository, "main");
  expect(plan.files.map(({ path, size, cached }) => [path, size, cached])).toEqual([
    ["config.json", 2, false],
    ["model.safetensors", weights.length, false],
  ]);
  expect(await cachedSnapshot(client.settings.cache, repository, "main")).toBeUndefined();
  await fetchSnapshot(client, plan);
  const folder = join(home, "hub", "models--someone--model");
  expect(readdirSync(folder, { recursive: true }).sort()).toEqual(
    [
      "blobs",
      `blobs/${gitHash(Buffer.from("{}"))}`,
      `blobs/${etag}`,
      "refs",
      "refs/main",
      "snapshots",
      `snapshots/${hub.commit}`,
      `snapshots/${hub.commit}/config.json`,
      `snapshots/${hub.commit}/model.safetensors`,
    ].sort(),
  );
  expect(readFileSync(join(folder, "refs", "main"), "utf8")).toBe(hub.commit);
  expect(readFileSync(join(plan.folder, "model.safetensors")).equals(weights)).toBe(true);
  expect(await cachedSnapshot(client.settings.cache, repository, "main")).toBe(plan.folder);

  const before = hub.asked.length;
  const again = await planSnapshot(client, repository, "main");
  expect(again.files.every(({ cached }) => cached)).toBe(true);
  await fetchSnapshot(client, again);
  expect(hub.asked.slice(before).filter(({ method, path }) => method === "GET" && !path.startsWith("/api"))).toEqual(
    [],
  );
});

test("resumes where a connection broke off or stalled", async () => {
  failWith({ kind: "drop", after: 6000 }, { kind: "stall", after: 5000 }, { kind: "drop", after: 0 });
  expect(readFileSync(await download()).equals(weights)).toBe(true);
  expect(hub.downloads("/someone/model/model.safetensors")).toEqual([
    undefined,
    "bytes=6000-",
    "bytes=11000-",
    "bytes=11000-",
  ]);
  expect(retries).toHaveLength(3);
  expect(retries[1]).toContain("does not answer");
});

const passing: [string, ...(Fault | undefined)[]][] = [
  ["503", { kind: "status", status: 503 }],
  ["429 with a pause", { kind: "status", status: 429, headers: { "retry-after": "0" } }],
  ["403 where the hub leads to: the signature is old", { kind: "status", status: 403 }],
  ["ranges are ignored", { kind: "drop", after: 6000 }, { kind: "ignore range" }],
  ["ranges are ignored, and the connection breaks off", { kind: "drop", after: 6000 }, { kind: "drop", after: 9000 }],
  ["another part", { kind: "drop", after: 6000 }, { kind: "other part" }],
  ["416", { kind: "drop", after: 6000 }, { kind: "status", status: 416 }],
  ["too short once", { kind: "shorter", by: 100 }],
  ["too long once", { kind: "shorter", by: -100 }],
  ["damaged once", { kind: "corrupt" }],
  ["damaged in its first part", { kind: "corrupt" }, { kind: "drop", after: 6000 }],
];

test.each(passing)("survives: %s", async (_, ...faults) => {
  failWith(...faults);
  const path = await download();
  expect(readFileSync(path).equals(weights)).toBe(true);
  expect(readdirSync(blobs())).toEqual([etag]);
});

const lasting: [string, Fault, RegExp][] = [
  ["500", { kind: "status", status: 500 }, /127\.0\.0\.1:\d+ answers 500 for model\.safetensors/],
  ["too short", { kind: "shorter", by: 100 }, /sends of model\.safetensors 19900 bytes, not the 20000/],
  ["too long", { kind: "shorter", by: -100 }, /20100 bytes, not the 20000/],
  ["damaged", { kind: "corrupt" }, /arrived damaged twice: its hash is [0-9a-f]{64}, expected [0-9a-f]{64}/],
  ["never a byte", { kind: "drop", after: 0 }, /broke off/],
  ["silence", { kind: "stall", after: 0 }, /does not answer/],
];

test.each(lasting)("ends with an error and no file: %s", async (_, fault, message) => {
  hub.fault = ({ host, method }) => (host === "cdn" && method === "GET" ? fault : undefined);
  const error = await download().catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DownloadError);
  expect(String(error)).toMatch(message);
  // The address is signed: who sees it may download.
  expect(String(error) + retries).not.toContain("secret");
  expect(readdirSync(blobs())).toEqual([]);
  // Nothing remains that would block the next attempt.
  hub.fault = () => undefined;
  expect(readFileSync(await download()).equals(weights)).toBe(true);
});

test("a compressed answer is refused at once: trying again would not help", async () => {
  hub.fault = ({ host, method }) =>
    host === "cdn" && method === "GET"
      ? { kind: "status", status: 200, headers: { "content-encoding": "gzip" } }
      : undefined;
  await expect(download()).rejects.toThrow(
    /127\.0\.0\.1:\d+ sends model\.safetensors of .* compressed \(gzip\), which llm-ts did not ask for\. .*a proxy/,
  );
  expect(retries).toEqual([]);
  expect(readdirSync(blobs())).toEqual([]);
});

test("verifies small files by git's hash", async () => {
  hub.fault = ({ method, path }) => (method === "GET" && path.endsWith("long.json") ? { kind: "corrupt" } : undefined);
  hub.add(repository, { "long.json": `"${"x".repeat(200)}"` });
  await expect(download("long.json")).rejects.toThrow(/arrived damaged twice: its hash is [0-9a-f]{40}/);
  hub.fault = () => undefined;
  expect(readFileSync(await download("long.json"), "utf8")).toHaveLength(202);
});

test("a server that asks for too long a pause is not waited for", async () => {
  failWith({ kind: "status", status: 429, headers: { "retry-after": "100000" } });
  await expect(download()).rejects.toThrow(/too many requests.*a pause of 100000 s/);
});

test("resumes a partial file of huggingface_hub, and discards one that is too long", async () => {
  await download("config.json");
  const left = join(blobs(), `${etag}.incomplete`);
  const leave = (bytes: Uint8Array) => {
    writeFileSync(left, bytes);
    // A recently written file would be watched for a while.
    utimesSync(left, 0, 0);
  };
  leave(weights.subarray(0, 7000));
  await download();
  expect(hub.downloads("/someone/model/model.safetensors")).toEqual(["bytes=7000-"]);
  rmSync(join(blobs(), etag));
  leave(Buffer.alloc(weights.length + 1));
  expect(readFileSync(await download()).equals(weights)).toBe(true);
});

test("the token goes to the endpoint alone", async () => {
  await client.close();
  client = await clientFor({ HF_TOKEN: "hf_secret" });
  await listFiles(client, repository, "main");
  await download();
  const sent = (host: string) =>
    new Set(hub.asked.filter((asked) => asked.host === host).map((asked) => asked.authorization));
  expect(sent("hub")).toEqual(new Set(["Bearer hf_secret"]));
  expect(sent("cdn")).toEqual(new Set([undefined]));
});

describe("refusals say what to do", () => {
  const cases: [string, number, Record<string, string>, typeof DownloadError | typeof InputError, RegExp][] = [
    ["gated", 403, { "x-error-code": "GatedRepo" }, DownloadError, /Accept their terms on http/],
    [
      "gated, without a token",
      401,
      { "x-error-code": "GatedRepo" },
      DownloadError,
      /token of your account into HF_TOKEN/,
    ],
    [
      "missing or private",
      401,
      { "x-error-code": "RepoNotFound" },
      InputError,
      /has no such repository, or it is private/,
    ],
    ["missing", 404, { "x-error-code": "RepoNotFound" }, InputError, /has no such repository/],
    ["a revision", 404, { "x-error-code": "RevisionNotFound" }, InputError, /no such revision/],
    ["a file", 404, { "x-error-code": "EntryNotFound" }, InputError, /has no such file/],
    ["forbidden", 403, {}, DownloadError, /forbids it/],
    ["the token", 401, {}, DownloadError, /does not accept the token/],
    ["nonsense", 418, {}, DownloadError, /answers 418/],
  ];
  test.each(cases)("%s", async (name, status, headers, kind, message) => {
    await client.close();
    client = await clientFor(name === "the token" ? { HF_TOKEN: "hf_secret" } : {});
    hub.fault = () => ({ kind: "status", status, headers });
    const error = await listFiles(client, repository, "main").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(kind);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain("hf_secret");
    expect(hub.asked).toHaveLength(1);
  });
});

test("no network is a temporary error that names the host", async () => {
  const dead = await FakeHub.start();
  await dead.stop();
  await client.close();
  client = await clientFor({ HF_ENDPOINT: "http://127.0.0.1:9" });
  await expect(listFiles(client, repository, "main")).rejects.toThrow(/127\.0\.0\.1:9 broke off.*2 attempts/s);
});

test("a server that is not a hub is recognised", async () => {
  const page = createServer((_, response) => response.end("<html>Please log in</html>"));
  await new Promise<void>((done) => page.listen(0, "127.0.0.1", done));
  const address = page.address();
  await client.close();
  client = await clientFor({ HF_ENDPOINT: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` });
  await expect(listFiles(client, repository, "main")).rejects.toThrow(/does not answer as a Hugging Face hub does/);
  page.closeAllConnections();
  page.close();
});

test("goes through the proxy that the environment names, but not to hosts that it excepts", async () => {
  const tunnels: (string | undefined)[] = [];
  const proxy = createServer().on("connect", (request, socket) => {
    tunnels.push(request.url);
    socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  const address = proxy.address();
  const before = { ...process.env };
  process.env.HTTPS_PROXY = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  process.env.NO_PROXY = "127.0.0.1";
  try {
    await client.close();
    client = await clientFor({ HF_ENDPOINT: "https://hub.example" });
    await expect(listFiles(client, repository, "main")).rejects.toThrow(DownloadError);
    expect(new Set(tunnels)).toEqual(new Set(["hub.example:443"]));
    await client.close();
    client = await clientFor({});
    expect((await listFiles(client, repository, "main")).commit).toBe(hub.commit);
  } finally {
    process.env = before;
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("says why a repository is of no use", async () => {
  hub.add("someone/pickled", { "config.json": "{}", "pytorch_model.bin": "" });
  await expect(planSnapshot(client, "someone/pickled", "main")).rejects.toThrow(/only pytorch_model\.bin.*--revision/s);
  hub.add("someone/data", { "data.csv": "" });
  await expect(planSnapshot(client, "someone/data", "main")).rejects.toThrow(/no config\.json/);
  hub.add("someone/half", {
    "config.json": "{}",
    "model.safetensors.index.json": "{}",
    "model-00001-of-00002.safetensors": "",
  });
  await expect(planSnapshot(client, "someone/half", "main")).rejects.toThrow(/no model\.safetensors/);
});

test("names that can be no model or revision are refused at once", () => {
  expect(repositoryOf("gpt2")).toBe("openai-community/gpt2");
  expect(repositoryOf("some-one/model_1.0")).toBe("some-one/model_1.0");
  for (const name of ["", "nobody", "../etc", "a/b/c", "a/..", "a/.b", "https://x/y", "a/b?c", "a/b--c"])
    expect(() => repositoryOf(name), name).toThrow(UsageError);
  expect(checkRevision("refs/pr/12")).toBe("refs/pr/12");
  for (const revision of ["", "..", "a/../b", "/a", "a b", "a/"])
    expect(() => checkRevision(revision), revision).toThrow(UsageError);
});

test("reads Hugging Face's own settings", async () => {
  writeFileSync(join(home, "token"), "hf_file\n");
  expect((await hubSettings({ HF_HOME: home })).token).toBe("hf_file");
  expect((await hubSettings({ HF_HOME: home, HF_TOKEN: "hf_env" })).token).toBe("hf_env");
  const settings = await hubSettings({ HF_HOME: "/a", HF_HUB_CACHE: "/b", HF_HUB_OFFLINE: "1" });
  expect([settings.cache, settings.offline, settings.endpoint.href]).toEqual(["/b", true, "https://huggingface.co/"]);
  await expect(hubSettings({ HF_ENDPOINT: "huggingface" })).rejects.toThrow(UsageError);
  await expect(hubSettings({ HF_HUB_DOWNLOAD_TIMEOUT: "soon" })).rejects.toThrow(UsageError);
  const error = await hubSettings({ HF_TOKEN: "hf_\u0000x" }).catch(String);
  expect(error).toMatch(/holds characters/);
  expect(error).not.toContain("hf_");
});
