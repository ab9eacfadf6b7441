/** Kernels over elements, in vectors of four where operands lie so. */
import type { GeluForm } from "../../backend.ts";
import { index, THREADS } from "./snippets.ts";
import type { Access, KernelSource } from "./source.ts";

type Operands = Readonly<Record<string, "r" | "w">>;

/** `body` for element (or vector) i of p.n, whose type is `T` in the code. */
function elementwise(
  operands: Operands,
  vectors: boolean,
  body: string,
  { declarations = "", f32 = [] }: { readonly declarations?: string; readonly f32?: readonly string[] } = {},
): KernelSource {
  const access = ([name, mode]: [string, "r" | "w"]): [string, Access] => [name, vectors ? `${mode}4` : mode];
  return {
    operands: Object.fromEntries(Object.entries(operands).map(access)),
    u32: ["n"],
    f32,
    threads: THREADS,
    declarations: `alias T = ${vectors ? "vec4<f32>" : "f32"};\n${declarations}`,
    body: `let i = ${index()};\nif (i >= p.n) { return; }\n${body}`,
  };
}

export const roundSource = elementwise({ out: "w", inp: "r" }, true, "out[i] = inp[i];");

export const fillSource = (vectors: boolean) =>
  elementwise({ out: "w" }, vectors, "out[i] = T(p.value);", { f32: ["value"] });

/** Of int32. */
export const fillWholeSource = elementwise({ out: "w" }, false, "out[i] = i32(p.value);", { f32: ["value"] });

export const residualSource = (vectors: boolean) =>
  elementwise({ out: "w", a: "r", b: "r" }, vectors, "out[i] = a[i] + b[i];");

export const addScaledSource = (vectors: boolean) =>
  elementwise({ out: "w", a: "r", b: "r" }, vectors, "out[i] = p.alpha * a[i] + p.beta * b[i];", {
    f32: ["alpha", "beta"],
  });

/** tanh of more than 15 is 1 in f32, and overflows where a driver computes it by exponentials. */
const tanhForm = `
fn tanhOf(x: T) -> T { return tanh(clamp(${Math.sqrt(2 / Math.PI)} * (x + 0.044715 * x * x * x), T(-15.0), T(15.0))); }
fn share(x: T) -> T { return 0.5 * (1.0 + tanhOf(x)); }
fn slope(x: T) -> T { let t = tanhOf(x); return 0.5 * (1.0 - t) * (1.0 + t) * ${Math.sqrt(2 / Math.PI)} * (1.0 + ${3 * 0.044715} * x * x); }`;

/**
 * The complementary error function by the Chebyshev fit of Numerical Recipes (erfcc), within 1.2e-7 of itself, so that what
 * is left of x far below 0 is right as well.
 */
const erfForm = `
fn erfc(x: T) -> T {
  let z = abs(x);
  let t = 1.0 / (1.0 + 0.5 * z);
  let r = t * exp(-z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807
    + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
  return select(2.0 - r, r, x >= T(0.0));
}
fn share(x: T) -> T { return 0.5 * erfc(-${Math.SQRT1_2} * x); }
fn slope(x: T) -> T { return exp(-0.5 * x * x) * ${1 / Math.sqrt(2 * Math.PI)}; }`;

const forms: Readonly<Record<GeluForm, string>> = { tanh: tanhForm, erf: erfForm };

export const geluSource = (form: GeluForm, vectors: boolean) =>
  elementwise({ out: "w", inp: "r" }, vectors, "let x = inp[i]; out[i] = x * share(x);", { declarations: forms[form] });

export const geluBackwardSource = (form: GeluForm, vectors: boolean) =>
  elementwise(
    { dinp: "w", inp: "r", dout: "r" },
    vectors,
    "let x = inp[i]; dinp[i] = dout[i] * (share(x) + x * slope(x));",
    { declarations: forms[form] },
  );

/** A square beyond f32 gives NaN, which 0 times the difference of infinities is not sure to give. */
export const adamwSource = (vectors: boolean, hasCopy: boolean) =>
  elementwise(
    { param: "w", grad: "r", m: "w", v: "w", ...(hasCopy && { copy: "w" }) },
    vectors,
    `let g = grad[i] * p.gradScale;
let m1 = m[i] + p.oneMinusBeta1 * (g - m[i]);
let v1 = p.beta2 * v[i] + p.oneMinusBeta2 * g * g;
m[i] = m1;
v[i] = v1;
let updated = param[i] * p.decay - p.stepSize * m1 / (sqrt(v1) * p.rootScale + p.epsilon);
let next = select(updated, T(p.nan), (bitcast<U>(v1) & U(0x7f800000u)) == U(0x7f800000u));
param[i] = next;
${hasCopy ? "copy[i] = next;" : ""}`,
    {
      declarations: `alias U = ${vectors ? "vec4<u32>" : "u32"};`,
      f32: ["gradScale", "oneMinusBeta1", "beta2", "oneMinusBeta2", "decay", "rootScale", "epsilon", "stepSize", "nan"],
    },
  );

/** Words of two bfloat16s, of which the lower half of the first and the upper half of the last can be kept. */
export const putHalvesSource: KernelSource = {
  operands: { out: "w", inp: "r" },
  u32: ["n", "keepsFirst", "keepsLast"],
  threads: THREADS,
  body: `let i = ${index()};
if (i >= p.n) { return; }
var kept = 0;
if (i == 0u && p.keepsFirst == 1u) { kept |= 0xffff; }
if (i == p.n - 1u && p.keepsLast == 1u) { kept |= bitcast<i32>(0xffff0000u); }
out[i] = (out[i] & kept) | (inp[i] & ~kept);`,
};
