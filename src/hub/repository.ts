/** Models and data sets on the hub: their names, their files, and the description of each file before its download. */
import { DownloadError, UsageError } from "../errors.ts";
import type { RemoteFile, RepositoryKind } from "./cache.ts";
import type { HubClient } from "./client.ts";
import { chunksOf, type HubResponse } from "./response.ts";

/** The published GPT-2s, which the hub also knows without their owner. */
const short: Readonly<Record<string, string>> = {
  gpt2: "openai-community/gpt2",
  "gpt2-medium": "openai-community/gpt2-medium",
  "gpt2-large": "openai-community/gpt2-large",
  "gpt2-xl": "openai-community/gpt2-xl",
  distilgpt2: "distilbert/distilgpt2",
};

/** The hub's name of a model, `USER/REPO`; UsageError for what can be none. */
export function repositoryOf(name: string): string {
  if (Object.hasOwn(short, name)) return short[name];
  const part = "[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?";
  if (new RegExp(`^${part}/${part}$`).test(name) && !/--|\.\./.test(name)) return name;
  throw new UsageError(
    `"${name}" names no model on the hub. Give one of ${Object.keys(short).join(", ")}, or USER/REPO as in its address.`,
  );
}

/** UsageError for what can be no branch, tag or commit. */
export function checkRevision(revision: string): string {
  if (/^[\w][\w.+-]*(\/[\w][\w.+-]*)*$/.test(revision)) return revision;
  throw new UsageError(`The revision "${revision}" names no branch, tag or commit.`);
}

export interface Listing {
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Paths in the repository. */
  readonly files: readonly string[];
}

/** The commit that a revision stands for now, and its files. */
export async function listFiles(
  client: HubClient,
  repository: string,
  revision: string,
  kind: RepositoryKind = "model",
): Promise<Listing> {
  const url = client.url(`api/${kind}s/${repository}/revision/${encodeURIComponent(revision)}`);
  const what = `${repository} (${revision})`;
  const json = await client.persist(async () => parse(await textOf(await client.request(url, { what })), url.host));
  const { sha, siblings } = json;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) throw noHub(url.host);
  const files = siblings.map((entry: unknown) => {
    if (typeof entry === "object" && entry !== null && "rfilename" in entry) return String(entry.rfilename);
    throw noHub(url.host);
  });
  return { commit: sha, files };
}

/** No list of a model's files is near this. */
const longestListing = 16 << 20;

async function textOf(response: HubResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    size += chunk.length;
    if (size > longestListing) throw noHub(response.url.host);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string, host: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) return { ...json };
  } catch {
    // Said below.
  }
  throw noHub(host);
}

function noHub(host: string): DownloadError {
  return new DownloadError(`${host} does not answer as a Hugging Face hub does. Check HF_ENDPOINT, and the network.`);
}

/** The hub's description of a file, without following the redirect to its storage. */
export async function describeFile(
  client: HubClient,
  repository: string,
  commit: string,
  path: string,
  kind: RepositoryKind = "model",
): Promise<RemoteFile> {
  const base = kind === "model" ? repository : `datasets/${repository}`;
  const url = client.url(`${base}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`);
  const response = await client.persist(async () => {
    const response = await client.request(url, {
      method: "HEAD",
      what: `${path} of ${repository}`,
      // A renamed repository leads on; a large file would lead to where it is stored.
      follow: (response) => response.header("x-linked-etag") === undefined,
    });
    response.body.destroy();
    return response;
  });
  const etag = (response.header("x-linked-etag") ?? response.header("etag") ?? "").replace(/^W\/|"/g, "");
  const size = Number(response.header("x-linked-size") ?? response.header("content-length") ?? Number.NaN);
  if (!/^[\w-]{1,128}$/.test(etag) || !Number.isSafeInteger(size) || size < 0) throw noHub(url.host);
  return { kind, repository, commit, path, url, size, etag };
}
