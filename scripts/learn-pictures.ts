/**
 * Draws the pictures of docs/learn from a run's own tensors, as SVG for light and dark pages.
 *
 *     node --conditions=source scripts/learn-pictures.ts runs/baby-001 docs/learn/img
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GPT2 } from "../src/api/gpt2.ts";
import { view } from "../src/backend/backend.ts";
import { inspect } from "../src/inspect/inspect.ts";
import { presetConfig, presetNames } from "../src/model/config.ts";
import { forward, loss as lossOf } from "../src/model/gpt2.ts";
import { memoryParts } from "../src/model/memory.ts";
import { withTensors } from "../src/model/tensor-scope.ts";
import { allocLossWorkspace } from "../src/model/workspace.ts";
import { platform } from "../src/platform/node.ts";
import { gpt2Tokenizer } from "../src/tokenizer/gpt2.ts";
import { traceStep } from "../src/verify/trace.ts";

const [run = "runs/baby-001", out = "docs/learn/img"] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const text = "First Citizen:\nBefore we proceed any further, hear me speak.";
const modelFile = (await platform.listFiles("model_*.bin", run)).sort().at(-1) ?? run;

const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .small { font-size: 10px } .faint { fill: #6e7781 }
.line { fill: none; stroke: #0969da; stroke-width: 2 } .second { fill: none; stroke: #cf222e; stroke-width: 2; stroke-dasharray: 5 4 }
.axis { stroke: #8c959f; stroke-width: 1 } .cell { fill: #0969da } .bar { fill: #0969da } .other { fill: #cf222e } .frame { fill: none; stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .faint { fill: #8d96a0 } .line { stroke: #4493f8 } .second { stroke: #ff7b72 }
  .axis { stroke: #656c76 } .cell, .bar { fill: #4493f8 } .other { fill: #ff7b72 } .frame { stroke: #3d444d }
}
</style>`;

function save(name: string, width: number, height: number, title: string, parts: readonly string[]): void {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`;
  writeFileSync(join(out, name), `${open}\n<title>${escaped(title)}</title>\n${style}\n${parts.join("\n")}\n</svg>\n`);
}

const escaped = (value: string) => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const label = (x: number, y: number, value: string, more = "") =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(value)}</text>`;
const round = (value: number) => Number(value.toFixed(2));
const shown = (character: string) => (character === "\n" ? "↵" : character === " " ? "␣" : character);

/** A curve of points within a frame of the given size, its axes labelled at their ends. */
function curves(
  name: string,
  title: string,
  lines: readonly (readonly [x: number, y: number])[][],
  axes: readonly [string, string],
) {
  const [width, height, left, top] = [640, 260, 56, 24];
  const all = lines.flat();
  const [x0, x1] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))];
  const [y0, y1] = [Math.min(...all.map(([, y]) => y)), Math.max(...all.map(([, y]) => y))];
  const at = ([x, y]: readonly [number, number]) =>
    `${round(left + ((x - x0) / (x1 - x0)) * (width - left - 16))},${round(top + ((y1 - y) / (y1 - y0)) * (height - top - 40))}`;
  save(name, width, height, title, [
    `<path class="axis" d="M${left},${top}V${height - 40}H${width - 16}" fill="none"/>`,
    label(left - 8, top + 4, y1.toPrecision(3), 'text-anchor="end" class="small"'),
    label(left - 8, height - 40, y0.toPrecision(3), 'text-anchor="end" class="small"'),
    label(left, height - 24, `${Number(x0.toPrecision(3))}`, 'class="small"'),
    label(width - 16, height - 24, `${Number(x1.toPrecision(3))}`, 'text-anchor="end" class="small"'),
    label((left + width) / 2, height - 10, axes[0], 'text-anchor="middle" class="faint"'),
    label(left, 14, axes[1], 'class="faint"'),
    ...lines.map(
      (points, i) => `<polyline class="${i === 0 ? "line" : "second"}" points="${points.map(at).join(" ")}"/>`,
    ),
  ]);
}

/** The loss of every tenth update. */
function drawRun(): void {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  const steps = lines.map((line) => JSON.parse(line)).filter(({ event, step }) => event === "step" && step % 10 === 0);
  curves(
    "first-run.svg",
    "The loss of a first run",
    [steps.map(({ step, loss }) => [step, loss] as const)],
    ["update", "loss, nats per character"],
  );
}

