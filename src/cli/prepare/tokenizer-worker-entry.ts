/** Entry of an encoding thread of `llm-ts prepare`: texts in, tokens out. */
import { parentPort } from "node:worker_threads";
import { gpt2Tokenizer } from "../../tokenizer/gpt2.ts";
import type { EncodedTexts } from "./tokenizer-pool.ts";

const tokenizer = await gpt2Tokenizer();
const stream = tokenizer.encodeStream({ ordinary: true });
let buffer = new Uint16Array(1 << 16);

function encode(texts: readonly string[]): EncodedTexts {
  let count = 0;
  const add = (ids: ArrayLike<number>) => {
    if (count + ids.length > buffer.length) {
      const larger = new Uint16Array(2 * (count + ids.length));
      larger.set(buffer.subarray(0, count));
      buffer = larger;
    }
    buffer.set(ids, count);
    count += ids.length;
  };
  const lengths = texts.map((text) => {
    const before = count;
    add([tokenizer.endOfText ?? 0]);
    add(stream.push(text));
    add(stream.end());
    return count - before;
  });
  return { tokens: buffer.slice(0, count), lengths };
}

parentPort?.on("message", (texts: readonly string[]) => {
  parentPort?.postMessage(encode(texts));
});
