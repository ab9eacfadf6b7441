/** Where runs are read from: the studio's server, or this tab's own storage. */
import type { RunColumns } from "../../src/runs/columns.ts";
import type { RunSummary } from "../../src/runs/read-run.ts";
import type { RunDetail } from "../engine/protocol.ts";

export type SourceName = "disk" | "tab";

export interface RunSource {
  readonly name: SourceName;
  detail(run: string): Promise<RunDetail>;
  columns(run: string): Promise<RunColumns>;
  /** Tells the list, and from then on what changes. Gives what ends that. */
  listen(listener: (event: SourceEvent) => void): () => void;
}

export type SourceEvent =
  /** All runs, newest first: at the beginning, and whenever one of them changed. */
  | { readonly type: "runs"; readonly runs: readonly RunSummary[] }
  /** A run wrote lines: which bytes of its log they are, where that is known. */
  | { readonly type: "lines"; readonly run: string; readonly lines: readonly string[]; readonly bytes?: Bytes }
  /** A run's log is another: it must be read anew. */
  | { readonly type: "reset"; readonly run: string }
  /** Whether there is a connection. What was written without one must be read anew. */
  | { readonly type: "connection"; readonly alive: boolean };

export interface Bytes {
  readonly from: number;
  readonly to: number;
}
