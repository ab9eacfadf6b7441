import { decodeColumns, type RunColumns } from "../../src/runs/columns.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { RunDetail } from "../engine/protocol.ts";
import type { RunSource, SourceEvent } from "./source.ts";

/** Browsers retry lost connections by themselves, but not refused ones. */
const RETRY_MS = 2000;

/** Answer of the server's /api/info. */
interface ServerInfo {
  readonly version: string;
  /** The folder whose runs it shows. */
  readonly folder: string;
}

/** The server of this page; null for a server of static files, which answers with public/api/info. */
export async function findServer(): Promise<ServerInfo | null> {
  try {
    return await json<ServerInfo | null>("info");
  } catch {
    return null;
  }
}

/** The runs in the folder of `llm-ts studio`. */
export const serverSource: RunSource = {
  name: "disk",
  detail: (run) => json<RunDetail>(`runs/${encodeURIComponent(run)}`),
  columns: columnsOf,
  listen,
};

async function columnsOf(run: string): Promise<RunColumns> {
  const response = await ask(`runs/${encodeURIComponent(run)}/curves`);
  return decodeColumns(await response.arrayBuffer());
}

function listen(listener: (event: SourceEvent) => void): () => void {
  let events: EventSource;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const on = <T>(type: string, eventOf: (data: T) => SourceEvent) =>
    events.addEventListener(type, ({ data }) => listener(eventOf(JSON.parse(data))));
  const connect = () => {
    events = new EventSource("./api/events");
    events.onopen = () => listener({ type: "connection", alive: true });
    events.onerror = () => {
      listener({ type: "connection", alive: false });
      if (events.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_MS);
    };
    on<RunSummary[]>("runs", (runs) => ({ type: "runs", runs }));
    on<{ name: string; from: number; to: number; lines: string[] }>("lines", ({ name, lines, from, to }) => ({
      type: "lines",
      run: name,
      lines,
      bytes: { from, to },
    }));
    on<{ name: string }>("reset", ({ name }) => ({ type: "reset", run: name }));
  };
  connect();
  return () => {
    clearTimeout(retry);
    events.close();
  };
}

async function json<T>(path: string): Promise<T> {
  return (await ask(path)).json();
}

async function ask(path: string): Promise<Response> {
  const response = await fetch(`./api/${path}`);
  if (response.ok) return response;
  const text = await response.text();
  throw new Error(errorIn(text) ?? `${response.status} ${response.statusText}`);
}

/** The server's error message. */
function errorIn(text: string): string | undefined {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}
