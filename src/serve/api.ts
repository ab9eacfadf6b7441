import type { ServerResponse } from "node:http";
import { encodeColumns, readColumns, readDetails } from "../runs/read-columns.ts";
import { sendError, sendJson } from "./answers.ts";
import type { Watch } from "./watch.ts";

/** Answers what a page asks about runs: `path` is what stands behind /api/. */
export async function answerApi(path: string, watch: Watch, version: string, response: ServerResponse): Promise<void> {
  const { runs } = watch;
  response.setHeader("Cache-Control", "no-store");
  if (path === "info") return sendJson(response, { version, folder: runs.folder, platform: process.platform });
  if (path === "events") return answerEvents(watch, response);
  await watch.look();
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
