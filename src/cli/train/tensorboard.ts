import { appendFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join, resolve } from "node:path";
import { platform } from "#platform";
import { InputError, messageOf } from "../../errors.ts";
import { requireWritable } from "../../format/save.ts";
import { explained } from "../../platform/node-errors.ts";
import { TensorBoardEncoder } from "../../runs/tensorboard.ts";
import type { TrainEvent } from "../../train/events.ts";

/** Milliseconds between two writes. */
const writeEvery = 1000;

/** The event file of a run for TensorBoard. A failure to write is remarked once, and the run continues. */
export class TensorBoardLog {
  readonly #path: string;
  readonly #encoder: TensorBoardEncoder;
  readonly #remark: (text: string) => void;
  #pending: Uint8Array[] = [];
  #written = 0;
  #failed = false;

  private constructor(path: string, encoder: TensorBoardEncoder, remark: (text: string) => void) {
    this.#path = path;
    this.#encoder = encoder;
    this.#remark = remark;
  }

  /**
   * A file of its own for a run that starts behind `step` updates, in a folder inside `parent` that is named as that of the
   * run. InputError when it cannot be written.
   */
  static async open(
    parent: string,
    run: string | undefined,
    step: number,
    remark: (text: string) => void,
  ): Promise<TensorBoardLog> {
    const now = Date.now() / 1000;
    const folder = join(parent, basename(resolve(run ?? "run")));
    const encoder = await TensorBoardEncoder.create();
    const path = join(folder, `events.out.tfevents.${Math.floor(now)}.${hostname()}.${process.pid}.0`);
    await named(async () => {
      await platform.makeFolder(folder);
      await explained(path, () => appendFile(path, Buffer.concat([encoder.version(now), encoder.start(now, step)])));
    });
    return new TensorBoardLog(path, encoder, remark);
  }

  /** InputError when nothing can be written inside `parent`: before a run begins. */
  static async check(parent: string): Promise<void> {
    await named(() => requireWritable(parent));
  }

  async record(event: TrainEvent): Promise<void> {
    const now = Date.now();
    const record = this.#encoder.event(now / 1000, event);
    if (record) this.#pending.push(record);
    if (event.type !== "step" || now - this.#written >= writeEvery) await this.flush();
  }

  async flush(): Promise<void> {
    this.#written = Date.now();
    if (this.#pending.length === 0) return;
    try {
      await appendFile(this.#path, Buffer.concat(this.#pending));
      this.#pending = [];
    } catch (error) {
      if (!this.#failed) this.#remark(`${this.#path} cannot be written: ${messageOf(error)}. The run continues`);
      this.#failed = true;
    }
  }
}

/** An InputError says which option it is about. */
async function named(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof InputError ? new InputError(`--tensorboard: ${error.message}`) : error;
  }
}
