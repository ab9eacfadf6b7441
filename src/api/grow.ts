import type { OnChunk, TensorStream } from "../format/tensors.ts";

/** Hands over a model's tensors, and embeddings for the tokens from its vocabulary up to `vocabSize`: the mean of its own. */
export async function readGrown(model: TensorStream, vocabSize: number, onChunk: OnChunk): Promise<void> {
  const { V, C } = model.config;
  const sums = new Float64Array(C);
  await model.readTensors(async (name, start, data) => {
    const own = name === "wte" ? Math.min(data.length, V * C - start) : 0;
    for (let i = 0; i < own; i++) sums[(start + i) % C] += data[i];
    await onChunk(name, start, data);
  });
  const added = Float32Array.from({ length: (vocabSize - V) * C }, (_, i) => sums[i % C] / V);
  await onChunk("wte", V * C, added);
}
