/** What commands refuse: nothing is left of it, and nothing that was there is lost. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const cwd = testFolder();
const tiny = fixturePath("gpt2_tiny.bin");
const words = (line: string) => line.split(" ");

beforeAll(() => {
  writeTokens(join(cwd, "train.bin"), 400, 101);
  const large = readFileSync(tiny);
  large.writeFloatLE(70000, 1024);
  writeFileSync(join(cwd, "large.bin"), large);
  const files = {
    "text.txt": "some text\n",
    "empty.txt": "",
    "binary.txt": "\xff\xfe\xfd",
    "none.jsonl": "",
    "other.jsonl": '{"a": "b"}\n',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content, "latin1");
});

describe("no folder is left of a run that is refused", () => {
  const small = "-e custom --layers 1 --heads 1 --channels 8 --vocab 101 -i train.bin -t 8";
  test.each([
    ["-i no.bin", "no.bin does not exist"],
    ["-i no.bin -v 5 -m 3", "no.bin does not exist"],
    ["-b 100", "train.bin has 400 tokens"],
    ["--context 8 -t 128", "is longer than the model's"],
    ["-d 100", "A total batch of 100 tokens"],
    ["-z 1", "and this is one"],
    ["--lora-rank 4", "begins with random weights"],
    ["--early-stop 3", "needs --val data"],
    ["-k cosine -x 5 -u 10", "The warm-up is 10 updates"],
    ["--blas ./no.so", "there is no such file"],
    ["--tensorboard text.txt", "--tensorboard: text.txt is a file. Give the name of a folder."],
  ])("%s", async (options, message) => {
    for (const out of ["in/a/folder", "runs/"]) {
      const { code, stderr } = await run(["train", ...words(small), ...words(options), "-o", out], { cwd });
      expect(stderr).toContain(message);
      expect(code).toBeGreaterThan(0);
      expect(existsSync(join(cwd, out.split("/")[0]))).toBe(false);
    }
  });
});

test.each([
  ["prepare text.txt --tokenizer bpe:5000 -o empty.txt", "empty.txt is a file"],
  ["prepare other.jsonl --field a --tokenizer bpe:5000 -o empty.txt", "empty.txt is a file"],
  ["prepare text.txt --tokenizer bpe:5000 -o foreign", "would be replaced"],
  ["tokenizer train text.txt --vocab 5000 -o empty.txt", "empty.txt is a file"],
])("%s is refused before a vocabulary is trained", async (line, message) => {
  mkdirSync(join(cwd, "foreign"), { recursive: true });
  writeFileSync(join(cwd, "foreign", "train.bin"), "someone else's");
  const { code, stderr } = await run(words(line), { cwd });
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
});

test.each([
  "prepare text.txt -o -",
  "tokenizer train text.txt --vocab 300 -o -",
  "train -e baby -o -",
  "pull gpt2 -o -",
  "learn -",
  `convert ${tiny} -`,
  `trace -e ${tiny} -i train.bin --out -`,
  `debug-state -e ${tiny} -i train.bin --out -`,
])("%s is refused: no folder is named so by mistake", async (line) => {
  const { code, stderr } = await run(words(line), { cwd });
  expect([code, stderr]).toEqual([2, expect.stringContaining("Standard output does not take it: give a path; ./- is")]);
  expect(readdirSync(cwd)).not.toContain("-");
});

test.each([
  ["generate Hi --top-p 0", "--top-p <f>' argument '0' is invalid. Expected a number from 0.000001 to 1."],
  ["chat --top-p 0", "--top-p <f>' argument '0' is invalid. Expected a number from 0.000001 to 1."],
  ["generate Hi --seed 9007199254740993", "Expected a whole number from 0 to 9007199254740991."],
])("%s is refused before anything is loaded", async (line, message) => {
  const { code, stderr } = await run([...words(line), "-e", "nowhere.bin"], { cwd });
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test.each([
  ["prepare binary.txt -o OUT", "is not valid UTF-8"],
  ["prepare empty.txt -o OUT", "the text is empty"],
  ["prepare text.txt -o OUT --val-fraction 0.99", "The text is too short"],
  ["prepare none.jsonl -o OUT", "there are no documents"],
  ["prepare other.jsonl -o OUT", 'the field "text" is missing'],
  ["prepare other.jsonl --chat -o OUT", 'there is neither "messages"'],
  ["tokenizer train text.txt --vocab 5000 --out OUT", "were asked for"],
  ["convert large.bin OUT --dtype f16", "float16 holds numbers up to 65504"],
  [`convert ${tiny} OUT/x.bin --dtype q8_0`, "q8_0 is a type of GGUF alone"],
])("no folder is left of %s", async (line, message) => {
  const { code, stderr } = await run(words(line.replace("OUT", "one/inside/another")), { cwd });
  expect(stderr).toContain(message);
  expect(code).toBeGreaterThan(0);
  expect(existsSync(join(cwd, "one"))).toBe(false);
});

test.each([
  ["prepare other.jsonl --chat --field a --shard-tokens 9", "--field, --shard-tokens have no effect here: with --chat"],
  ["prepare text.txt --field a", "--field has no effect here: text.txt is plain text"],
  ["prepare tinyshakespeare --threads 2", "--threads has no effect here"],
  ["prepare tinyshakespeare --encoding utf-16", "--encoding has no effect here: tinyshakespeare is bundled"],
  ["prepare tinystories --shard-tokens 100", "--shard-tokens has no effect here: tinystories is"],
  ["prepare fineweb --val-fraction 0.1", "--val-fraction has no effect here"],
  ["prepare hellaswag --threads 2", "--threads has no effect here"],
  ["tokenizer train text.txt --vocab 260 --field a", "--field has no effect here"],
  ["bench --group --contention", "--contention has no effect here: --group measures"],
  ["bench --group --markdown-row --svg x.svg", "--svg, --markdown-row have no effect here"],
  ["bench --mpi libmpi.so --quick", "--mpi has no effect here"],
  [`eval --model ${tiny} --hellaswag --field a`, "--field has no effect here"],
  [`verify --model ${tiny} --state no.bin --partial -b 2`, "--partial, --batch have no effect here"],
  [`verify --model ${tiny} --trace no.safetensors -t 4`, "--block has no effect here: no --data is read"],
  ["verify --expected no.safetensors --trace no.safetensors --threads 2", "--threads has no effect here"],
  ["info --system --headerless", "--headerless is about a file of tokens"],
  [`train -e ${tiny} -i train.bin -t 8 --force`, "--force has no effect here: it is for --resume"],
])("an option that does nothing is refused: %s", async (line, message) => {
  const before = readdirSync(cwd);
  const { code, stdout, stderr } = await run(words(line), { cwd });
  expect(stderr).toContain(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(readdirSync(cwd)).toEqual(before);
});

test("a folder that was there stays, with what is in it", async () => {
  const { code } = await run(words("prepare empty.txt -o ."), { cwd });
  expect(code).toBe(1);
  expect(readdirSync(cwd)).toContain("empty.txt");
});
