/** Commands and options named in messages and help texts exist where they are printed. */
import { type Command, InvalidArgumentError, type Option } from "commander";
import { parseSync } from "vite";
import { expect, test } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { importsOf, modulesOf, readModule, resolveImport } from "./imports.ts";
import { root } from "./nodes.ts";

const program = createProgram();
const commands = new Map(program.commands.map((command) => [command.name(), command]));

/** Modules whose options are not this program's, or that no command but those with the options gets to print. */
const exempt: Readonly<Record<string, RegExp>> = {
  // The table of llm.c's own options.
  "src/cli/train/llmc-options.ts": /./,
  // `train` prepares the bundled text alone, with the default options; `prepare` reads no files of April 2024.
  "src/data/prepare.ts": /--val-fraction/,
  "src/data/dataset-writer.ts": /--val-fraction/,
  "src/data/encoding.ts": /--tokenizer/,
  // Of `readTexts`, which only commands with the option call, and `prepare`'s documents.
  "src/data/items.ts": /^--field$/,
  // Without the option a text is read as UTF-8.
  "src/data/text.ts": /--encoding/,
  "src/format/tokens.ts": /--headerless/,
  // Printed by `train` alone: the help of its options.
  "src/train/settings.ts": /^(--block|--lora-rank|-m)$/,
  // Only `train` creates run folders.
  "src/runs/run-folder.ts": /^(-y|--resume)$/,
  // Only `train` saves what several processes have trained.
  "src/train/same-weights.ts": /^(-y|--resume)$/,
  // `debug-state` computes by the reference backend alone.
  "src/backend/wasm/create.ts": /--(no-revectorize|kernel)/,
  // Only `verify` reads traces.
  "src/verify/trace-file.ts": /--expected/,
  // Of a plan to train alone: the commands that only read a model have none.
  "src/model/memory.ts": /^(-[bt]|--weights)$/,
  // Only `train` trains adapters.
  "src/train/lora-options.ts": /^--(lora-(rank|targets|alpha)|precision|weights|zero-stage)$/,
  // `learn` trains on the bundled text, which is long enough, and reads no trace.
  "src/data/loader.ts": /^-[bt]$/,
  "src/verify/compare-trace.ts": /^(--data|--model|-b|-t)$/,
  // `bench` trains in fp32.
  "src/train/checks.ts": /^--(precision|channels|heads)$/,
  // A formula.
  "src/learn/forward-exercises.ts": /^-log$/,
  // Names the option of `prepare`.
  "src/cli/eval/data.ts": /^--tokenizer$/,
  // A font.
  "src/plot/axes.ts": /-apple-system/,
};

/** Other programs' commands with their options, ours with theirs excluded. */
const foreign = /\b(ulimit|iconv|gzip|npm|ssh|jq|zcat|cat|python3?|pip|unshare|mpirun|srun)\b[^.;:()]*$/;

const modules = new Map(modulesOf(root, "src").map((path) => [path, readModule(root, path)]));

/** Modules that a command may run. */
function reachable(entry: string): Set<string> {
  const seen = new Set<string>();
  const visit = (path: string) => {
    const source = modules.get(path);
    if (source === undefined || seen.has(path)) return;
    seen.add(path);
    for (const specifier of importsOf(source)) {
      if (specifier === "#platform") visit("src/platform/node.ts");
      else if (specifier.startsWith(".")) visit(resolveImport(path, specifier));
    }
  };
  visit(entry);
  return seen;
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

/** Value of a string expression, with … for interpolations; undefined for any other expression. */
function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : undefined;
  if (node.type === "TemplateLiteral")
    return (node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked).join("…");
  if (node.type !== "BinaryExpression" || node.operator !== "+") return undefined;
  const sides = [textOf(node.left), textOf(node.right)];
  return sides.every((side) => side === undefined) ? undefined : sides.map((side) => side ?? "…").join("");
}

/** Texts for people in a module: strings with spaces, concatenations joined. */
function textsOf(path: string): string[] {
  const texts: string[] = [];
  const visit = (value: unknown, inText: boolean): void => {
    if (Array.isArray(value)) for (const one of value) visit(one, inText);
    if (!isNode(value)) return;
    const text = inText ? undefined : textOf(value);
    if (text?.trim().includes(" ")) texts.push(text);
    const within = value.type === "BinaryExpression" && (inText || text !== undefined);
    for (const child of Object.values(value)) visit(child, within);
  };
  visit(parseSync(path, modules.get(path) ?? "").program.body, false);
  return texts;
}