/** The probabilities of each head of the second layer: rows look at columns. */
async function drawAttention(model: GPT2): Promise<void> {
  const prompt = "First Citizen:";
  const { attention, NH, tokens } = await inspect(model, prompt);
  const T = tokens.length;
  const [layer, cell, left, top] = [1, 18, 30, 44];
  const size = T * cell;
  const parts: string[] = [];
  for (let h = 0; h < NH; h++) {
    const x = left + (h % 2) * (size + 50);
    const y = top + Math.floor(h / 2) * (size + 56);
    parts.push(label(x + size / 2, y - 24, `head ${h}`, 'text-anchor="middle"'));
    for (let t = 0; t < T; t++) {
      parts.push(label(x - 6, y + t * cell + 13, shown(prompt[t]), 'text-anchor="end" class="small"'));
      parts.push(label(x + t * cell + 9, y - 6, shown(prompt[t]), 'text-anchor="middle" class="small"'));
      for (let t2 = 0; t2 <= t; t2++) {
        const p = attention[((layer * NH + h) * T + t) * T + t2];
        parts.push(
          `<rect class="cell" x="${x + t2 * cell}" y="${y + t * cell}" width="${cell - 1}" height="${cell - 1}" fill-opacity="${round(Math.max(p, 0.04))}"/>`,
        );
      }
    }
  }
  save(
    "attention.svg",
    left + 2 * size + 70,
    top + 2 * (size + 56),
    "What each head of the second layer attends to",
    parts,
  );
}

/** The mean loss as one weight moves, and the straight line that its gradient foretells. */
async function drawGradient(model: GPT2): Promise<void> {
  const { backend, parameters, config, tokenizer } = model;
  const ids = tokenizer?.encode(text) ?? [];
  const T = ids.length - 1;
  const [name, index] = ["lnfw", 5] as const;
  const original = (await parameters.weights.read(backend, name, index, 1))[0];
  const at = async (value: number) => {
    await parameters.weights.write(backend, name, index, Float32Array.of(value));
    return withTensors(
      backend,
      (memory) => allocLossWorkspace(memory, config, 1, T),
      async (ws) => {
        await backend.write(ws.tokens, Int32Array.from(ids.slice(0, -1)));
        await backend.write(ws.head.targets, Int32Array.from(ids.slice(1)));
        forward(backend, parameters, ws);
        lossOf(backend, parameters, ws);
        return (await backend.read(view(ws.stats, 0, [1])))[0];
      },
    );
  };
  const values = Array.from({ length: 61 }, (_, i) => original + (i - 30) / 10);
  const losses: [number, number][] = [];
  for (const value of values) losses.push([value, await at(value)]);
  const h = 0.01;
  const slope = ((await at(original + h)) - (await at(original - h))) / (2 * h);
  const here = await at(original);
  await at(original);
  const line = values
    .filter((value) => Math.abs(value - original) < 1.2)
    .map((value) => [value, here + slope * (value - original)] as const);
  curves(
    "gradient.svg",
    "The loss as one weight moves, and the line of its gradient",
    [losses, [...line]],
    [`element ${index} of lnfw`, "loss"],
  );
}

/** The norm of the gradient of the residual stream behind each layer, and of each layer's weights. */
async function drawBackward(model: GPT2): Promise<void> {
  const { backend, parameters, tokenizer, config } = model;
  const ids = tokenizer?.encode(text) ?? [];
  const T = ids.length - 1;
  const [x, y] = [Int32Array.from(ids.slice(0, -1)), Int32Array.from(ids.slice(1))];
  const update = { learningRate: 0, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, gradClip: 0 };
  await traceStep(backend, parameters, { B: 1, T, x, y }, update, async (trace) => {
    const wanted = trace.tensors.filter(({ name }) => /^d\.(lnf|encoded|h\.\d+\.(residual[23]|fch|qkv))$/.test(name));
    const norms: [string, number][] = [];
    for (const { name, read } of wanted) norms.push([name, Math.hypot(...(await read()))]);
    bars(
      "backward.svg",
      "Gradients from the loss down to the embedding",
      `norm of the gradient, from the loss (top) to the embedding, L = ${config.L}`,
      norms.map(([name, norm]) => [name, norm, /residual|lnf|encoded/.test(name) ? "bar" : "other"] as const),
    );
  });
}

