import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as attention from "./attention.ts";
import * as gelu from "./gelu.ts";
import { hostTensor } from "./host-tensor.ts";
import * as layernorm from "./layernorm.ts";
import * as matmul from "./matmul.ts";
import * as rotary from "./rotary.ts";

const layers = { attention, gelu, layernorm, matmul, rotary };

test.each(Object.entries(layers))("the example at the head of %s.ts gives the result that it states", (name, layer) => {
  const source = readFileSync(new URL(`${name}.ts`, import.meta.url), "utf8");
  const example = /```js\n([\s\S]*?) \* ```/.exec(source)?.[1].replaceAll(/^ \* /gm, "") ?? "";
  const [, statements, result, expected] = /^([\s\S]*)\n(\S+) \/\/ (\[.*?\])/.exec(example) ?? [];
  const scope = { hostTensor, ...layer };
  const run = new Function(...Object.keys(scope), `${statements}\nreturn [[...${result}], ${expected}];`);
  const [computed, stated] = run(...Object.values(scope));
  expect(computed).toEqual(stated);
});
