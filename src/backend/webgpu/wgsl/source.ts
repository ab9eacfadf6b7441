/**
 * From a kernel's source to WGSL. A source names its operands and indexes them as tensors (`inp[i]` is element i of the
 * tensor, or its i-th vector of four); where each of them lies in which buffer is filled in here, since WebGPU forbids two
 * things that views of one buffer need: a buffer bound for reading and writing at once, and two writable bindings that
 * overlap. Operands of one buffer therefore share a binding as soon as one of them is written.
 */
import type { DType } from "../../backend.ts";

/** r: read, w: written (and read); 4: in vectors of four. */
export type Access = "r" | "w" | "r4" | "w4";

export interface KernelSource {
  readonly operands: Readonly<Record<string, Access>>;
  /** Names of the u32 and f32 parameters: `p.name`. */
  readonly u32?: readonly string[];
  readonly f32?: readonly string[];
  /** Threads of a workgroup. */
  readonly threads: number;
  /** "enable f16" and the like, in front of everything. After "enable subgroups" the body has `subgroupSize`. */
  readonly directives?: readonly string[];
  /** Functions and workgroup variables. */
  readonly declarations?: string;
  /** Body of the kernel: `group` is the workgroup's id (x,y,z), `groups` their number, `thread` the index in the workgroup. */
  readonly body: string;
}

/** Place of an operand: the binding's index, and the type of its elements in memory. */
export interface Place {
  readonly binding: number;
  readonly dtype: DType;
}

/** Elements of an operand that one index spans. */
export const lanes = (access: Access): number => (access.endsWith("4") ? 4 : 1);
export const isWritten = (access: Access): boolean => access.startsWith("w");

export interface Binding {
  readonly writable: boolean;
  readonly type: string;
}

/** The bindings behind the parameters' own, 0, in order. */
export function bindingsOf(source: KernelSource, places: readonly Place[]): Binding[] {
  const accesses = Object.values(source.operands);
  const bindings: Binding[] = [];
  for (const [i, { binding, dtype }] of places.entries()) {
    const type = storageType(dtype, lanes(accesses[i]));
    const shared = bindings[binding];
    if (!shared) bindings[binding] = { writable: isWritten(accesses[i]), type };
    else bindings[binding] = { writable: true, type: sharedType(shared.type, type) };
  }
  return bindings;
}

/** int32 operands beside float32 ones are read by their bits. */
function sharedType(a: string, b: string): string {
  const scalars = ["array<f32>", "array<i32>"];
  if (a === b && a !== scalars[1]) return a;
  if (scalars.includes(a) && scalars.includes(b)) return scalars[0];
  throw new Error(`operands of one buffer as ${a} and ${b}`);
}

function storageType(dtype: DType, width: number): string {
  if (dtype === "bf16") return width === 4 ? "array<vec2<u32>>" : "array<u32>";
  if (dtype === "i32") return "array<i32>";
  return width === 4 ? "array<vec4<f32>>" : "array<f32>";
}

export function wgslOf(source: KernelSource, places: readonly Place[]): string {
  const names = Object.keys(source.operands);
  const bindings = bindingsOf(source, places);
  const fields = [
    ...names.map((name) => `at_${name}: u32`),
    ...(source.u32 ?? []).map((name) => `${name}: u32`),
    ...(source.f32 ?? []).map((name) => `${name}: f32`),
  ];
  const storage = bindings.map(({ writable, type }, i) => {
    const mode = writable ? "read_write" : "read";
    return `@group(0) @binding(${i + 1}) var<storage, ${mode}> memory${i}: ${type};`;
  });
  const directives = source.directives ?? [];
  const subgroupSize = directives.includes("enable subgroups") ? ", @builtin(subgroup_size) subgroupSize: u32" : "";
  const readers: string[] = [];
  const writers: string[] = [];
  let code = `${source.declarations ?? ""}
@compute @workgroup_size(${source.threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) thread: u32${subgroupSize}) {
${source.body}
}`;
  for (const [i, name] of names.entries()) {
    const { binding, dtype } = places[i];
    const memory = `memory${binding}`;
    const width = lanes(source.operands[name]);
    if (dtype === "bf16") readers.push(bfloat16Reader(name, memory, width));
    const at = (index: string) => `p.at_${name} + (${index})`;
    if (dtype === "bf16" && isWritten(source.operands[name])) {
      writers.push(bfloat16Writer(name, memory));
      code = replaceAssignments(code, name, (index, value) => `write_${name}(${at(index)}, ${value});`);
    }
    code = replaceAccesses(code, name, (index) => {
      if (dtype === "bf16") return `read_${name}(${at(index)})`;
      if (dtype === "i32" && bindings[binding].type === "array<f32>") return `bitcast<i32>(${memory}[${at(index)}])`;
      return `${memory}[${at(index)}]`;
    });
  }
  if (writers.length > 0) writers.unshift(halves);
  return `${directives.map((directive) => `${directive};\n`).join("")}struct Parameters { ${fields.join(", ")} }
@group(0) @binding(0) var<uniform> p: Parameters;
${[...storage, ...readers, ...writers, code].join("\n")}`;
}

/** A bfloat16 is the upper half of a float32; two lie in a u32, the first in its lower half. */
function bfloat16Reader(name: string, memory: string, width: number): string {
  if (width === 4)
    return `fn read_${name}(i: u32) -> vec4<f32> { let w = ${memory}[i]; return bitcast<vec4<f32>>(vec4<u32>(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u)); }`;
  return `fn read_${name}(i: u32) -> f32 { let w = ${memory}[i >> 1u]; return bitcast<f32>(select(w << 16u, w & 0xffff0000u, (i & 1u) == 1u)); }`;
}

/** Rounds to nearest, ties to even. NaN stays NaN: it must not become infinity. */
const halves = `fn halves(x: vec4<f32>) -> vec2<u32> {
  let bits = bitcast<vec4<u32>>(x);
  let isNan = (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
  let rounded = bits + vec4<u32>(0x7fffu) + ((bits >> vec4<u32>(16u)) & vec4<u32>(1u));
  let upper = select(rounded, bits | vec4<u32>(0x400000u), isNan) >> vec4<u32>(16u);
  return upper.xz | (upper.yw << vec2<u32>(16u));
}`;

/** In whole vectors: threads that each wrote half of a word would undo each other's. */
function bfloat16Writer(name: string, memory: string): string {
  return `fn write_${name}(i: u32, x: vec4<f32>) { ${memory}[i] = halves(x); }`;
}

/** `code` with every `name[index] = value;` replaced by what `assign` makes of them; `+=` and the like read first. */
function replaceAssignments(code: string, name: string, assign: (index: string, value: string) => string): string {
  const assignment = new RegExp(`\\b${name}\\[([^;{}]*)\\] ([-+*/]?)= ([^;]*);`, "g");
  return code.replace(assignment, (_, index: string, operator: string, value: string) =>
    assign(index, operator ? `${name}[${index}] ${operator} (${value})` : value),
  );
}

/** `code` with every `name[index]` replaced by what `access` makes of its index. */
function replaceAccesses(code: string, name: string, access: (index: string) => string): string {
  const opening = new RegExp(`\\b${name}\\[`);
  const found = opening.exec(code);
  if (!found) return code;
  const start = found.index + found[0].length;
  let end = start;
  for (let depth = 1; depth > 0; end++) {
    if (code[end] === "[") depth++;
    if (code[end] === "]") depth--;
  }
  const index = replaceAccesses(code.slice(start, end - 1), name, access);
  return code.slice(0, found.index) + access(index) + replaceAccesses(code.slice(end), name, access);
}
