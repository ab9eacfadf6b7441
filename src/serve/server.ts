/** The studio's server: the built page, and its API about the runs in a folder. Read-only. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { networkInterfaces } from "node:os";
import { InputError, messageOf } from "../errors.ts";
import { errorCode } from "../platform/node-errors.ts";
import { answerApi, secure, sendError, sendText } from "./answers.ts";
import { cookieName, Guard, isLoopback } from "./guard.ts";
import { servePage } from "./page.ts";
import { Watch } from "./watch.ts";

export interface StudioOptions {
  /** The folder with the runs; it may appear later. */
  readonly folder: string;
  /** The ports to try, one after the other; 0 is any that is free. */
  readonly ports: readonly number[];
  /** Address to listen on, default 127.0.0.1. On any other, the token in `url` is required. */
  readonly host?: string;
  /** The folder with the page, if it is another than the build's. */
  readonly page?: string;
  /** Receives errors of answering. */
  readonly onError?: (error: unknown) => void;
}

export interface Studio {
  /** Address to open, including the token where one is needed. */
  readonly url: string;
  /** Number of pages that listen to events. */
  readonly listeners: number;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

/** Starts the studio. InputError when the page is not built, or the server can listen on none of the ports. */
export async function startStudio(options: StudioOptions): Promise<Studio> {
  const { folder, ports, host = "127.0.0.1", page: pageFolder, onError = () => {} } = options;
  const page = servePage(pageFolder);
  const token = isLoopback(host) ? undefined : randomBytes(24).toString("base64url");
  const guard = new Guard(host, token);
  const watch = new Watch(folder);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    secure(response);
    const refusal = guard.refusal(request);
    if (refusal?.status === 405) response.setHeader("Allow", "GET, HEAD");
    if (refusal) return sendText(response, refusal.status, refusal.text);
    const [path = "", query] = (request.url ?? "").split("?", 2);
    const given = new URLSearchParams(query).get("token");
    if (guard.isToken(given)) return letIn(request, response, given ?? "");
    if (!guard.admits(request)) return sendText(response, 401, needsToken);
    if (path.startsWith("/api/")) return answerApi(path.slice("/api/".length), watch, version, response);
    page(path, request, response);
  };

  const server = createServer((request, response) => {
    // An unhandled stream error would end the process. A connection that broke needs no answer.
    for (const stream of [request, response]) stream.on("error", () => response.destroy());
    answer(request, response).catch((error) => {
      onError(error);
      if (response.headersSent) response.destroy();
      else sendError(response, 500, messageOf(error));
    });
  });
  const port = await listenOnFirst(server, ports, host);
  // Connections that cannot be accepted, for want of file handles: the others continue.
  server.on("error", onError);
  return {
    url: `http://${shownHost(host)}:${port}/${token ? `?token=${token}` : ""}`,
    get listeners() {
      return watch.listeners;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const needsToken =
  "This studio is open to other machines, and needs the token in the address that `llm-ts studio` printed: open that\n" +
  "address, with all behind ?token=.";

/**
 * The token becomes a cookie, and goes from the address, where it might be seen or stored. A redirect by status would not
 * do: where the address is a link on another site's page, browsers send no strict cookie along with what follows.
 */
function letIn({ socket }: IncomingMessage, response: ServerResponse, token: string): void {
  response.setHeader("Set-Cookie", `${cookieName(socket.localPort)}=${token}; HttpOnly; SameSite=Strict; Path=/`);
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
  response.end('<!doctype html><meta http-equiv="refresh" content="0; url=/"><a href="/">llm.ts studio</a>\n');
}

async function listenOnFirst(server: Server, ports: readonly number[], host: string): Promise<number> {
  for (const port of ports) {
    const taken = await listen(server, port, host);
    if (!taken) return portOf(server);
  }
  const which = ports.length > 1 ? `The ports ${ports[0]} to ${ports.at(-1)} are` : `Port ${ports[0]} is`;
  throw new InputError(`${which} taken on ${host}. Choose another one with --port, or --port 0 for any that is free.`);
}

/** True when the port is taken. InputError for any other failure. */
function listen(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      const code = errorCode(error);
      if (code === "EADDRINUSE") return resolve(true);
      reject(
        new InputError(`The studio cannot listen on ${host}, port ${port}: ${reasons[code ?? ""] ?? error.message}.`),
      );
    };
    server.once("error", failed);
    server.listen(port, host, () => {
      server.off("error", failed);
      resolve(false);
    });
  });
}

const reasons: Record<string, string | undefined> = {
  EACCES: "this port is not for everybody. Choose one from 1024 on with --port",
  EADDRNOTAVAIL: "this machine has no such address. Choose one of its own with --host, or 0.0.0.0 for all",
  ENOTFOUND: "this name cannot be resolved. Give an address with --host",
};

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** An address as a browser takes it: of "all addresses", the first by which others find this machine. */
function shownHost(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host.includes(":") ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
