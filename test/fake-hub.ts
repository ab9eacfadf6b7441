/** A hub on this machine that answers as huggingface.co does, with a second server for the large files, and with faults. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

/** Fault in one answer. */
export type Fault =
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection ends, or falls silent, after so many bytes. */
  | { readonly kind: "drop" | "stall"; readonly after: number }
  /** The whole file instead of the requested range. */
  | { readonly kind: "ignore range" }
  /** So many bytes fewer (or more, below 0), in header and body. */
  | { readonly kind: "shorter"; readonly by: number }
  /** One changed byte. */
  | { readonly kind: "corrupt" }
  /** Another range than requested. */
  | { readonly kind: "other part" }
  /** This many bytes at a time, with a pause after each. */
  | { readonly kind: "slow"; readonly bytes: number; readonly pauseMs: number };

export interface Asked {
  readonly host: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Files of at least this size are kept as the hub keeps large files: elsewhere, under their sha256. */
const largeFrom = 512;

export class FakeHub {
  readonly commit = "0123456789abcdef0123456789abcdef01234567";
  /** Files by "USER/REPO/path", those of data sets by "datasets/USER/REPO/path". */
  readonly files = new Map<string, Buffer>();
  /** All requests, the oldest first. */
  readonly asked: Asked[] = [];
  /** Returns the fault of each answer. */
  fault: (asked: Asked) => Fault | undefined = () => undefined;
  #hub = createServer((request, response) => this.#answer("hub", request, response));
  #cdn = createServer((request, response) => this.#answer("cdn", request, response));

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    await Promise.all(
      [hub.#hub, hub.#cdn].map((server) => new Promise<void>((done) => server.listen(0, "127.0.0.1", done))),
    );
    return hub;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  get cdn(): string {
    return addressOf(this.#cdn);
  }

  add(repository: string, files: Readonly<Record<string, Uint8Array | string>>): void {
    for (const [path, content] of Object.entries(files)) this.files.set(`${repository}/${path}`, Buffer.from(content));
  }

  /** Start offsets of all downloads of a file so far. */
  downloads(path: string): (string | undefined)[] {
    return this.asked.filter((asked) => asked.method === "GET" && asked.path.endsWith(path)).map(({ range }) => range);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  async #answer(host: Asked["host"], request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", headers, url = "" } = request;
    const { pathname } = new URL(url, this.endpoint);
    const { range, authorization } = headers;
    const asked: Asked = { host, method, path: decodeURIComponent(pathname), range, authorization };
    this.asked.push(asked);
    const fault = this.fault(asked);
    if (fault?.kind === "status") return void response.writeHead(fault.status, fault.headers).end();
    if (host === "cdn") return this.#send(asked, asked.path.slice(1), response, fault);
    const listing = /^\/api\/(?:models|(datasets\b))\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(asked.path);
    if (listing) return this.#list(`${listing[1] ? "datasets/" : ""}${listing[2]}`, listing[3], response);
    const [, repository = "", revision = "", path = ""] =
      /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(asked.path) ?? [];
    const content = this.files.get(`${repository}/${path}`);
    if (!content || revision !== this.commit) return refuse(response, 404, "EntryNotFound");
    const common = { "x-repo-commit": this.commit, "accept-ranges": "bytes" };
    if (content.length >= largeFrom) {
      const location = `${this.cdn}/${repository}/${path}?signature=secret`;
      const linked = { "x-linked-size": content.length, "x-linked-etag": `"${sha256(content)}"` };
      return void response.writeHead(302, { ...common, ...linked, etag: '"xet"', location }).end();
    }
    for (const [name, value] of Object.entries({ ...common, etag: `"${gitHash(content)}"` }))
      response.setHeader(name, value);
    return this.#send(asked, `${repository}/${path}`, response, fault);
  }

  #list(repository: string, revision: string, response: ServerResponse): void {
    const names = [...this.files.keys()].filter((name) => name.startsWith(`${repository}/`));
    const siblings = names.map((name) => ({ rfilename: name.slice(repository.length + 1) }));
    if (names.length === 0) refuse(response, 401, "RepoNotFound");
    else if (revision !== "main" && revision !== this.commit) refuse(response, 404, "RevisionNotFound");
    else response.setHeader("content-type", "application/json").end(JSON.stringify({ sha: this.commit, siblings }));
  }

  async #send({ method, range }: Asked, name: string, response: ServerResponse, fault?: Fault): Promise<void> {
    let content = this.files.get(name);
    if (!content) return refuse(response, 404, "EntryNotFound");
    if (fault?.kind === "shorter")
      content = fault.by > 0 ? content.subarray(0, -fault.by) : Buffer.concat([content, Buffer.alloc(-fault.by)]);
    if (fault?.kind === "corrupt") content = Buffer.from(content.map((byte, i) => (i === 3 ? byte ^ 1 : byte)));
    let start = fault?.kind === "ignore range" ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    if (start > 0 && start >= content.length)
      return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    if (fault?.kind === "other part") start = Math.max(1, start - 1);
    if (start > 0) {
      response.statusCode = 206;
      response.setHeader("content-range", `bytes ${start}-${content.length - 1}/${content.length}`);
    }
    const body = content.subarray(start);
    response.setHeader("content-length", body.length);
    if (method === "HEAD") return void response.end();
    if (fault?.kind === "slow") return trickle(response, body, fault.bytes, fault.pauseMs);
    if (fault?.kind !== "drop" && fault?.kind !== "stall") return void response.end(body);
    await new Promise((done) => response.write(body.subarray(0, fault.after), done));
    // Data already written is sent before the connection ends.
    if (fault.kind === "drop") setTimeout(() => response.destroy(), 5);
  }
}

async function trickle(response: ServerResponse, body: Buffer, bytes: number, pauseMs: number): Promise<void> {
  for (let start = 0; start < body.length && !response.destroyed; start += bytes) {
    response.write(body.subarray(start, start + bytes));
    await wait(pauseMs);
  }
  response.end();
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "x-error-code": code }).end();
}

function addressOf(server: Server): string {
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

export function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function gitHash(content: Uint8Array): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}
