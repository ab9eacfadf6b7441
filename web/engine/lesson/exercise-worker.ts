/**
 * Entry file of the worker that runs one exercise of the reader's: TypeScript or JavaScript, evaluated here and nowhere else.
 * The studio's server lets this file alone evaluate code, and load nothing (src/serve/answers.ts).
 */
import { transform } from "sucrase";
import { type Callable, runTask } from "../../../src/learn/run-task.ts";
import type { Report } from "../../../src/learn/task.ts";
import type { ExerciseInput } from "./protocol.ts";

type Exports = Record<string, unknown>;

const report = (what: Report | { readonly type: "ready" }) => postMessage(what);

addEventListener("message", ({ data }: MessageEvent<ExerciseInput>) => void run(data), { once: true });
report({ type: "ready" });

async function run({ id, name, sources, task }: ExerciseInput): Promise<void> {
  let loading = true;
  try {
    const found = evaluate(id, sources)[name];
    if (typeof found !== "function") throw new TypeError(`the file exports no function ${name}`);
    loading = false;
    await runTask(task, found as Callable, report);
    report({ type: "done" });
  } catch (error) {
    report({ type: "failed", ...described(error, id), ...(loading && { loading }) });
  }
}

/** What the code of an exercise exports. Lines keep their numbers. */
function evaluate(id: string, sources: Readonly<Record<string, string>>): Exports {
  const exports: Exports = {};
  const require = (path: string) => {
    const wanted = path.replace(/^\.\//, "").replace(/\.(ts|js)$/, "");
    if (!Object.hasOwn(sources, wanted)) throw new Error(`there is no exercise ${path} to import from`);
    return evaluate(wanted, sources);
  };
  const { code } = transform(sources[id], { transforms: ["typescript", "imports"], filePath: `${id}.ts` });
  const wrapped = `(function (exports, require) {${code}\n})\n//# sourceURL=${id}.ts`;
  // biome-ignore lint/security/noGlobalEval: this is what the worker is for.
  const define: (exports: Exports, require: (path: string) => Exports) => void = globalThis.eval(wrapped);
  define(exports, require);
  return exports;
}

/** The message of an error, and the line of the exercise in which it arose. */
function described(error: unknown, id: string): { message: string; line?: number } {
  if (!(error instanceof Error)) return { message: `it threw ${String(error)}` };
  // The transpiler's message begins with the file and ends with the place: "Error transforming 01-embedding.ts: … (3:7)".
  const [, message, transpiled] = /^Error transforming [^:]*: (.*?)\s*\((\d+):\d+\)$/s.exec(error.message) ?? [];
  const at = error.stack?.match(new RegExp(`${id}\\.ts:(\\d+)`))?.[1];
  const line = Number(transpiled ?? at);
  return { message: message ?? `${error.name}: ${error.message}`, ...(line > 0 && { line }) };
}
