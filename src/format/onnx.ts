/**
 * GPT-2 as an ONNX graph with a key-value cache, under the names that transformers.js and Optimum have for inputs and
 * outputs: input_ids, attention_mask and position_ids (B, S), past_key_values.N.key and .value (B, NH, P, C/NH) to logits
 * (B, S, V) and present.N.key and .value (B, NH, P+S, C/NH). Matrices are llm.c's, (out, in), in float32.
 *
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 has the messages, docs/Operators.md the operators.
 */
import { sizeOf } from "../backend/shape.ts";
import { UsageError } from "../errors.ts";
import { departures, type GPT2Config } from "../model/config.ts";
import { hubName, type TensorName } from "../model/parameters.ts";
import type { Appender } from "../platform/platform.ts";
import { bytes, float, lengthOf, text, varint } from "./protobuf.ts";
import { layerParts, readByLayer, type TensorStream } from "./tensors.ts";

/** ONNX 1.12: the first operators with LayerNormalization, which every runtime of today has. */
const irVersion = 8;
const opset = 17;

const types = { float: 1, int64: 7, bool: 9 } as const;
const attributeTypes = { float: 1, int: 2, ints: 7 } as const;

/** A Protocol Buffers message has less than 2 GiB, and this one holds the weights. */
const mostBytes = 2 ** 31;

