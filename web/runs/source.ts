/** A source of runs: the studio's server, or this tab's storage. */
import type { RunColumns } from "../../src/runs/columns.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { RunDetail } from "../engine/protocol.ts";

export type SourceName = "disk" | "tab";

export interface RunSource {
  readonly name: SourceName;
  detail(run: string): Promise<RunDetail>;
  columns(run: string): Promise<RunColumns>;
  /** Sends the list of runs, and then every change. Returns a function that ends it. */
  listen(listener: (event: SourceEvent) => void): () => void;
}

export type SourceEvent =
  /** All runs, newest first: at the start, and after each change. */
  | { readonly type: "runs"; readonly runs: readonly RunSummary[] }
  /** Lines that a run wrote, with their bytes in its log, if known. */
  | { readonly type: "lines"; readonly run: string; readonly lines: readonly string[]; readonly bytes?: Bytes }
  /** A run's log was replaced, and must be loaded again. */
  | { readonly type: "reset"; readonly run: string }
  /** State of the connection. After an interruption, runs must be loaded again. */
  | { readonly type: "connection"; readonly alive: boolean };

/** A range of bytes, without its end. */
export interface Bytes {
  readonly from: number;
  readonly to: number;
}
