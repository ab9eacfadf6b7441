/** Every block of code in docs/learn, run as it stands on its page: what it prints is the block of text that follows. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testFolder } from "./run-cli.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const book = join(root, "docs/learn");
const languages = ["", "zh"];
const pagesIn = (language: string) => readdirSync(join(book, language)).filter((name) => /^\d\d-.*\.md$/.test(name));
const pages = languages.flatMap((language) => pagesIn(language).map((name) => join(language, name)));
const textOf = (page: string) => readFileSync(join(book, page), "utf8");

interface Block {
  readonly code: string;
  readonly output: string;
}

function blocksOf(page: string): Block[] {
  const pairs = [...textOf(page).matchAll(/^```js\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
  return pairs.map(([, code, output = ""]) => ({ code, output }));
}

/** Blocks go on from each other, until one declares a name that is there already: that one begins anew. */
function programsOf(blocks: readonly Block[]): Block[][] {
  const programs: Block[][] = [];
  const declared = (code: string) =>
    [...code.matchAll(/^(?:const|let) (?:\[([^\]]*)\]|\{([^}]*)\}|(\w+))/gm)].flatMap(([, a, b, c]) =>
      (a ?? b ?? c).split(/,\s*/),
    );
  let names = new Set<string>();
  for (const block of blocks) {
    const own = declared(block.code);
    const clashes = own.some((name) => names.has(name));
    if (programs.length === 0 || clashes) {
      programs.push([]);
      names = new Set();
    }
    programs[programs.length - 1].push(block);
    for (const name of own) names.add(name);
  }
  return programs;
}

const folder = testFolder();
mkdirSync(join(folder, "node_modules"));
symlinkSync(root, join(folder, "node_modules/llm-ts"), "junction");

function outputOf(name: string, program: readonly Block[]): string {
  const path = join(folder, name);
  writeFileSync(path, program.map(({ code }) => code).join("\n"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [path], { cwd: root, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

test.each(pages)(
  "the code of %s prints what the page says",
  (page) => {
    const programs = programsOf(blocksOf(page));
    expect(programs.length).toBeGreaterThan(0);
    for (const [i, program] of programs.entries())
      expect(outputOf(`${page.replaceAll(/\W/g, "-")}-${i}.mjs`, program)).toBe(
        program.map(({ output }) => output).join(""),
      );
  },
  60_000,
);

test("both languages have the same chapters, with the same code and pictures", () => {
  expect(pagesIn("zh")).toEqual(pagesIn(""));
  for (const name of pagesIn("")) {
    const withoutComments = (page: string) =>
      blocksOf(page).map(({ code, output }) => [code.replaceAll(/ *\/\/.*$/gm, ""), output]);
    expect(withoutComments(join("zh", name))).toEqual(withoutComments(name));
    const pictures = (page: string) =>
      [...textOf(page).matchAll(/\]\((?:\.\.\/)?(img\/[^)]+)\)/g)].map(([, picture]) => picture);
    expect(pictures(join("zh", name))).toEqual(pictures(name));
  }
});

test.each([...pages, "README.md", "zh/README.md", "port.md", "zh/port.md"])(
  "the links of %s lead somewhere",
  (page) => {
    const links = [...textOf(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) => target);
    const local = links.filter((target) => !/^https?:/.test(target));
    expect(local.filter((target) => !existsSync(resolve(book, dirname(page), target)))).toEqual([]);
  },
);