/** Writes a model; the caller commits. UsageError where the graph is not this model's, or one file cannot hold it. */
export async function writeOnnx(sink: Appender, model: TensorStream): Promise<void> {
  const { config } = model;
  requireOnnx(config);
  const parts = layerParts(config).map((part) => {
    const head = [
      ...part.shape.flatMap((size) => varint(1, size)),
      ...varint(2, types.float),
      ...text(8, hubName(part.parameter.name, part.layer)),
      ...lengthOf(9, 4 * sizeOf(part.shape)),
    ];
    const length = head.length + 4 * sizeOf(part.shape);
    return { ...part, head: [...lengthOf(5, length), ...head] };
  });
  const graph = graphOf(config);
  const graphBytes = parts.reduce((sum, { head, shape }) => sum + head.length + 4 * sizeOf(shape), graph.length);
  const start = [...varint(1, irVersion), ...text(2, "llm-ts"), ...bytes(8, varint(2, opset))];
  if (start.length + graphBytes + 8 >= mostBytes)
    throw new UsageError(
      `An ONNX file has less than 2 GiB, and this model takes ${(graphBytes / 2 ** 30).toFixed(1)}. Convert it to safetensors ` +
        "or GGUF.",
    );
  await sink.write(Uint8Array.from([...start, ...lengthOf(7, graphBytes)]));
  await sink.write(Uint8Array.from(graph));
  await readByLayer(model, parts, async ({ head }, piece, done) => {
    if (done === 0) await sink.write(Uint8Array.from(head));
    await sink.write(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
  });
}

function requireOnnx(config: GPT2Config): void {
  const strange = Object.entries(departures(config));
  if (strange.length > 0)
    throw new UsageError(
      `transformers.js computes GPT-2's own architecture, and of this model ${strange.map(([field, value]) => `${field} is ${value}`).join(", ")}. ` +
        "Convert to safetensors.",
    );
}

/** All fields of the graph but the weights, which follow it. */
function graphOf(config: GPT2Config): number[] {
  const { L, NH, C, V } = config;
  const graph = new Graph();
  const ids = ["batch", "sequence"];
  graph.input("input_ids", types.int64, ids);
  graph.input("attention_mask", types.int64, ["batch", "total"]);
  graph.input("position_ids", types.int64, ids);
  const cached = (length: string) => ["batch", NH, length, C / NH];
  for (let l = 0; l < L; l++)
    for (const part of ["key", "value"]) {
      graph.input(`past_key_values.${l}.${part}`, types.float, cached("past"));
      graph.output(`present.${l}.${part}`, types.float, cached("total"));
    }
  graph.output("logits", types.float, [...ids, V]);
  const shapes = shapesOf(graph, config);
  const mask = maskOf(graph, shapes);
  let x = embeddings(graph, config);
  for (let l = 0; l < L; l++) x = layer(graph, config, { l, x, mask, ...shapes });
  const normed = layernorm(graph, config, { to: "ln_f", from: x, weight: "lnfw", bias: "lnfb" });
  const logits = graph.add("head", "Gemm", [normed, hubName("wte")], { transB: 1 });
  graph.add("logits", "Reshape", [logits, shapes.ofLogits]);
  return [...graph.fields, ...text(2, "gpt2")];
}

/** Names of what other operations take their sizes from. */
interface Shapes {
  /** Scalars: length of the cache, and with the new tokens. */
  readonly past: string;
  readonly total: string;
  /** (B, S, 3, NH, C/NH), and (B, S, V). */
  readonly ofQkv: string;
  readonly ofLogits: string;
}

function shapesOf(graph: Graph, { NH, C, V }: GPT2Config): Shapes {
  const ids = graph.add("ids/shape", "Shape", ["input_ids"]);
  const cache = graph.add("cache/shape", "Shape", ["past_key_values.0.key"]);
  const past = graph.add("past", "Gather", [cache, graph.int64("two", 2)]);
  const length = graph.add("length", "Gather", [ids, graph.int64("one", 1)]);
  return {
    past,
    total: graph.add("total", "Add", [past, length]),
    ofQkv: graph.add("qkv/shape", "Concat", [ids, graph.int64("qkv/rest", [3, NH, C / NH])], { axis: 0 }),
    ofLogits: graph.add("logits/shape", "Concat", [ids, graph.int64("logits/rest", [V])], { axis: 0 }),
  };
}

/** (B, 1, S, P+S): 0 for a token that may be attended to, the lowest float for a later one or one that is masked. */
function maskOf(graph: Graph, { past, total }: Shapes): string {
  const [zero, one] = [graph.int64("zero", 0), "one"];
  const rows = graph.add("mask/rows", "Range", [past, total, one]);
  const column = graph.add("mask/column", "Unsqueeze", [rows, graph.int64("mask/axis", [1])]);
  const columns = graph.add("mask/columns", "Range", [zero, total, one]);
  const causal = graph.add("mask/causal", "LessOrEqual", [columns, column]);
  const kept = graph.add("mask/kept", "Cast", ["attention_mask"], { to: types.bool });
  const ofHeads = graph.add("mask/heads", "Unsqueeze", [kept, graph.int64("mask/axes", [1, 2])]);
  const allowed = graph.add("mask/allowed", "And", [causal, ofHeads]);
  return graph.add("mask", "Where", [allowed, graph.float("mask/0", 0), graph.float("mask/lowest", -3.4028234e38)]);
}

/** (B*S, C). */
function embeddings(graph: Graph, { C }: GPT2Config): string {
  const tokens = graph.add("wte", "Gather", [hubName("wte"), "input_ids"]);
  const positions = graph.add("wpe", "Gather", [hubName("wpe"), "position_ids"]);
  const sum = graph.add("embeddings", "Add", [tokens, positions]);
  return graph.add("rows", "Reshape", [sum, graph.int64("rows/shape", [-1, C])]);
}

interface LayerInput extends Shapes {
  readonly l: number;
  /** (B*S, C). */
  readonly x: string;
  readonly mask: string;
}

function layer(graph: Graph, config: GPT2Config, { l, x, mask, ofQkv }: LayerInput): string {
  const name = (part: string) => `h.${l}/${part}`;
  const linear = (to: string, from: string, weight: TensorName, bias: TensorName) =>
    graph.add(name(to), "Gemm", [from, hubName(weight, l), hubName(bias, l)], { transB: 1 });
  const norm1 = layernorm(graph, config, { l, to: name("ln_1"), from: x, weight: "ln1w", bias: "ln1b" });
  const rows = linear("qkv", norm1, "qkvw", "qkvb");
  const parts = graph.add(name("qkv/parts"), "Reshape", [rows, ofQkv]);
  const qkv = graph.add(name("qkv/heads"), "Transpose", [parts], { perm: [2, 0, 3, 1, 4] });
  const [q, k, v] = ["zero", "one", "two"].map((at, i) => graph.add(name("qkv"[i]), "Gather", [qkv, at], { axis: 0 }));
  const keys = graph.add(`present.${l}.key`, "Concat", [`past_key_values.${l}.key`, k], { axis: 2 });
  const values = graph.add(`present.${l}.value`, "Concat", [`past_key_values.${l}.value`, v], { axis: 2 });
  const across = graph.add(name("keys"), "Transpose", [keys], { perm: [0, 1, 3, 2] });
  const products = graph.add(name("products"), "MatMul", [q, across]);
  const { C, NH } = config;
  const scaled = graph.add(name("scaled"), "Mul", [products, graph.float("scale", 1 / Math.sqrt(C / NH))]);
  const masked = graph.add(name("scores"), "Add", [scaled, mask]);
  const weights = graph.add(name("softmax"), "Softmax", [masked]);
  const heads = graph.add(name("heads"), "MatMul", [weights, values]);
  const back = graph.add(name("heads/rows"), "Transpose", [heads], { perm: [0, 2, 1, 3] });
  const attended = graph.add(name("attended"), "Reshape", [back, "rows/shape"]);
  const middle = graph.add(name("residual"), "Add", [x, linear("attn", attended, "attprojw", "attprojb")]);
  const norm2 = layernorm(graph, config, { l, to: name("ln_2"), from: middle, weight: "ln2w", bias: "ln2b" });
  const active = gelu(graph, config, name("gelu"), linear("fc", norm2, "fcw", "fcb"));
  return graph.add(name("out"), "Add", [middle, linear("mlp", active, "fcprojw", "fcprojb")]);
}

interface Norm {
  readonly l?: number;
  readonly to: string;
  readonly from: string;
  readonly weight: TensorName;
  readonly bias: TensorName;
}

function layernorm(graph: Graph, { epsilon }: GPT2Config, { l, to, from, weight, bias }: Norm): string {
  const operands = [from, hubName(weight, l), hubName(bias, l)];
  return graph.add(to, "LayerNormalization", operands, { epsilon: { float: epsilon } });
}

/** x/2 (1 + f(x)), where f is erf(x/sqrt(2)), or tanh(sqrt(2/pi) (x + 0.044715 x^3)). */
function gelu(graph: Graph, config: GPT2Config, name: string, x: string): string {
  const mul = (to: string, a: string, b: string) => graph.add(`${name}/${to}`, "Mul", [a, b]);
  const inner = () => {
    const cube = mul("cube", mul("square", x, x), x);
    const sum = graph.add(`${name}/sum`, "Add", [x, mul("part", cube, graph.float("gelu/cubic", 0.044715))]);
    return graph.add(`${name}/f`, "Tanh", [mul("inner", sum, graph.float("gelu/scale", Math.sqrt(2 / Math.PI)))]);
  };
  const f =
    config.gelu === "tanh"
      ? inner()
      : graph.add(`${name}/f`, "Erf", [mul("inner", x, graph.float("gelu/scale", Math.SQRT1_2))]);
  const more = graph.add(`${name}/more`, "Add", [f, graph.float("gelu/1", 1)]);
  return mul("out", mul("half", x, graph.float("gelu/half", 0.5)), more);
}

type Attribute = number | readonly number[] | { readonly float: number };

/** The fields of a GraphProto as they come. A value has the name of the node, or the constant, that makes it. */
class Graph {
  readonly fields: number[] = [];
  readonly #constants = new Set<string>();

  /** An operation with one result. */
  add(name: string, operator: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    this.#push(1, [
      ...inputs.flatMap((input) => text(1, input)),
      ...text(2, name),
      ...text(3, name),
      ...text(4, operator),
      ...Object.entries(attributes).flatMap(([key, value]) => bytes(5, [...text(1, key), ...attributeOf(value)])),
    ]);
    return name;
  }

  input(name: string, type: number, shape: readonly (number | string)[]): void {
    this.#push(11, valueInfo(name, type, shape));
  }

  output(name: string, type: number, shape: readonly (number | string)[]): void {
    this.#push(12, valueInfo(name, type, shape));
  }

  /** A constant: a scalar, or a list. The same name is the same constant. */
  int64(name: string, value: number | readonly number[]): string {
    const values = typeof value === "number" ? [value] : value;
    const shape = typeof value === "number" ? [] : [value.length];
    return this.#constant(name, types.int64, shape, BigInt64Array.from(values, BigInt));
  }

  float(name: string, value: number): string {
    return this.#constant(name, types.float, [], Float32Array.of(value));
  }

  #constant(name: string, type: number, shape: readonly number[], { buffer }: BigInt64Array | Float32Array): string {
    if (this.#constants.has(name)) return name;
    this.#constants.add(name);
    const head = [...shape.flatMap((size) => varint(1, size)), ...varint(2, type), ...text(8, name)];
    this.#push(5, [...head, ...bytes(9, new Uint8Array(buffer))]);
    return name;
  }

  #push(field: number, message: readonly number[]): void {
    for (const byte of bytes(field, message)) this.fields.push(byte);
  }
}

function attributeOf(value: Attribute): number[] {
  if (typeof value === "number") return [...varint(3, value), ...varint(20, attributeTypes.int)];
  if ("float" in value) return [...float(2, value.float), ...varint(20, attributeTypes.float)];
  return [...value.flatMap((one) => varint(8, one)), ...varint(20, attributeTypes.ints)];
}

/** `shape`: sizes, and names of those that vary. */
function valueInfo(name: string, type: number, shape: readonly (number | string)[]): number[] {
  const dimensions = shape.flatMap((size) => bytes(1, typeof size === "number" ? varint(1, size) : text(2, size)));
  const tensor = [...varint(1, type), ...bytes(2, dimensions)];
  return [...text(1, name), ...bytes(2, bytes(1, tensor))];
}
