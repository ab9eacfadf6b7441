import { InputError } from "../errors.ts";
import type { GgmlType } from "../format/gguf-file.ts";
import type { TensorStream } from "../format/tensors.ts";
import { parameterCount } from "../model/parameters.ts";
import { ProgressLine } from "./display/progress-line.ts";
import { say } from "./output.ts";

/**
 * Writes a model's tensors by `write` with a progress bar, and warns afterwards of numbers that are NaN or infinite, which
 * are written unchanged. InputError when float16 would make a number infinite.
 */
export async function watchTensors<T>(
  { config, readTensors }: TensorStream,
  dtype: GgmlType,
  name: string,
  write: (model: TensorStream) => Promise<T>,
): Promise<T> {
  const progress = new ProgressLine(`writing ${name}`);
  const total = parameterCount(config);
  let done = 0;
  let strange = 0;
  let first = "";
  const watched: TensorStream = {
    config,
    readTensors: (onChunk) =>
      readTensors(async (tensor, start, data) => {
        for (const i of atLeast(dtype === "f16" ? float16Limit : infinity, data)) {
          const where = `${tensor}[${start + i}] is ${data[i]}`;
          if (Number.isFinite(data[i]))
            throw new InputError(
              `${where}, and float16 holds numbers up to 65504. Convert to bf16, which has float32's range.`,
            );
          if (strange++ === 0) first = where;
        }
        await onChunk(tensor, start, data);
        done += data.length;
        if (process.stderr.isTTY) progress.update(done / total);
      }),
  };
  try {
    const result = await write(watched);
    if (strange > 0) say(`warning: numbers that are NaN or infinite: ${strange} (${first}). They are kept.`);
    return result;
  } finally {
    progress.end();
  }
}

/** Bits of the numbers from which on float16 rounds to infinity, and of infinity itself; NaN's are above. */
const float16Limit = 0x477ff000;
const infinity = 0x7f800000;

/** The elements of at least a size, which is given by its bits. */
function atLeast(limit: number, data: Float32Array): number[] {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const found: number[] = [];
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7fffffff) >= limit) found.push(i);
  return found;
}
