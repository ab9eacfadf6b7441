import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface ServerOptions {
  /** The folder to serve. */
  readonly root: string;
  /** The headers that let a page share memory with its workers. */
  readonly isolated: boolean;
  /** HTML served under a path without being a file. */
  readonly pages?: Readonly<Record<string, string>>;
}

export interface TestServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a folder's files on this machine, whole or in ranges. */
export async function startServer({ root, isolated, pages = {} }: ServerOptions): Promise<TestServer> {
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    answer(root, pages, request, response).catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function answer(
  root: string,
  pages: Readonly<Record<string, string>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pathname = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
  const page = pages[pathname];
  if (page !== undefined) {
    response.writeHead(200, { "Content-Type": types[".html"] }).end(page);
    return;
  }
  const path = join(root, normalize(pathname));
  const { size } = await stat(path);
  response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (!range) {
    response.writeHead(200, { "Content-Length": size });
    createReadStream(path).pipe(response);
    return;
  }
  const start = Number(range[1]);
  const end = Math.min(Number(range[2]), size - 1);
  if (start > end) {
    response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
    return;
  }
  response.writeHead(206, { "Content-Range": `bytes ${start}-${end}/${size}`, "Content-Length": end - start + 1 });
  createReadStream(path, { start, end }).pipe(response);
}
