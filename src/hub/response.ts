import type { Readable } from "node:stream";
import { DownloadError, InputError } from "../errors.ts";
import type { HubSettings } from "./settings.ts";

/** An answer of the hub, or of the storage that it redirects to. */
export interface HubResponse {
  readonly status: number;
  /** Of a header, by its name in small letters. */
  header(name: string): string | undefined;
  /** Final URL, after redirects. */
  readonly url: URL;
  readonly body: Readable;
}

/** A failure that may pass: trying again can help. */
export class TemporaryError extends DownloadError {
  override name = "TemporaryError";
  /** The pause that the server asks for, in milliseconds. */
  readonly retryAfterMs?: number;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * The error of an answer of status 400 and more. The hub gives the reason in `x-error-code`; without a token it answers
 * 401 for what does not exist, so as not to reveal private models.
 */
export async function refusal(response: HubResponse, what: string, settings: HubSettings): Promise<Error> {
  const { status, url } = response;
  response.body.destroy();
  const { endpoint, token } = settings;
  const { host } = url;
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return new TemporaryError(`${host} answers ${status}${status === 429 ? " (too many requests)" : ""} for ${what}.`, {
      retryAfterMs: retryAfter(response.header("retry-after")),
    });
  // The storage's URLs are signed for a limited time: a new request gets a new signature.
  if (url.origin !== endpoint.origin) return new TemporaryError(`${host} answers ${status} for ${what}.`);
  const code = response.header("x-error-code");
  if (code === "GatedRepo")
    return new DownloadError(
      `${what}: its authors want to know who uses it. Accept their terms on ${endpoint.origin}, then put a token of your ` +
        "account into HF_TOKEN.",
    );
  if (code === "RevisionNotFound")
    return new InputError(
      `${what}: there is no such revision. Give a branch, a tag or a commit: llm-ts pull --revision.`,
    );
  if (code === "EntryNotFound") return new InputError(`${what}: the repository has no such file.`);
  if (status === 401 && token !== undefined && code !== "RepoNotFound")
    return new DownloadError(
      `${host} does not accept the token in HF_TOKEN (or the file "token" in HF_HOME). Renew it.`,
    );
  if (status === 401 || status === 404)
    return new InputError(
      `${what}: ${host} has no such repository, or it is private. Check the name; for a private one put a token into HF_TOKEN.`,
    );
  if (status === 403)
    return new DownloadError(`${what}: ${host} forbids it. Check the rights of the token in HF_TOKEN.`);
  return new DownloadError(`${host} answers ${status} for ${what}. Check HF_ENDPOINT.`);
}

/** Seconds, or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** The body of an answer, piece by piece; TemporaryError when it breaks off or falls silent. */
export async function* chunksOf({ body, url }: HubResponse): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    throw connectionError(url, error);
  } finally {
    body.destroy();
  }
}

/** The error of a broken, silent or impossible connection. The address is not shown: it may be signed. */
export function connectionError(url: URL, error: unknown): TemporaryError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const silent = /TIMEOUT|ETIMEDOUT/.test(code);
  const unknown = /ENOTFOUND|EAI_AGAIN/.test(code);
  const reason = error instanceof Error ? error.message || code : String(error);
  const how = silent ? "does not answer" : unknown ? "cannot be found: is there a network?" : `broke off (${reason})`;
  return new TemporaryError(`${url.host} ${how}.`.replace("?.", "?"), { cause: error });
}
