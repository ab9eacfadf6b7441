import type { PlannedFile, SnapshotEvents } from "../../hub/snapshot.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { bytes } from "../display/text.ts";

/** Time over which the speed is averaged. */
const windowMs = 5000;

/** Shows a download on standard error: all files as one, with speed and time left. */
export class PullProgress {
  readonly #line: ProgressLine;
  readonly #total: number;
  /** Of the files before this one. */
  #before = 0;
  /** Times and bytes of the last seconds. */
  readonly #samples: { at: number; done: number }[] = [];

  /** `what` is downloaded: `total` bytes. */
  constructor(what: string, total: number) {
    this.#line = new ProgressLine(what);
    this.#total = total;
  }

  readonly onBytes: NonNullable<SnapshotEvents["onBytes"]> = (file, count, phase) => {
    if (phase === "verifying")
      this.#show(this.#before + file.size, `verifying ${file.path}, ${percent(count, file.size)}`);
    else this.#show(this.#before + count, `${this.#speed(this.#before + count)}, ${file.path}`);
  };

  readonly onWait: NonNullable<SnapshotEvents["onWait"]> = (file, { who }) =>
    this.remark(`${who} is downloading ${file.path} already: waiting for it`);

  /** Says something above the line. */
  readonly remark = (text: string): void => {
    this.#line.end();
    process.stderr.write(`${text}\n`);
  };

  /** A file is there; the next one follows. */
  onFile({ cached, size }: PlannedFile): void {
    if (!cached) this.#before += size;
  }

  end(): void {
    this.#line.end();
  }

  #show(done: number, detail: string): void {
    if (this.#total > 0) this.#line.update(done / this.#total, `${bytes(done)} of ${bytes(this.#total)}, ${detail}`);
  }

  #speed(done: number): string {
    const at = performance.now();
    this.#samples.push({ at, done });
    while (this.#samples.length > 2 && this.#samples[0].at < at - windowMs) this.#samples.shift();
    const [first] = this.#samples;
    return at > first.at ? `${bytes((1000 * (done - first.done)) / (at - first.at))}/s` : "…";
  }
}

function percent(part: number, whole: number): string {
  return `${Math.floor((100 * part) / whole)}%`;
}