/** A line of text, each token in a box with its number. */
async function drawTokens(): Promise<void> {
  const tokenizer = await gpt2Tokenizer();
  const parts: string[] = [];
  let [x, y] = [8, 8];
  for (const id of tokenizer.encode("First Citizen: Before we proceed any further, hear me speak, uncorrupted.")) {
    const piece = tokenizer.decode([id]).replace(" ", "␣");
    const width = Math.max(piece.length, `${id}`.length) * 8 + 10;
    if (x + width > 640) [x, y] = [8, y + 48];
    parts.push(`<rect class="frame" x="${x}" y="${y}" width="${width}" height="40" rx="4"/>`);
    parts.push(label(x + width / 2, y + 17, piece, 'text-anchor="middle"'));
    parts.push(label(x + width / 2, y + 33, `${id}`, 'text-anchor="middle" class="small faint"'));
    x += width + 4;
  }
  save("tokens.svg", 648, y + 48, "A line of Shakespeare in GPT-2's tokens", parts);
}

/** Bars with a label before and a number behind each. */
function bars(
  name: string,
  title: string,
  heading: string,
  rows: readonly (readonly [string, number, string?])[],
  text = (value: number) => value.toPrecision(2),
) {
  const [row, left, width] = [22, 130, 640];
  const most = Math.max(...rows.map(([, value]) => value));
  save(name, width, rows.length * row + 34, title, [
    label(left, 16, heading, 'class="faint"'),
    ...rows.flatMap(([key, value, kind = "bar"], i) => {
      const long = round((value / most) * (width - left - 90));
      return [
        label(left - 8, 40 + i * row, key, 'text-anchor="end"'),
        `<rect class="${kind}" x="${left}" y="${28 + i * row}" width="${long}" height="${row - 6}"/>`,
        label(left + 6 + long, 40 + i * row, text(value), 'class="small"'),
      ];
    }),
  ]);
}

/** The most probable characters after a prompt. */
async function drawPrediction(model: GPT2): Promise<void> {
  const { next, tokens, texts } = await inspect(model, "First Citize", { top: 8 });
  const last = (tokens.length - 1) * next.top;
  const rows = Array.from({ length: next.top }, (_, i) => {
    const piece = texts.get(next.tokens[last + i]) ?? "";
    return [`“${[...piece].map(shown).join("")}”`, next.probabilities[last + i]] as const;
  });
  bars(
    "prediction.svg",
    "The most probable next characters",
    "probability of the next character after “First Citize”",
    rows,
    (value) => value.toFixed(3),
  );
}

/** The mean size of gradients and of first updates, in units of the largest gradient and of the learning rate. */
async function drawUpdate(model: GPT2): Promise<void> {
  const { backend, parameters, tokenizer } = model;
  const ids = tokenizer?.encode(text) ?? [];
  const T = ids.length - 1;
  const [x, y] = [Int32Array.from(ids.slice(0, -1)), Int32Array.from(ids.slice(1))];
  const update = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, gradClip: 0 };
  await traceStep(backend, parameters, { B: 1, T, x, y }, update, async (trace) => {
    const read = async (name: string) =>
      trace.tensors.find((tensor) => tensor.name === name)?.read() ?? new Float32Array();
    const meanSize = (values: ArrayLike<number>) =>
      Array.from(values).reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
    const rows: [string, number, string][] = [];
    for (const name of ["ln1w", "qkvw", "attprojw", "fcw", "fcprojw", "fcb"].map((each) => `h.0.${each}`)) {
      const [before, after] = [await read(name), await read(`new.${name}`)];
      rows.push([`d.${name}`, meanSize(await read(`d.${name}`)) * 1000, "other"]);
      rows.push([`update`, meanSize(after.map((value: number, i: number) => value - before[i])) * 1000, "bar"]);
    }
    bars(
      "adamw.svg",
      "Gradients differ, updates do not",
      "mean size, in thousandths: gradient (red), first update at learning rate 0.001 (blue)",
      rows,
    );
  });
}

