import type { ServerResponse } from "node:http";
import { encodeColumns, readColumns, readDetails } from "../runs/columns.ts";
import type { Watch } from "./watch.ts";

/**
 * Headers of every answer. The first two isolate the page, so that its workers may share memory; the policy forbids to
 * load anything from elsewhere, and to frame the page.
 */
const securityHeaders = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self' data: blob:; worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'",
};

export function secure(response: ServerResponse): void {
  for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
}

/**
 * The policy of the worker that runs readers' exercises: it may evaluate code, which no other file may, and reach nothing but
 * the scripts of the page.
 */
export const exercisePolicy = "default-src 'none'; script-src 'self' 'unsafe-eval'";

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

export function sendError(response: ServerResponse, status: number, error: string): void {
  sendJson(response, { error }, status);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" })
    .end(`${text}\n`);
}

/** Answers a request about runs; `path`: the part behind /api/. */
export async function answerApi(path: string, watch: Watch, version: string, response: ServerResponse): Promise<void> {
  const { runs } = watch;
  response.setHeader("Cache-Control", "no-store");
  if (path === "info") return sendJson(response, { version, folder: runs.folder, platform: process.platform });
  if (path === "events") return answerEvents(watch, response);
  await watch.refresh();
  if (path === "runs") return sendJson(response, runs.summaries);
  const [, encoded = "", part] = /^runs\/([^/]+)(\/curves)?$/.exec(path) ?? [];
  const run = runs.find(decoded(encoded));
  if (!run) return sendError(response, 404, `There is no run of this name in ${runs.folder}.`);
  if (part === undefined && run.summary.status === "unreadable")
    return sendJson(response, { summary: run.summary, samples: [], broken: 0 });
  if (run.summary.status === "unreadable") return sendError(response, 409, run.summary.reason ?? "It is unreadable.");
  if (part === undefined) return sendJson(response, { summary: run.summary, ...(await readDetails(run.path)) });
  response.setHeader("Content-Type", "application/octet-stream");
  response.end(new Uint8Array(encodeColumns(await readColumns(run.path))));
}

async function answerEvents(watch: Watch, response: ServerResponse): Promise<void> {
  response.setHeader("Content-Type", "text/event-stream");
  if (response.req.method === "HEAD") response.end();
  else if (!(await watch.add(response))) sendError(response, 503, "Too many pages listen. Close some of them.");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
