/** Comparing a program's dump with a trace, tensor by tensor in the order of computation, up to the first that deviates. */
import { placeOf, sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import type { Numbers, Operand } from "../mistakes/operation.ts";
import { parametersOf } from "../model/parameters.ts";
import { type Explanation, explainByMistakes, explainByValues } from "./explain.ts";
import { type Deviation, deviation, largestOf, updateBound, usualBound } from "./tolerance.ts";
import type { Dump, ExpectedTrace } from "./trace-file.ts";
import type { TraceTensor } from "./trace-tensor.ts";

export type CompareEvent =
  /** A tensor that no trace has, and the one whose values it holds. */
  | { readonly type: "extra"; readonly name: string; readonly holds?: string }
  | ({ readonly type: "agrees"; readonly name: string; readonly shape: readonly number[] } & Deviation)
  | ({ readonly type: "deviates" } & Finding)
  | CompareVerdict;

/** The first tensor that deviates. */
export interface Finding {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its shape in the dump. */
  readonly foundShape: readonly number[];
  /** Undefined where the sizes differ. */
  readonly difference?: Deviation & {
    readonly at: readonly number[];
    readonly expected: number;
    readonly found: number;
  };
  /** Undefined where no known mistake gives these values. */
  readonly reason?: Explanation;
  /** Operands of the operation that the dump lacks; the trace's were taken. */
  readonly lacking: readonly string[];
}

export interface CompareVerdict {
  readonly type: "done";
  readonly agreeing: number;
  /** Tensors that a complete dump has, and this one lacks, in order. */
  readonly missing: readonly string[];
  readonly firstDeviation?: string;
  /** True if all that a complete dump has is there and agrees. */
  readonly okay: boolean;
}

/** Below this share of what is allowed, a difference is rounding; above it, known mistakes are tried even so. */
const suspicious = 1 / 30;

/**
 * Compares every tensor that the dump has, in order, and stops at the first that deviates. InputError where the dump is of
 * another model or batch, or has none of a trace's tensors.
 */
export async function* compareTrace(expected: ExpectedTrace, dump: Dump): AsyncGenerator<CompareEvent> {
  const known = new Set(expected.tensors.map(({ name }) => name));
  const present = expected.tensors.filter(({ name }) => dump.shapes.has(name));
  requireSameModel(expected, dump, present);
  const missing = expected.tensors.filter(
    ({ name, operation, optional }) => operation && !optional && !dump.shapes.has(name),
  );
  for (const name of dump.shapes.keys())
    if (!known.has(name)) yield { type: "extra", name, holds: await holderOf(name, missing, expected, dump) };

  const comparison = new Comparison(expected, dump);
  await comparison.requireSameBatch();
  const verdict = { type: "done", missing: missing.map(({ name }) => name) } as const;
  let agreeing = 0;
  for (const tensor of present) {
    const finding = await comparison.compare(tensor);
    if (finding.type === "deviates") {
      yield finding;
      yield { ...verdict, agreeing, firstDeviation: tensor.name, okay: false };
      return;
    }
    if (tensor.operation) {
      agreeing++;
      yield finding;
    }
  }
  yield { ...verdict, agreeing, okay: missing.length === 0 };
}

class Comparison {
  readonly #expected: ExpectedTrace;
  readonly #dump: Dump;
  readonly #decaying: ReadonlySet<string>;
  #scales: Promise<{ logits: number; gradScale: number }> | undefined;

  constructor(expected: ExpectedTrace, dump: Dump) {
    this.#expected = expected;
    this.#dump = dump;
    const { config } = expected;
    this.#decaying = new Set(parametersOf(config).flatMap(({ name, decay }) => (decay ? [name] : [])));
  }

  /** InputError where the dump's tokens or targets are others. */
  async requireSameBatch(): Promise<void> {
    for (const name of ["tokens", "targets"]) {
      if (!this.#dump.shapes.has(name)) continue;
      const [{ data: found }, { data: right }] = [await this.#dump.read(name), await this.#expected.read(name)];
      const at = right.findIndex((token: number, i: number) => found[i] !== token);
      if (at < 0 && found.length === right.length) continue;
      throw new InputError(
        `${this.#dump.name} is of another batch: ${name}[${at < 0 ? right.length : at}] is ${found[at < 0 ? right.length : at]}, ` +
          `expected ${right[at]}. Give the data that its program was given, with --data, -b and -t, or let it read this trace's ` +
          `${name}.`,
      );
    }
  }

  async compare(tensor: TraceTensor): Promise<Extract<CompareEvent, { type: "agrees" | "deviates" }>> {
    const { name, shape } = tensor;
    const stored = await this.#dump.read(name);
    const right = await this.#expected.read(name);
    const found = fitted(stored, shape, this.#expected.config.V);
    const about = { name, shape, foundShape: stored.shape };
    if (!found) return { type: "deviates", ...about, lacking: [], reason: shapeReason(tensor, stored.shape) };
    const difference = deviation(found.data, right.data, await this.#boundOf(tensor, right));
    if (difference.excess <= 1 && !isSameLayout(found.fit, stored.shape, shape))
      return { type: "deviates", ...about, lacking: [], reason: shapeReason(tensor, stored.shape) };
    if (difference.excess <= suspicious) return { type: "agrees", name, shape, ...difference };
    const { reason, lacking } = await this.#explain(tensor, found, right, difference.excess > 1);
    if (difference.excess <= 1 && (!reason || reason.upstream)) return { type: "agrees", name, shape, ...difference };
    const { index } = difference;
    const element = { at: placeOf(index, shape), expected: right.data[index], found: found.data[index] };
    return { type: "deviates", ...about, difference: { ...difference, ...element }, reason, lacking };
  }

  /** The bound of each element. */
  async #boundOf(tensor: TraceTensor, right: Operand): Promise<(i: number) => number> {
    const { inputs = {}, output, operation } = tensor;
    const { logits, gradScale } = await this.#readScales();
    if (operation === "adamw" && output === "param") {
      const [param, grad] = [await this.#expected.read(inputs.param), await this.#expected.read(inputs.grad)];
      const gradBound = usualBound({ ...tensor, name: inputs.grad }, logits, largestOf(grad))(0);
      return updateBound(param, grad, gradBound, gradScale, this.#expected.update);
    }
    // A mean may be nearly 0 where its terms are not.
    const terms = output === "mean" ? largestOf(await this.#expected.read(inputs.inp)) : 0;
    return usualBound(tensor, logits, largestOf(right), terms);
  }

  async #explain(tensor: TraceTensor, found: Operand, right: Operand, tryValues: boolean) {
    const operands: Record<string, Operand> = {};
    const lacking: string[] = [];
    for (const [role, name] of Object.entries(tensor.inputs ?? {})) {
      const own = this.#dump.shapes.has(name)
        ? fitted(await this.#dump.read(name), (await this.#expected.read(name)).shape, this.#expected.config.V)
        : undefined;
      operands[role] = own ?? (await this.#expected.read(name));
      if (!own && tensorNamed(this.#expected, name)?.operation) lacking.push(name);
    }
    const byMistake = explainByMistakes(tensor, operands, await this.#numbersFor(tensor), found.data);
    if (byMistake && !byMistake.upstream) return { reason: byMistake, lacking };
    const byValues = tryValues ? explainByValues(tensor, found, right, this.#expected) : undefined;
    return { reason: byValues ?? byMistake ?? (tensor.operation ? undefined : otherWeights), lacking };
  }

  async #numbersFor({ inputs = {} }: TraceTensor): Promise<Numbers> {
    const { config, update } = this.#expected;
    const { gradScale } = await this.#readScales();
    const decays = this.#decaying.has(inputs.param?.split(".").at(-1) ?? "");
    return { ...config, adamw: { ...update, decays, gradScale, step: 1 } };
  }

  #readScales() {
    this.#scales ??= (async () => {
      const norm = (await this.#expected.read("norm")).data[0];
      const { gradClip } = this.#expected.update;
      const gradScale = gradClip > 0 && norm > gradClip ? gradClip / norm : 1;
      return { logits: largestOf(await this.#expected.read("logits")), gradScale };
    })();
    return this.#scales;
  }
}

const otherWeights: Explanation = {
  what: "it is given, not computed: the program ran with other weights, or read the model's file wrongly",
  remaining: 0,
};

function tensorNamed({ tensors }: ExpectedTrace, name: string): TraceTensor | undefined {
  return tensors.find((tensor) => tensor.name === name);
}

type Fit = "same" | "rows" | "columns";

/** How a tensor's shape fits the wanted one: the vocabulary may be padded, as rows or as columns. */
function fitOf(found: readonly number[], wanted: readonly number[], V: number): Fit | undefined {
  const [columns, foundColumns] = [wanted[wanted.length - 1], found[found.length - 1]];
  if (sizeOf(found) === sizeOf(wanted)) return "same";
  if (wanted[0] === V && columns === foundColumns && sizeOf(found) > sizeOf(wanted)) return "rows";
  const rows = sizeOf(wanted) / columns;
  return columns === V && foundColumns > V && sizeOf(found) === rows * foundColumns ? "columns" : undefined;
}

/** A tensor of the dump with as many elements as the trace's: the vocabulary's padding left out. Undefined where it has others. */
function fitted(
  { data, shape }: Operand,
  wanted: readonly number[],
  V: number,
): (Operand & { readonly fit: Fit }) | undefined {
  const fit = fitOf(shape, wanted, V);
  const size = sizeOf(wanted);
  if (fit === "same" || fit === "rows") return { data: data.subarray(0, size), shape: wanted, fit };
  if (fit === undefined) return undefined;
  const found = shape[shape.length - 1];
  const cut = (_: unknown, i: number) => data[Math.floor(i / V) * found + (i % V)];
  return { data: Float64Array.from({ length: size }, cut), shape: wanted, fit };
}

/**
 * True where a shape only joins or divides neighbouring dimensions of the wanted one, as (B*T,C) and (B,T,3,C) do: the elements
 * are in the same order. Exchanged axes of the same size cannot be seen.
 */
function isSameLayout(fit: Fit, found: readonly number[], wanted: readonly number[]): boolean {
  if (fit !== "same") return true;
  const boundaries = (shape: readonly number[]) => {
    let product = 1;
    return shape.map((size) => (product *= size));
  };
  const [ours, theirs] = [boundaries(wanted), boundaries(found)];
  return theirs.every((end) => ours.includes(end)) || ours.every((end) => theirs.includes(end));
}

function shapeReason({ shape }: TraceTensor, found: readonly number[]): Explanation {
  const exchanged =
    sizeOf(found) === sizeOf(shape)
      ? ", with the same elements in the same order: name its axes in the right order"
      : "";
  return { what: `its shape is [${found}], expected [${shape}]${exchanged}`, remaining: Number.POSITIVE_INFINITY };
}

/** InputError for a dump without a tensor of a trace, or with tensors of other sizes. */
function requireSameModel(expected: ExpectedTrace, dump: Dump, present: readonly TraceTensor[]): void {
  if (present.length === 0) {
    const names = [...dump.shapes.keys()].slice(0, 3).map((name) => `"${name}"`);
    throw new InputError(
      `${dump.name} has none of the tensors of a trace, but ${names.join(", ") || "nothing"}. They are called as in the JSON that ` +
        "llm-ts trace writes beside a trace: encoded, h.0.ln1, h.0.qkv and so on.",
    );
  }
  const sizes = ({ config: { L, NH, C, V, maxT, hidden } }: Pick<ExpectedTrace, "config">) =>
    `L ${L}, NH ${NH}, C ${C}, hidden ${hidden}, V ${V}, maxT ${maxT}`;
  const origin = dump.origin;
  if (origin && sizes(origin) !== sizes(expected))
    throw new InputError(
      `${dump.name} is a trace of another model: of ${sizes(origin)}, expected ${sizes(expected)}. Give that model by --model, or ` +
        "trace this one.",
    );
  const { V } = expected.config;
  const others = present.filter(({ name, shape }) => fitOf(dump.shapes.get(name) ?? [], shape, V) === undefined);
  if (others.length > 2 && others.length * 2 > present.length)
    throw new InputError(
      `${dump.name} is of another model or batch: ${others[0].name} has shape [${dump.shapes.get(others[0].name)}], expected ` +
        `[${others[0].shape}] for ${sizes(expected)}, B ${expected.B}, T ${expected.T}; so do ${others.length - 1} more. Give the ` +
        "model and data that its program was given.",
    );
}

/** The missing tensor whose values an unknown one holds. */
async function holderOf(name: string, missing: readonly TraceTensor[], expected: ExpectedTrace, dump: Dump) {
  const { data } = await dump.read(name);
  const scale = largestOf({ data });
  for (const tensor of missing) {
    if (scale === 0 || sizeOf(tensor.shape) !== data.length) continue;
    const { maxDiff } = deviation(data, (await expected.read(tensor.name)).data, () => 1);
    if (maxDiff <= 1e-4 * scale) return tensor.name;
  }
  return undefined;
}