/** How alike the embeddings of some characters are: the cosine of the angle between their rows. */
async function drawEmbedding({ backend, parameters, config, tokenizer }: GPT2): Promise<void> {
  const characters = [..."aeiouAEIOUbcdstBCDST.!?,"];
  const { C } = config;
  const rows = await Promise.all(
    characters.map((each) => parameters.weights.read(backend, "wte", (tokenizer?.encode(each)[0] ?? 0) * C, C)),
  );
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const [cell, left, top] = [18, 28, 24];
  const parts: string[] = [];
  for (const [i, a] of rows.entries()) {
    parts.push(label(left - 8, top + i * cell + 13, characters[i], 'text-anchor="end" class="small"'));
    parts.push(label(left + i * cell + 9, top - 6, characters[i], 'text-anchor="middle" class="small"'));
    for (const [j, b] of rows.entries()) {
      const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      const place = `x="${left + j * cell}" y="${top + i * cell}" width="${cell - 1}" height="${cell - 1}"`;
      parts.push(
        `<rect class="${cosine < 0 ? "other" : "cell"}" ${place} fill-opacity="${round(Math.min(1, Math.abs(cosine)))}"/>`,
      );
    }
  }
  const size = characters.length * cell;
  save("embedding.svg", left + size + 8, top + size + 8, "How alike the embeddings of characters are", parts);
}

/** What the model would predict if it ended behind each layer, at each position. */
async function drawLens(model: GPT2): Promise<void> {
  const prompt = "First Citizen:";
  const { lens, texts } = await inspect(model, prompt, { top: 1 });
  const [cell, left, top] = [36, 96, 44];
  const parts = [
    label(left, 14, "read so far, and below it the most probable next character behind each layer", 'class="faint"'),
  ];
  for (const [t, character] of [...prompt].entries())
    parts.push(label(left + t * cell + 17, top - 8, shown(character), 'text-anchor="middle"'));
  for (const [l, layer] of lens.entries()) {
    parts.push(label(left - 10, top + l * cell + 22, l === 0 ? "embedding" : `layer ${l}`, 'text-anchor="end"'));
    for (let t = 0; t < prompt.length; t++) {
      const right = prompt[t + 1] === texts.get(layer.tokens[t]);
      const place = `x="${left + t * cell}" y="${top + l * cell}" width="${cell - 2}" height="${cell - 2}"`;
      parts.push(`<rect class="${right ? "cell" : "frame"}" ${place} rx="4"${right ? ` fill-opacity="0.35"` : ""}/>`);
      parts.push(
        label(
          left + t * cell + 17,
          top + l * cell + 22,
          shown(texts.get(layer.tokens[t]) ?? ""),
          'text-anchor="middle"',
        ),
      );
    }
  }
  save(
    "residual.svg",
    left + prompt.length * cell + 8,
    top + lens.length * cell + 8,
    "Predictions from layer to layer",
    parts,
  );
}

/** The distribution after a prompt at three temperatures. */
async function drawTemperature(model: GPT2): Promise<void> {
  const { next, tokens, texts } = await inspect(model, "ROMEO:\nI ", { top: 65 });
  const last = (tokens.length - 1) * next.top;
  const logs = Array.from({ length: next.top }, (_, i) => Math.log(next.probabilities[last + i]));
  const rows: [string, number, string][] = [];
  for (const temperature of [0.5, 1, 2]) {
    const exps = logs.map((value) => Math.exp(value / temperature));
    const sum = exps.reduce((a, b) => a + b);
    for (let i = 0; i < 6; i++)
      rows.push([
        `${i === 0 ? `at ${temperature}:  ` : ""}“${shown(texts.get(next.tokens[last + i]) ?? "")}”`,
        exps[i] / sum,
        i === 0 ? "other" : "bar",
      ]);
  }
  bars(
    "sampling.svg",
    "The same logits at three temperatures",
    "probability of the six first candidates after “ROMEO:↵I ”",
    rows,
    (value) => value.toFixed(3),
  );
}

/** Numbers of tensors of a step on the line of text, by name. */
async function tensorsOf(
  { backend, parameters, tokenizer }: GPT2,
  wanted: RegExp,
): Promise<Map<string, ArrayLike<number>>> {
  const ids = tokenizer?.encode(text) ?? [];
  const [x, y] = [Int32Array.from(ids.slice(0, -1)), Int32Array.from(ids.slice(1))];
  const update = { learningRate: 0, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, gradClip: 0 };
  return traceStep(backend, parameters, { B: 1, T: ids.length - 1, x, y }, update, async ({ tensors }) => {
    const found = new Map<string, ArrayLike<number>>();
    for (const { name, read } of tensors) if (wanted.test(name)) found.set(name, await read());
    return found;
  });
}

const deviationOf = (values: ArrayLike<number>) => {
  const all = Array.from(values);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  return Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
};

