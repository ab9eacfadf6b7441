import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** The reason why a request is refused. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}

/**
 * Access control. Another site's page can send requests to a server on this machine, and reads the answers once its own
 * name resolves to it (DNS rebinding): so the Host header must name this server, and requests to the API must come from
 * its own page. Other machines need the token.
 */
export class Guard {
  readonly #host: string;
  readonly #token: string | undefined;

  constructor(host: string, token?: string) {
    this.#host = host.toLowerCase();
    this.#token = token;
  }

  refusal({ headers, method, socket, url = "" }: IncomingMessage): Refusal | undefined {
    const { host = "", origin, "sec-fetch-site": site } = headers;
    const port = socket.localPort ?? 0;
    if (!this.#isOwn(host, port))
      return { status: 403, text: `${host || "No name"} is not the studio's. Open the address that it printed.` };
    if (method !== "GET" && method !== "HEAD")
      return { status: 405, text: "The studio changes nothing: it answers GET and HEAD alone." };
    if (!url.startsWith("/")) return { status: 400, text: "Expected a path." };
    const isOther =
      (origin !== undefined && origin !== `http://${host}`) || !["same-origin", "none"].includes(`${site ?? "none"}`);
    if (url.startsWith("/api/") && isOther) return { status: 403, text: "Only the studio's own page may ask this." };
    return undefined;
  }

  /** True when no token is needed, or the request's cookie has it. */
  admits({ headers: { cookie = "" }, socket }: IncomingMessage): boolean {
    if (this.#token === undefined) return true;
    const values = cookie.split(/; */).map((pair) => pair.split("=", 2));
    return values.some(([name, value]) => name === cookieName(socket.localPort) && this.isToken(value));
  }

  /** Constant-time comparison. */
  isToken(text: string | null | undefined): boolean {
    return this.#token !== undefined && typeof text === "string" && timingSafeEqual(sha256(text), sha256(this.#token));
  }

  #isOwn(header: string, port: number): boolean {
    const [, name = "", given = "80"] = /^(\[[0-9a-f:.]+\]|[^:]+)(?::(\d+))?$/i.exec(header) ?? [];
    const host = name.toLowerCase().replace(/^\[|\]$/g, "");
    if (Number(given) !== port) return false;
    if (["127.0.0.1", "localhost", "::1", this.#host].includes(host)) return true;
    // Listening on all addresses, any of them is right. A numeric address cannot be rebound.
    return isIP(host) !== 0 && ["0.0.0.0", "::"].includes(this.#host);
  }
}

/** Cookies are a host's, whatever the port: each studio needs a name of its own. */
export function cookieName(port: number | undefined): string {
  return `llm-ts-studio-${port}`;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
