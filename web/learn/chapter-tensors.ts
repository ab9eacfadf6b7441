/** The tensors that a chapter is about, among those of a step. */
import type { TraceTensor } from "../../src/verify/trace-tensor.ts";

const patterns: Readonly<Record<string, RegExp>> = {
  "01": /^(tokens|targets|logits|losses|loss)$/,
  "02": /^(tokens|targets|wte)$/,
  "03": /^(encoded|wte|wpe)$/,
  "04": /^h\.\d+\.(ln1|ln1w|ln1b|ln1\.mean|ln1\.rstd|ln2)$|^lnf$/,
  "05": /^h\.\d+\.(qkv|qkvw|qkvb)$/,
  "06": /^h\.\d+\.(att|qkv|atty|attproj)$/,
  "07": /^h\.\d+\.(fch|fchgelu|fcproj|fcw)$/,
  "08": /^encoded$|^h\.\d+\.(residual2|residual3)$/,
  "09": /^(lnf|logits|losses|loss)$/,
  "10": /^(lnfw|lnfb|loss)$|^d\.(logits|lnf)$/,
  "11": /^d\.(logits|lnf|encoded|wte|wpe)$|^d\.h\.\d+\.(residual3|fchgelu|fch|residual2|atty|qkv|qkvw)$/,
  "12": /^(m|v|new)\.(wte|h\.0\.qkvw|h\.0\.ln1w)$/,
  "13": /^(wte|wpe)$|^h\.\d+\.(qkvw|attprojw|fcw|fcprojw|ln1w)$/,
  "14": /^logits$|^h\.\d+\.(qkv|att)$/,
  "15": /^h\.\d+\.(qkv|fch|fcproj|att)$/,
};

/** Names of the chapter's tensors, in the order of computation. */
export function tensorsOf(chapter: string, tensors: readonly TraceTensor[]): string[] {
  const pattern = patterns[chapter.slice(0, 2)];
  return tensors.filter(({ name }) => pattern?.test(name)).map(({ name }) => name);
}

const exercises: Readonly<Record<string, string>> = {
  "03": "01-embedding",
  "04": "02-layernorm",
  "05": "03-matmul",
  "06": "05-attention",
  "07": "06-gelu",
  "08": "15-train",
  "09": "04-softmax",
  "10": "08-loss-backward",
  "11": "09-matmul-backward",
  "12": "14-adamw",
  "13": "15-train",
  "15": "16-fast-matmul",
};

/** The exercise that belongs to a chapter; the first where none does. */
export function exerciseOf(chapter: string): string {
  return exercises[chapter.slice(0, 2)] ?? "01-embedding";
}

/** The tensor that is shown beside a gradient, moment or new value; the gradient beside any other. Undefined: alone. */
export function counterpartOf(name: string, names: ReadonlySet<string>): string | undefined {
  const [, prefix, base] = /^(d|m|v|new)\.(.*)$/.exec(name) ?? [];
  const wanted = prefix ? base : `d.${name}`;
  return names.has(wanted) ? wanted : undefined;
}