/** The standard deviation of the residual stream, and of what its layernorms give. */
async function drawStream(model: GPT2): Promise<void> {
  const tensors = await tensorsOf(model, /^(encoded|lnf|h\.\d+\.(ln[12]|residual[23]))$/);
  const rows = [...tensors].map(
    ([name, values]) => [name, deviationOf(values), /ln/.test(name) ? "other" : "bar"] as const,
  );
  bars(
    "layernorm.svg",
    "The stream grows, layernorms do not",
    "standard deviation: the residual stream (blue), after a layernorm (red)",
    rows,
  );
}

/** Shares of a tensor's elements in intervals from -3 to 3. */
function histogram(
  values: ArrayLike<number>,
  [from, to]: readonly [number, number],
  count: number,
): [number, number][] {
  const shares: [number, number][] = Array.from({ length: count }, (_, i) => [
    from + ((i + 0.5) / count) * (to - from),
    0,
  ]);
  for (const value of Array.from(values)) {
    const i = Math.floor(((value - from) / (to - from)) * count);
    if (i >= 0 && i < count) shares[i][1] += 1 / values.length;
  }
  return shares;
}

/** What the MLP's hidden channels hold before the GELU, in the first layer and the last. */
async function drawHidden(model: GPT2): Promise<void> {
  const last = model.config.L - 1;
  const tensors = await tensorsOf(model, /\.fch$/);
  const lines = [0, last].map((l) => histogram(tensors.get(`h.${l}.fch`) ?? [], [-3, 3], 60));
  curves("mlp.svg", "Hidden values before the GELU", lines, [
    "hidden value before the GELU: first layer (line), last layer (dashed)",
    "share of all",
  ]);
}

/** A corner of the matrix from which the first layer's queries come: blue above 0, red below. */
async function drawMatrix({ parameters, backend, config: { C } }: GPT2): Promise<void> {
  const [rows, columns, cell] = [20, 40, 15];
  const weights = await parameters.weights.read(backend, "qkvw", 0, rows * C);
  const parts: string[] = [];
  for (let o = 0; o < rows; o++)
    for (let c = 0; c < columns; c++) {
      const value = weights[o * C + c];
      const place = `x="${8 + c * cell}" y="${8 + o * cell}" width="${cell - 1}" height="${cell - 1}"`;
      parts.push(
        `<rect class="${value < 0 ? "other" : "cell"}" ${place} fill-opacity="${round(Math.min(1, 5 * Math.abs(value)))}"/>`,
      );
    }
  save("matmul.svg", columns * cell + 16, rows * cell + 16, "A corner of a trained matrix", parts);
}

/** The first layer's MLP weights, fresh and trained. */
async function drawWeights(model: GPT2): Promise<void> {
  const fresh = await GPT2.create("baby", { tokenizer: model.tokenizer, backend: "reference" });
  const size = 4 * model.config.C * model.config.C;
  const lines = await Promise.all(
    [fresh, model].map(async ({ parameters, backend }) =>
      histogram(await parameters.weights.read(backend, "fcw", 0, size), [-0.3, 0.3], 60),
    ),
  );
  await fresh.dispose();
  curves("init.svg", "Weights before and after training", lines, [
    "weights of the first layer's fcw: fresh (line), trained (dashed)",
    "share of all",
  ]);
}

/** What training takes in memory, by GPT-2's sizes, as the program counts it before it allocates. */
function drawMemory({ backend }: GPT2): void {
  const rows = presetNames
    .filter((name) => ["d12", "d24", "d36", "d48"].includes(name))
    .flatMap((name) => {
      const config = presetConfig(name, 50257);
      if (!config) return [];
      const { weights, optimizer, activations } = memoryParts(backend, config, {
        optimizer: true,
        train: { B: 4, T: 1024 },
      });
      return [
        [`${name} parameters`, (weights + optimizer) / 1e9, "bar"],
        [`${name} activations`, activations / 1e9, "other"],
      ] as const;
    });
  bars(
    "memory.svg",
    "Memory of a training step",
    "GB for a step of 4 x 1024 tokens: weights, gradients and moments (blue), activations (red)",
    rows,
    (value) => value.toFixed(1),
  );
}

drawRun();
await drawTokens();
const model = await GPT2.load(modelFile, { backend: "reference" });
await drawEmbedding(model);
await drawAttention(model);
await drawLens(model);
await drawStream(model);
await drawHidden(model);
await drawWeights(model);
await drawMatrix(model);
await drawTemperature(model);
await drawPrediction(model);
await drawGradient(model);
await drawBackward(model);
await drawUpdate(model);
drawMemory(model);
await model.dispose();
