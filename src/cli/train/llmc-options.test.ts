import { expect, test } from "vitest";
import { createProgram } from "../program.ts";

/** The message that arguments of `train` end with, before anything runs. */
async function refusal(...args: string[]): Promise<string> {
  const program = createProgram();
  let written = "";
  for (const command of [program, ...program.commands])
    command.configureOutput({ writeErr: (text) => (written += text), writeOut: (text) => (written += text) });
  await expect(program.parseAsync(["train", ...args], { from: "user" })).rejects.toThrow();
  return written;
}

/** All options of train_gpt2.cu that are not options of `train` with the same meaning. */
test.each(["-f", "-w", "-ge", "-lg", "-r", "-pn", "-pr", "-pg", "-pi", "-pf", "-pm", "-ps", "-pp"])(
  "%s of llm.c's GPU trainer is refused by its name",
  async (flag) => {
    expect(await refusal("-b", "4", flag, "1")).toMatch(
      `error: ${flag} is an option of llm.c's GPU trainer that does not`,
    );
  },
);

test.each([
  ["-nk", "--keep"],
  ["-nm", "--keep-every"],
  ["-sl", "--skip-loss-z"],
  ["-sg", "--skip-norm-z"],
])("for %s there is %s", async (flag, name) => {
  expect(await refusal(flag, "5")).toMatch(`Write ${name} 5\n`);
});

test("what llm.c reads otherwise is not taken silently", async () => {
  expect(await refusal("-h", "1")).toMatch("-h 1 is about HellaSwag in llm.c");
  expect(await refusal("-x", "1", "-h", "0")).toMatch("-h 0 is about HellaSwag in llm.c");
  expect(await refusal("-af", "1")).toMatch('-af means -a (--overfit) with the value "f". Write -a 1\n');
  expect(await refusal("-h")).toMatch(/^Usage: .* train \[options\]/);
});
