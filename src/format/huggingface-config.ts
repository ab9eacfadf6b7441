/** Hugging Face's config.json for GPT-2 (transformers, configuration_gpt2.py). */
import type { GeluForm } from "../backend/backend.ts";
import { InputError } from "../errors.ts";
import { architectureIn, configProblem, departures, type GPT2Config, isGpt2, usualConfig } from "../model/config.ts";
import type { ByteSource } from "../platform/platform.ts";
import { endTokenFields } from "./generation-config.ts";
import { parseObject } from "./json.ts";
import type { FileDType } from "./numbers.ts";

/** Files of a tokenizer on the hub. */
export const hubTokenizerFiles = [
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
  "chat_template.jinja",
] as const;

/** No config.json is near this. */
const longestConfig = 1 << 20;

/** The forms of GELU, under the names that transformers has for them. */
export const geluForms: Readonly<Record<string, GeluForm>> = {
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
  gelu_fast: "tanh",
  gelu: "erf",
  gelu_python: "erf",
};

/** Name of each form in a GPT-2 configuration of transformers. */
export const activationFunctions: Readonly<Record<GeluForm, string>> = { tanh: "gelu_new", erf: "gelu" };

/** Switches that change what the model computes, with the value that this program computes. */
const fixed = {
  scale_attn_weights: true,
  scale_attn_by_inverse_layer_idx: false,
  add_cross_attention: false,
  tie_word_embeddings: true,
} as const;

/** GPT-2 classes of transformers: with the language-model head, or without, since its weights are wte. */
const architectures: readonly unknown[] = ["GPT2LMHeadModel", "GPT2Model"];

/** `model_type` of a model that is not a GPT-2, so that transformers refuses it as unknown. */
const ownType = { model_type: "llm-ts-gpt2", architectures: ["LlmTsGPT2"] } as const;

/** InputError, which names it, when a config.json describes another architecture than GPT-2. */
export async function requireGpt2(source: ByteSource): Promise<void> {
  checkArchitecture(source, await readJson(source));
}

function checkArchitecture(source: ByteSource, json: Record<string, unknown>): void {
  const [named]: unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  const type = json.model_type ?? "gpt2";
  if (type === ownType.model_type) return;
  if (type === "gpt2" && (named === undefined || architectures.includes(named))) return;
  throw new InputError(
    `${source.name}: this is a ${named ?? type}; llm-ts reads GPT2LMHeadModel. Give a GPT-2, for example ` +
      "openai-community/gpt2.",
  );
}

/** The model that a config.json describes; InputError when it is another than GPT-2, or damaged. */
export async function readHuggingFaceConfig(source: ByteSource): Promise<GPT2Config> {
  const json = await readJson(source);
  const wrong = (field: string, expected: string) =>
    new InputError(
      `${source.name}: "${field}" is ${JSON.stringify(json[field])}, expected ${expected}. ` +
        "Only GPT-2 with its usual layers can be read; give such a model's files.",
    );
  const whole = (field: string, fallback?: number): number => {
    const value = json[field] ?? fallback;
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong(field, "a whole number");
    return value;
  };
  checkArchitecture(source, json);
  const activation = String(json.activation_function ?? activationFunctions.tanh);
  if (!Object.hasOwn(geluForms, activation))
    throw wrong("activation_function", `GELU, which is one of ${Object.keys(geluForms).join(", ")}`);
  for (const [field, value] of Object.entries(fixed))
    if ((json[field] ?? value) !== value) throw wrong(field, `${value}`);
  const epsilon = json.layer_norm_epsilon ?? 1e-5;
  if (typeof epsilon !== "number") throw wrong("layer_norm_epsilon", "a number");

  const V = whole("vocab_size");
  const C = whole("n_embd");
  const config: GPT2Config = {
    ...usualConfig({ V, C }),
    maxT: whole("n_positions", typeof json.n_ctx === "number" ? json.n_ctx : undefined),
    V,
    L: whole("n_layer"),
    NH: whole("n_head"),
    C,
    hidden: whole("n_inner", 4 * C),
    epsilon,
    gelu: geluForms[activation],
    ...(json.model_type === ownType.model_type && architectureIn(json)),
  };
  const problem = configProblem(config);
  if (problem) throw new InputError(`${source.name} describes no model: ${problem}. Give the config.json of a GPT-2.`);
  return config;
}

async function readJson(source: ByteSource): Promise<Record<string, unknown>> {
  if (source.size > longestConfig)
    throw new InputError(`${source.name} has ${source.size} bytes, too many for a config.json. Give the right file.`);
  const text = new TextDecoder().decode(await source.read(0, source.size));
  return parseObject(source.name, text, "Download it again, or give a model's config.json.");
}

/** Names of the dtypes in torch. */
const torchTypes: Readonly<Record<FileDType, string>> = { f32: "float32", bf16: "bfloat16", f16: "float16" };

/** The config.json that transformers reads a GPT-2 with; `endTokens` are those that end a text. */
export function huggingFaceConfig(
  config: GPT2Config,
  { dtype = "f32", endTokens = [] }: { readonly dtype?: FileDType; readonly endTokens?: readonly number[] } = {},
): Record<string, unknown> {
  return {
    ...(isGpt2(config)
      ? { architectures: ["GPT2LMHeadModel"], model_type: "gpt2" }
      : { ...ownType, ...departures(config) }),
    activation_function: activationFunctions[config.gelu],
    n_layer: config.L,
    n_head: config.NH,
    n_embd: config.C,
    n_inner: config.hidden === 4 * config.C ? null : config.hidden,
    n_positions: config.maxT,
    n_ctx: config.maxT,
    vocab_size: config.V,
    layer_norm_epsilon: config.epsilon,
    ...endTokenFields(endTokens),
    torch_dtype: torchTypes[dtype],
  };
}
