/** The files that a reader fills in: TypeScript, or JavaScript with the types in comments where Node runs no TypeScript. */
import { backwardExercises } from "./backward-exercises.ts";
import type { Exercise } from "./exercise.ts";
import { fastExercise, slowLines } from "./fast-exercise.ts";
import { forwardExercises } from "./forward-exercises.ts";
import { trainExercise } from "./train-exercise.ts";

export type Language = "ts" | "js";

/** The exercises of one function, before and after the one that joins them. */
export const layerExercises: readonly Exercise[] = [...forwardExercises, ...backwardExercises];

/** All exercises in order. */
export const exercises: readonly Pick<Exercise, "id" | "name" | "title" | "hints">[] = [
  ...layerExercises,
  trainExercise,
  fastExercise,
];

/** The content of an exercise's file, as it is written at first. */
export function sourceOf(id: string, language: Language): string {
  if (id === trainExercise.id) return trainSource(language);
  if (id === fastExercise.id) return exerciseSource(fastExercise, language, slowLines);
  const exercise = layerExercises.find((known) => known.id === id);
  if (!exercise) throw new RangeError(`there is no exercise ${id}`);
  return exerciseSource(exercise, language, [...exercise.start, "// Your lines.", "", returned(exercise)]);
}

const optionsType =
  "{ learningRate: number; beta1: number; beta2: number; eps: number; weightDecay: number; step: number }";
const typeOf = (type: string) => (type === "AdamWOptions" ? optionsType : type);

function returned({ results, start }: Exercise): string {
  const names = Object.keys(results);
  if (start[0].startsWith("const updated")) return "return updated;";
  return names.length === 1 ? `return ${names[0]};` : `return { ${names.join(", ")} };`;
}

function exerciseSource(exercise: Exercise, language: Language, lines: readonly string[]): string {
  const { name, title, text, parameters, results } = exercise;
  const names = Object.keys(results);
  const returns =
    names.length === 1 ? "Float32Array" : `{ ${names.map((each) => `${each}: Float32Array`).join("; ")} }`;
  const documented = parameters.filter(({ doc }) => doc).map(({ name, doc }) => `${name}: ${doc}`);
  const shapes = Object.entries(results).map(([each, shape]) => `${each} ${shape}`);
  const head = [`${title}.`, "", ...text, "", ...documented, `Returns ${shapes.join(", ")}.`];
  const body = lines.map((line) => (line === "" ? "" : `  ${line}`));
  if (language === "ts") {
    const signature = parameters.map((each) => `${each.name}: ${typeOf(each.type)}`).join(", ");
    return join(comment(head), `export function ${name}(${signature}): ${returns} {`, ...body, "}");
  }
  const tags = [...parameters.map((each) => `@param {${typeOf(each.type)}} ${each.name}`), `@returns {${returns}}`];
  const signature = parameters.map((each) => each.name).join(", ");
  return join(
    "// @ts-check",
    "",
    comment([...head, "", ...tags]),
    `export function ${name}(${signature}) {`,
    ...body,
    "}",
  );
}

function trainSource(language: Language): string {
  const { name, title, text, imports, body } = trainExercise;
  const lines = imports.map(([names, id]) => `import { ${names} } from "./${id}.${language}";`);
  const head = comment([`${title}.`, "", ...text]);
  const names = "weights, tokens, targets, sizes";
  const sizes = "{ B: number; T: number; L: number; NH: number; C: number; V: number; Vp: number; maxT: number }";
  const signature =
    language === "js"
      ? `export function ${name}(${names}) {`
      : `type Arrays = Record<string, Float32Array>;\n\nexport function ${name}(weights: Arrays, tokens: Int32Array, targets: Int32Array, sizes: ${sizes}): { loss: number; grads: Arrays } {`;
  const typed =
    language === "js"
      ? body
      : body
          .replace("const w = (name) =>", "const w = (name: string) =>")
          .replace("const grads = {}", "const grads: Arrays = {}");
  return join(...lines, "", head, signature, typed, "}");
}

function comment(lines: readonly string[]): string {
  return ["/**", ...lines.map((line) => (line === "" ? " *" : ` * ${line}`)), " */"].join("\n");
}

function join(...lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
