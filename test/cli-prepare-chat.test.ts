/** `llm-ts prepare --chat` and training on what it writes, as a program. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (name: string) => join(folder, name);

test("the bundled conversations are prepared, trained on and resumed", async () => {
  const out = inFolder("talk");
  const prepared = await run(["prepare", "--chat", "smalltalk", "--tokenizer", "bpe:400", "-o", out]);
  expect(prepared.code, prepared.stderr).toBe(0);
  expect(prepared.stdout).toMatch(
    /train\.bin: \d\d,\d{3} tokens, of which \d\d,\d{3} are learned\n.*val\.bin: \d,\d{3} tokens, of which \d,\d{3} are learned\n.*tokenizer\.json: huggingface, 400 tokens/,
  );
  expect(JSON.parse(readFileSync(join(out, "dataset.json"), "utf8"))).toMatchObject({ documents: 400 });
  const small = [
    "--model",
    "custom",
    "--layers",
    "1",
    "--heads",
    "2",
    "--channels",
    "16",
    "-b",
    "2",
    "-t",
    "32",
    "-s",
    "0",
  ];
  const steps = (n: number) => ["-x", `${n}`, "-v", "2", "-m", "2", "--threads", "1", "--json", "-o", inFolder("run")];
  const trained = await run(["train", "-i", out, ...small, ...steps(4)]);
  expect(trained.code, trained.stderr).toBe(0);
  const config = JSON.parse(readFileSync(inFolder("run/config.json"), "utf8"));
  // A mask is part of the data: another one is another run.
  expect(config.data.train.map(({ path }: { path: string }) => path.slice(-10))).toEqual(["/train.bin", "train.mask"]);
  const mask = readFileSync(join(out, "train.mask"));
  writeFileSync(join(out, "train.mask"), mask.fill(1, 1024));
  const resumed = await run(["train", "-y", "-o", inFolder("run"), "--json"]);
  expect(resumed.code, resumed.stderr).toBe(1);
  expect(resumed.stderr).toMatch(/train\.mask has other content/);
});

test("mistakes are told with what to do", async () => {
  writeFileSync(inFolder("c.jsonl"), '{"messages": [{"role": "user", "content": "a"}]}\n');
  const failed = async (...args: string[]) => run(["prepare", ...args], { cwd: folder });
  expect(await failed("--chat", "c.jsonl")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/line 1: no message is the/),
  });
  for (const tokenizer of ["char", "byte"])
    expect(await failed("--chat", "smalltalk", "--tokenizer", tokenizer)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--tokenizer bpe:1024, or gpt2/),
    });
  writeFileSync(inFolder("bad.jinja"), "{% for m in messages %}\n{{ m.content }\n");
  expect(await failed("--chat", "smalltalk", "--chat-template", "bad.jinja")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/bad\.jinja is no Jinja template.*line 2, column 1/),
  });
  expect(await failed("smalltalk")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/smalltalk is conversations: add --chat, as in .*prepare --chat smalltalk/),
  });
  expect(await failed("c.jsonl")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/fields are: messages\. It is a conversation: .*prepare --chat takes those/),
  });
  expect(await failed("--chat", "tinyshakespeare")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/tinyshakespeare is a text and no conversations/),
  });
  writeFileSync(
    inFolder("d.jsonl"),
    readFileSync(inFolder("c.jsonl"), "utf8").replace("]", ', {"role": "assistant", "content": "b"}]'),
  );
  writeFileSync(
    inFolder("other.jinja"),
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|bot|>{% endif %}",
  );
  expect(await failed("--chat", "d.jsonl", "--chat-template", "other.jinja", "--val-fraction", "0")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /d\.jsonl, line 1: other\.jinja begins an assistant's turn with "<\|assistant\|>b.*it writes "<\|bot\|>"/,
    ),
  });
  expect(await failed("smalltalk", "--chat-template", "bad.jinja")).toMatchObject({ code: 2 });
});
