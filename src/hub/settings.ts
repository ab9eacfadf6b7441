/** Settings from the environment: the variables of Hugging Face's own programs, with their meaning. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { sizeOf } from "./cache.ts";

export interface HubSettings {
  readonly endpoint: URL;
  /** Sent to the endpoint alone, never to a host that it redirects to. */
  readonly token?: string;
  /** The folder that holds `models--USER--REPO`. */
  readonly cache: string;
  /** Only what is in the cache is used. */
  readonly offline: boolean;
  /** Longest silence of a connection, in milliseconds. */
  readonly silenceMs: number;
  /** The pause before the first new attempt; it doubles from one to the next. */
  readonly retryMs: number;
  /** Most failures in a row without progress. */
  readonly attempts: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** UsageError for a variable of no valid value. */
export async function hubSettings(env: Environment): Promise<HubSettings> {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return {
    endpoint: endpointOf(env.HF_ENDPOINT || "https://huggingface.co"),
    token: await tokenOf(env, env.HF_TOKEN_PATH || join(home, "token")),
    cache: resolve(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub")),
    offline: [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some(isOn),
    silenceMs: secondsOf(env.HF_HUB_DOWNLOAD_TIMEOUT, 30) * 1000,
    retryMs: 1000,
    attempts: 6,
  };
}

function endpointOf(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text.replace(/\/*$/, "/"));
  throw new UsageError(`HF_ENDPOINT is "${text}", expected an address like https://huggingface.co.`);
}

/** HF_TOKEN, else the file that `hf auth login` writes. */
async function tokenOf(env: Environment, file: string): Promise<string | undefined> {
  const given = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  const token = (given ?? (await savedToken(file))).trim();
  if (token === "") return undefined;
  // The message must not show the token.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UsageError(
      `The token in ${given ? "HF_TOKEN" : file} holds characters that no token has. Copy it again.`,
    );
  return token;
}

async function savedToken(file: string): Promise<string> {
  return (await sizeOf(file)) === undefined ? "" : readFile(file, "utf8").catch(() => "");
}

function isOn(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? "");
}

function secondsOf(text: string | undefined, fallback: number): number {
  const seconds = Number(text || fallback);
  if (seconds > 0) return seconds;
  throw new UsageError(`HF_HUB_DOWNLOAD_TIMEOUT is "${text}", expected a number of seconds above 0.`);
}
