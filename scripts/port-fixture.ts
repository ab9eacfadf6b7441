/**
 * Writes the fixture of docs/learn/port.md: a model of 2 layers and 8 channels with random weights everywhere, biases included,
 * a token file, and the trace of one step.
 *
 *     node --conditions=source scripts/port-fixture.ts FOLDER
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GPT2 } from "../src/api/gpt2.ts";
import { makeConfig } from "../src/model/config.ts";
import { parametersOf } from "../src/model/parameters.ts";
import { Mt19937 } from "../src/random/mt19937.ts";
import { normals } from "../src/random/normal.ts";

const [folder = "docs/learn/port"] = process.argv.slice(2);
const config = makeConfig({ L: 2, NH: 2, C: 8, maxT: 8, V: 13 });
const model = await GPT2.create(config, { backend: "reference" });
const random = new Mt19937(20);
for (const { name, size, padding, init } of parametersOf(config)) {
  const mean = init === "one" ? 1 : 0;
  const values = [...normals(random, size - padding, 0.4)].flatMap((part) => [...part]);
  await model.parameters.weights.write(
    model.backend,
    name,
    0,
    Float32Array.from(values, (value) => value + mean),
  );
}
await model.save(join(folder, "tiny.bin"));
await model.dispose();

const tokens = Uint16Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3);
const header = new Int32Array(256);
header.set([20240520, 1, tokens.length]);
writeFileSync(join(folder, "tokens.bin"), Buffer.concat([Buffer.from(header.buffer), Buffer.from(tokens.buffer)]));
