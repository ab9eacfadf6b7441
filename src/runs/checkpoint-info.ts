/**
 * checkpoint_%08d.json: what llm.c's files cannot hold, beside each checkpoint's model and state. Its own sha256 stands
 * in it, so that no damage goes unseen.
 */
import { platform } from "#platform";
import type { DataOrder, LoaderPosition } from "../data/order.ts";
import { InputError } from "../errors.ts";
import { isObject, parseObject } from "../format/json.ts";
import type { FileHash } from "../format/save.ts";
import type { TrainerState } from "../train/state.ts";

/** Raised when a reader of the version before could not use the file. */
const version = 1;

export interface CheckpointInfo {
  /** Updates made. */
  readonly step: number;
  /** Of the model and the state, by name. */
  readonly files: Readonly<Record<string, FileHash>>;
  /** What the updates were computed with. Only fused multiply-add changes bits. */
  readonly backend: { readonly name: string; readonly threads: number; readonly fma: boolean };
  /** Without the loader's position. */
  readonly trainer: Omit<TrainerState, "loader">;
  /** Where the data goes on. The state file has the rest of llm.c's two orders. */
  readonly loader?: { readonly order: DataOrder } | LoaderPosition;
  /** When it was written, ISO 8601. For people: nothing is decided by it. */
  readonly written: string;
  /** What config.json held. */
  readonly config: Readonly<Record<string, unknown>>;
}

export async function formatCheckpointInfo(info: CheckpointInfo): Promise<string> {
  const content = { version, ...info };
  return `${JSON.stringify({ sha256: await hashOf(content), ...content }, null, 2)}\n`;
}

/** InputError when the text is damaged, or of a version that this program does not know. */
export async function parseCheckpointInfo(path: string, text: string): Promise<CheckpointInfo> {
  const { sha256, ...content } = parseObject(path, text);
  const isIntact = sha256 === (await hashOf(content));
  // An intact file of a later version is not damaged.
  if (content.version !== version && isIntact)
    throw new InputError(
      `${path}: "version" is ${JSON.stringify(content.version)}, expected ${version}. Another version of llm-ts wrote ` +
        "it: go on with that one, or take the model alone (llm-ts train --model FILE).",
    );
  if (!isIntact || !isInfo(content)) throw new InputError(`${path}: its sha256 is wrong: it is damaged.`);
  return content;
}

/** The order of an object's fields survives JSON, and so the same content gives the same text. */
async function hashOf(content: object): Promise<string> {
  const hash = await platform.sha256();
  hash.update(new TextEncoder().encode(JSON.stringify(content)));
  return hash.digest();
}

/** What carries the right hash was written here: a glance is enough. */
function isInfo(content: object): content is CheckpointInfo {
  return "step" in content && "files" in content && isObject(content.files) && "trainer" in content;
}