function knows(command: Command | undefined, option: string): boolean {
  return (
    option === "--help" ||
    option === "-h" ||
    (command ? optionsOf(command) : []).some(({ long, short }) => option === long || option === short)
  );
}

/** A command's options, and those of the commands below it. */
const optionsOf = ({ options, commands }: Command): readonly Option[] => [...options, ...commands.flatMap(optionsOf)];

/** The declarations of options are no mentions. */
interface Mention {
  readonly option: string;
  /** The command that the text names before it. */
  readonly named?: string;
}

function mentionsIn(text: string): Mention[] {
  if (/^(-\w, )?--[\w-]+ [[<]/.test(text)) return [];
  return [...text.matchAll(/(?<=[\s([]|^)--?[a-z][a-z-]*(?![\w-])/g)].flatMap(({ 0: option, index }) => {
    const before = text.slice(0, index);
    if (foreign.test(before)) return [];
    const named = [...before.matchAll(/llm-ts ([a-z-]+)/g)]
      .map(([, name]) => name)
      .findLast((name) => commands.has(name));
    return [{ option, named }];
  });
}

test("help is broken into lines by the width of the terminal alone", () => {
  for (const command of program.commands) expect(command.description(), command.name()).not.toContain("\n");
});

const argumentsOf = ({ registeredArguments }: Command) => registeredArguments;

test("no option or argument takes an empty name or path", () => {
  let found = 0;
  for (const argument of program.commands.flatMap((command) => [command, ...command.commands]).flatMap(argumentsOf)) {
    const takesText =
      ["prompt", "text", "ids"].includes(argument.name()) && argument.description.includes('"-" to read');
    if (takesText || argument.description === "its name") continue;
    found++;
    expect(() => argument.parseArg?.("", undefined), argument.name()).toThrow(InvalidArgumentError);
  }
  for (const [name, command] of commands)
    for (const option of optionsOf(command).filter(
      ({ required, optional, variadic }) => (required || optional) && !variadic,
    )) {
      found++;
      const parse = () => option.parseArg?.("", undefined);
      expect(parse, `${name} ${option.flags}`).toThrow(InvalidArgumentError);
    }
  expect(found).toBeGreaterThan(100);
});

test("every option in a message exists in the command that prints it, or that is named before it", () => {
  const wrong = new Set<string>();
  let found = 0;
  // Texts in wgsl/ are source code.
  for (const [name, command] of commands)
    for (const path of reachable(`src/cli/${name}/command.ts`))
      for (const text of path.includes("/wgsl/") ? [] : textsOf(path))
        for (const { option, named } of mentionsIn(text)) {
          found++;
          if (exempt[path]?.test(option)) continue;
          if (![command, commands.get(named ?? "")].some((one) => knows(one, option)))
            wrong.add(`${name} (${path}): ${option} in "${text}"`);
        }
  expect(found).toBeGreaterThan(200);
  expect([...wrong]).toEqual([]);
});

test("train's help says which version of llm.c its defaults are those of, and how to have today's", () => {
  const help = commands.get("train")?.helpInformation();
  expect(help).toMatch(/did in April\s+2024;.*today.*--order\s+shuffle -m 5/s);
});

test("options are found in a text, with the command that it names before them", () => {
  expect(mentionsIn("Read it with --headerless.")).toEqual([{ option: "--headerless", named: undefined }]);
  expect(mentionsIn("Use llm-ts prepare --tokenizer byte (iconv -f LATIN1 -t UTF-8).")).toEqual([
    { option: "--tokenizer", named: "prepare" },
  ]);
});

test("every example of a help text has a command that exists, and options that it knows", () => {
  let found = 0;
  for (const path of modules.keys())
    for (const text of path.startsWith("src/cli/") ? textsOf(path) : [])
      for (const [, name = "", args = ""] of text.matchAll(/(?:^|\| |&& |\w=\S+ )llm-ts ([a-z-]+)((?: [^|&<]+)?)/g)) {
        if (!commands.has(name)) continue;
        for (const [option] of args.matchAll(/(?<= )--?[a-z][a-z-]*(?![\w-])/g)) {
          found++;
          expect(knows(commands.get(name), option), `${option} in "${text}"`).toBe(true);
        }
      }
  expect(found).toBeGreaterThan(30);
});
