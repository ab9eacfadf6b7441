/** HTTP as the hub needs it: redirects that keep the token at home, proxies, silence that ends, new attempts. */
import { setTimeout as wait } from "node:timers/promises";
import { EnvHttpProxyAgent, request } from "undici";
import { DownloadError, UsageError } from "../errors.ts";
import { connectionError, type HubResponse, refusal, TemporaryError } from "./response.ts";
import type { HubSettings } from "./settings.ts";

export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Selects the redirects to follow, by default all; the others are returned as answers. */
  readonly follow?: (response: HubResponse, target: URL) => boolean;
  /** The requested thing, for messages. */
  readonly what: string;
}

const mostRedirects = 10;
/** Short, so that a missing network is reported within seconds. */
const longestConnectMs = 10_000;
const firstAttempts = 2;
/** No pause is longer than this, unless a server asks for more. */
const longestPauseMs = 30_000;
/** The longest pause granted to a server that asks for one. */
const longestWaitMs = 300_000;

export class HubClient {
  readonly settings: HubSettings;
  readonly #agent: EnvHttpProxyAgent;
  /** Called before each new attempt. */
  readonly #onRetry: (message: string) => void;
  /** True once anything has answered. */
  #reached = false;

  constructor(settings: HubSettings, onRetry: (message: string) => void = () => {}) {
    const { silenceMs } = settings;
    this.settings = settings;
    this.#onRetry = onRetry;
    try {
      const connect = { timeout: Math.min(silenceMs, longestConnectMs) };
      this.#agent = new EnvHttpProxyAgent({ connect, headersTimeout: silenceMs, bodyTimeout: silenceMs });
    } catch (error) {
      throw new UsageError("HTTP_PROXY or HTTPS_PROXY is not an address like http://proxy:8080.", { cause: error });
    }
  }

  /** An address at the endpoint. */
  url(path: string): URL {
    return new URL(path, this.settings.endpoint);
  }

  /** One request. TemporaryError where trying again may help, DownloadError or InputError where it will not. */
  async request(url: URL, options: RequestOptions): Promise<HubResponse> {
    const { method = "GET", headers, follow = () => true, what } = options;
    let target = url;
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const response = await this.#send(target, method, headers);
      const location = response.header("location");
      const isRedirect = response.status >= 300 && response.status < 400 && location !== undefined;
      if (isRedirect) {
        if (!URL.canParse(location, target.href))
          throw new DownloadError(`${target.host} leads to no address. Try again later.`);
        const next = new URL(location, target);
        if (!follow(response, next)) return response;
        response.body.destroy();
        target = next;
        // 416, the requested range does not exist, is for the caller to interpret.
      } else if (response.status < 400 || response.status === 416) return response;
      else throw await refusal(response, what, this.settings);
    }
    throw new DownloadError(`${url.host} redirects more than ${mostRedirects} times. Check HF_ENDPOINT.`);
  }

  /**
   * Runs `attempt` again, after a pause, while it fails with a TemporaryError; gives up when that happens too often
   * without progress, of which `progress` is a measure.
   */
  async persist<T>(attempt: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    const { retryMs } = this.settings;
    let best = progress();
    for (let failures = 1; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof TemporaryError)) throw error;
        if (progress() > best) failures = 1;
        best = Math.max(best, progress());
        const attempts = this.#reached ? this.settings.attempts : firstAttempts;
        const pause = error.retryAfterMs ?? Math.min(retryMs * 2 ** (failures - 1), longestPauseMs);
        if (failures >= attempts) throw this.#givenUp(error, `${failures} attempts`);
        if (pause > longestWaitMs) throw this.#givenUp(error, `a pause of ${Math.ceil(pause / 1000)} s`);
        this.#onRetry(`${error.message} Trying again in ${Math.ceil(pause / 1000)} s.`);
        await wait(pause);
      }
    }
  }

  #givenUp(error: TemporaryError, why: string): DownloadError {
    const advice = this.#reached
      ? "Start the same command again later: it resumes where this one stopped."
      : "Check the network; HTTPS_PROXY names a proxy, and HF_ENDPOINT a mirror.";
    return new DownloadError(`${error.message} (${why}) ${advice}`, { cause: error });
  }

  /** Ends the connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(url: URL, method: "GET" | "HEAD", headers = {}): Promise<HubResponse> {
    const { token, endpoint } = this.settings;
    const authorization = token && url.origin === endpoint.origin ? { authorization: `Bearer ${token}` } : {};
    const all = { "user-agent": "llm-ts", "accept-encoding": "identity", ...headers, ...authorization };
    try {
      const { statusCode, headers, body } = await request(url, { method, headers: all, dispatcher: this.#agent });
      this.#reached = true;
      const header = (name: string) => [headers[name]].flat()[0];
      // A reader of the body gets its errors; those of a discarded body do not matter.
      body.on("error", () => {});
      return { status: statusCode, header, url, body };
    } catch (error) {
      throw connectionError(url, error);
    }
  }
}
