import { InputError } from "../errors.ts";
import { checkRange, openBlob, openInMemory } from "./blob-source.ts";
import type { ByteSource, ByteStream } from "./platform.ts";

/** Opens a URL, a Blob or bytes in memory for random access. */
export async function openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource> {
  if (input instanceof Uint8Array || input instanceof Blob) return openInMemory(input);
  return openUrl(String(input));
}

/**
 * Asks for the first byte only: a server that can send parts of a file answers 206 with the file's length, and is
 * asked for parts from then on. From any other the whole file is taken at once.
 */
async function openUrl(url: string): Promise<ByteSource> {
  const first = await request(url, "bytes=0-0");
  const total = first.status === 206 ? /\/(\d+)$/.exec(first.headers.get("Content-Range") ?? "") : null;
  // 416: the file is empty. 206 without a readable length: another site that does not let this page see it.
  if (total === null)
    return openBlob(await body(url, first.status === 200 ? first : await request(url), (r) => r.blob()), url);
  const size = Number(total[1]);
  await first.body?.cancel();
  return {
    name: url,
    size,
    async read(offset, length) {
      checkRange(url, size, offset, length);
      if (length === 0) return new Uint8Array();
      const response = await request(url, `bytes=${offset}-${offset + length - 1}`);
      const bytes = new Uint8Array(await body(url, response, (r) => r.arrayBuffer()));
      const part = response.status === 206 ? bytes : bytes.subarray(offset, offset + length);
      if (part.length !== length)
        throw new InputError(`${url} gave ${part.length} bytes from byte ${offset} on, expected ${length}. Try again.`);
      return part;
    },
    close: async () => {},
  };
}

async function request(url: string, range?: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, range === undefined ? {} : { headers: { Range: range } });
  } catch (error) {
    throw new InputError(`${url} cannot be fetched: no connection, or its server does not allow this page.`, {
      cause: error,
    });
  }
  if (!response.ok && response.status !== 416)
    throw new InputError(`${url} cannot be fetched: the server answered ${response.status}. Check the address.`);
  return response;
}

async function body<T>(url: string, response: Response, take: (response: Response) => Promise<T>): Promise<T> {
  try {
    return await take(response);
  } catch (error) {
    throw new InputError(`${url}: the connection broke while reading. Try again.`, { cause: error });
  }
}

/** Opens a URL to be read once, from the start. */
export async function openStream(url: string): Promise<ByteStream> {
  const response = await request(url);
  const length = response.headers.get("Content-Length");
  return {
    name: url,
    // With compression, content-length is that of the compressed bytes.
    size: length === null || response.headers.has("Content-Encoding") ? undefined : Number(length),
    async *[Symbol.asyncIterator]() {
      const reader = response.body?.getReader();
      if (!reader) return;
      try {
        for (;;) {
          const { done, value } = await body(url, response, () => reader.read());
          if (done) return;
          yield value;
        }
      } finally {
        await reader.cancel().catch(() => {});
      }
    },
  };
}
