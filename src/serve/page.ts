import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { lookup } from "mrmime";
import { InputError } from "../errors.ts";
import { exercisePolicy, sendText } from "./answers.ts";

/** Folder of the built page: the same from src/ and from dist/. */
const builtPage = fileURLToPath(new URL("../../dist/web/", import.meta.url));

const exerciseWorker = /^\/assets\/exercise-worker-[\w-]+\.js$/;

interface PageFile {
  readonly content: Buffer;
  readonly type: string;
  readonly etag: string;
  readonly cacheControl: string;
}

/**
 * Answers with the page's files, which are read once (two megabytes): a concurrent build or a
 * lack of file handles does not affect an open page. InputError when the page has not been built.
 */
export function servePage(
  folder = builtPage,
): (path: string, request: IncomingMessage, response: ServerResponse) => void {
  const files = readPage(folder);
  return (path, request, response) => {
    const file = files.get(path === "/" ? "/index.html" : path);
    if (!file) return sendText(response, 404, "There is nothing here. The studio is at /");
    const { content, type, etag, cacheControl } = file;
    if (exerciseWorker.test(path)) response.setHeader("Content-Security-Policy", exercisePolicy);
    response.setHeader("ETag", etag);
    response.setHeader("Cache-Control", cacheControl);
    if (request.headers["if-none-match"] === etag) response.writeHead(304).end();
    else response.writeHead(200, { "Content-Type": type, "Content-Length": content.length }).end(content);
  };
}

function readPage(folder: string): Map<string, PageFile> {
  if (!existsSync(join(folder, "index.html")))
    throw new InputError(`The studio's page is not built: ${folder} has no index.html. Run: npm run build`);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.map((path) => [`/${relative(folder, path).replaceAll(sep, "/")}`, readFile(folder, path)]));
}

function readFile(folder: string, path: string): PageFile {
  const content = readFileSync(path);
  const type = lookup(path) ?? "application/octet-stream";
  // Files in assets/ have a hash of their content in their names.
  const isHashed = relative(folder, path).startsWith("assets");
  return {
    content,
    type: type.startsWith("text/") ? `${type};charset=utf-8` : type,
    etag: `"${createHash("sha256").update(content).digest("base64url")}"`,
    cacheControl: isHashed ? "public,max-age=31536000,immutable" : "no-cache",
  };
}
