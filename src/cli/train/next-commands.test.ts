import { expect, test } from "vitest";
import { byteTokenizer } from "../../tokenizer/byte.ts";
import { charTokenizerOf } from "../../tokenizer/char.ts";
import { nextCommands } from "./next-commands.ts";

const run = { train: "data", tokenizer: byteTokenizer(), folder: "runs/it's", interrupted: false };

test("a text of one's own is suggested only after the bundled one", () => {
  const tokenizer = charTokenizerOf("ab");
  const after = (train: string | undefined) => nextCommands({ ...run, tokenizer, saved: true, train }).join("\n");
  expect(after(undefined)).toContain("train on a text of your own");
  expect(after("data")).not.toContain("your own");
});

test("a model is suggested to be written with only where a checkpoint was saved", () => {
  expect(nextCommands({ ...run, saved: true }).join("\n")).toMatch(
    /write with this model:\n {2}.* --model 'runs\/it'\\''s'$/,
  );
  expect(nextCommands({ ...run, saved: false })).toEqual([]);
  expect(nextCommands({ ...run, saved: false, interrupted: true }).join("\n")).toMatch(/^resume it:\n {2}.* --resume$/);
  const logged = nextCommands({ ...run, saved: false, interrupted: true, tensorboard: "my tb" });
  expect(logged.join("\n")).toMatch(/ --resume --tensorboard 'my tb'$/);
  const launched = nextCommands({ ...run, saved: false, interrupted: true, launchedBy: "mpirun -np 2" });
  expect(launched.join("\n")).toMatch(
    /^resume it, with the launcher's other options as before:\n {2}mpirun -np 2 .* --resume$/,
  );
});
