/** The build writes exactly the files that docs/browser.md lists as loaded by a page. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}dist/browser`;
const table = readFileSync(`${root}docs/browser.md`, "utf8").matchAll(
  /^\| (\S+?\.\w+)[^|]*\| ([\d,]+) \| ([\d,]+) \| (.+) \|$/gm,
);
const rows = [...table].map(([, file, ...facts]) => {
  const [bytes, compressed] = facts.map((fact) => Number(fact.replaceAll(",", "")));
  return { file, bytes, compressed, isAlways: facts[2] === "always" };
});

test.each(rows)("$file has the bytes that the table has, to a tenth", ({ file, bytes, compressed }) => {
  const content = readFileSync(`${folder}/${file}`);
  expect(Math.abs(content.length / bytes - 1)).toBeLessThan(0.1);
  // Of few bytes, the hundreds that the table rounds to count more.
  expect(Math.abs(gzipSync(content, { level: 9 }).length - compressed)).toBeLessThan(50 + 0.1 * compressed);
});

test("no script or text is left out of it, and what is not always loaded is imported by nothing else", () => {
  const files = readdirSync(folder).filter((name) => !name.endsWith(".wasm"));
  const listed = rows.map(({ file }) => file);
  expect(listed.filter((name) => !name.endsWith(".wasm")).sort()).toEqual(files.sort());
  const script = readFileSync(`${folder}/llm-ts.js`, "utf8");
  const statically = [...script.matchAll(/from"\.\/(.+?)"/g)].map(([, name]) => name);
  expect(["llm-ts.js", ...statically]).toEqual(rows.filter(({ isAlways }) => isAlways).map(({ file }) => file));
});
