import type { Backend } from "../backend/backend.ts";
import { InputError, shown } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { LossWorkspace } from "../model/workspace.ts";

/** B*T tokens and, for each, the token that follows it: -1 where its loss does not count (a loss mask). */
export interface Batch {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
}

/** Checks a batch and writes it to a workspace, for the next forward pass. Gives the share of targets that count: 0 to 1. */
export async function writeBatch(be: Backend, ws: LossWorkspace, batch: Batch, V: number): Promise<number> {
  checkBatch(batch, ws, V);
  await be.write(ws.tokens, batch.inputs);
  await be.write(ws.head.targets, batch.targets);
  const ignored = batch.targets.reduce((count, target) => count + Number(target < 0), 0);
  return 1 - ignored / batch.targets.length;
}

/** InputError when a batch is none, has not B * T inputs and targets, or a token that is not in the model's vocabulary. */
function checkBatch(batch: Batch, { B, T }: { readonly B: number; readonly T: number }, V: number) {
  if (!isObject(batch)) throw new InputError(`A batch is ${shown(batch)}, ${expectedOfSources}`);
  for (const name of ["inputs", "targets"] as const)
    if (!(batch[name] instanceof Int32Array))
      throw new InputError(`The ${name} of a batch are ${shown(batch[name])}, ${expectedOfSources}`);
  const { inputs, targets } = batch;
  if (inputs.length !== B * T || targets.length !== B * T)
    throw new InputError(
      `A batch has ${inputs.length} inputs and ${targets.length} targets, expected B * T = ${B} * ${T} = ${B * T} of each. ` +
        "Its source is to give whole batches only.",
    );
  requireTokens(inputs, 0, V);
  requireTokens(targets, -1, V);
}

const expectedOfSources =
  "expected { inputs, targets }, each an Int32Array: the next() of its source, a loader or valLoader, is to give these.";

/** InputError for a token below `least`, or not in the model's vocabulary. */
export function requireTokens(tokens: Int32Array, least: number, V: number): void {
  for (const token of tokens)
    if (token < least || token >= V)
      throw new InputError(
        `The data holds token ${token >>> 0}, and the model's vocabulary ends at ${V - 1} (V = ${V}). Prepare the data ` +
          "with the tokenizer that belongs to the model, or choose a model that fits the data.",
      );
}
