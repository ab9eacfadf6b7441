/** Models as they lie on the hub, made for tests: tiny, in every form that occurs there. */

export interface HubModelOptions {
  readonly V?: number;
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Before every tensor's name. */
  readonly prefix?: string;
  /** Number of files. */
  readonly parts?: number;
  readonly config?: Readonly<Record<string, unknown>>;
}

const [L, NH, C, maxT] = [2, 2, 8, 16];

/** The files of a model of 2 layers and 8 channels; the same weights whatever the options say about their form. */
export function hubModel(options: HubModelOptions = {}): Record<string, Uint8Array | string> {
  const { V = 101, dtype = "F32", prefix = "", parts = 1, config = {} } = options;
  const hidden = Number(config.n_inner ?? 4 * C);
  const tensors = shapesOf(V, hidden).map(([name, shape]) => ({
    name: prefix + name,
    shape,
    bytes: values(shape, dtype),
  }));
  const json = JSON.stringify({
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    ...{ n_layer: L, n_head: NH, n_embd: C, n_positions: maxT, vocab_size: V },
    ...config,
  });
  const weights = (some: typeof tensors) => safetensors(some, dtype);
  if (parts === 1) return { "config.json": json, "model.safetensors": weights(tensors) };
  const files: Record<string, Uint8Array | string> = { "config.json": json };
  const map: Record<string, string> = {};
  const number = (n: number) => String(n).padStart(5, "0");
  for (let part = 0; part < parts; part++) {
    const file = `model-${number(part + 1)}-of-${number(parts)}.safetensors`;
    const some = tensors.filter((_, i) => i % parts === part);
    files[file] = weights(some);
    for (const { name } of some) map[name] = file;
  }
  return { ...files, "model.safetensors.index.json": JSON.stringify({ metadata: {}, weight_map: map }) };
}

function shapesOf(V: number, hidden: number): [name: string, shape: number[]][] {
  const layers = Array.from({ length: L }, (_, l): [string, number[]][] => [
    [`h.${l}.ln_1.weight`, [C]],
    [`h.${l}.ln_1.bias`, [C]],
    [`h.${l}.attn.c_attn.weight`, [C, 3 * C]],
    [`h.${l}.attn.c_attn.bias`, [3 * C]],
    [`h.${l}.attn.c_proj.weight`, [C, C]],
    [`h.${l}.attn.c_proj.bias`, [C]],
    [`h.${l}.ln_2.weight`, [C]],
    [`h.${l}.ln_2.bias`, [C]],
    [`h.${l}.mlp.c_fc.weight`, [C, hidden]],
    [`h.${l}.mlp.c_fc.bias`, [hidden]],
    [`h.${l}.mlp.c_proj.weight`, [hidden, C]],
    [`h.${l}.mlp.c_proj.bias`, [C]],
  ]).flat();
  return [["wte.weight", [V, C]], ["wpe.weight", [maxT, C]], ...layers, ["ln_f.weight", [C]], ["ln_f.bias", [C]]];
}

/** Powers of two between 1/8 and 1, and their negatives: exact in all three types. Element i is `valueAt(i)`. */
function values(shape: readonly number[], dtype: "F32" | "F16" | "BF16"): Uint8Array {
  const size = shape.reduce((product, n) => product * n, 1);
  const floats = Float32Array.from({ length: size }, (_, i) => valueAt(i));
  if (dtype === "F32") return new Uint8Array(floats.buffer);
  const bits = new Uint32Array(floats.buffer);
  // Half floats have 5 bits of exponent, of bias 15 instead of 127, and the sign before them.
  const half = (x: number) => ((x >>> 16) & 0x8000) | ((((x >>> 23) & 0xff) - 112) << 10);
  return new Uint8Array(Uint16Array.from(bits, (x) => (dtype === "BF16" ? x >>> 16 : half(x))).buffer);
}

export function valueAt(i: number): number {
  const n = (i * 7 + (i >> 3)) % 8;
  return (n & 1 ? -1 : 1) * 2 ** -(n >> 1);
}

function safetensors(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly bytes: Uint8Array }[],
  dtype: string,
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const { name, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...tensors.map(({ bytes }) => bytes)]);
}
