/** Files that are no text in UTF-8, given to the program: other encodings, other formats, tokens without a header. */
import { execSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (...names: string[]) => join(folder, ...names);
const paste = (command: string) => execSync(command, { cwd: folder, encoding: "utf8", stdio: "pipe" });

test("the encoding of a text is named, and the suggested command reads it", async () => {
  const text = "滚滚长江东逝水，浪花淘尽英雄。是非成败转头空。青山依旧在，几度夕阳红。";
  const gbk = "ufa59rOkva22q8rFy66jrMDLu6jM1L6h06LQ26Gjyse3x7PJsNzXqs23v9Who8fgyb3SwL7J1NqjrLy4tsjPptH0uuyhow==";
  writeFileSync(inFolder("utf8.txt"), text);
  writeFileSync(inFolder("my novel.txt"), Buffer.from(gbk, "base64"));
  const args = ["prepare", "my novel.txt", "--val-fraction", "0", "-o", "novel"];
  const { code, stderr } = await run(args, { cwd: folder });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/not valid UTF-8 at byte 0 .*a text in GB18030/)]);
  paste(/Read it as that: (.*)\n/.exec(stderr)?.[1] ?? "false");
  const whole = await run(["prepare", "utf8.txt", "--val-fraction", "0", "-o", "utf8"], { cwd: folder });
  expect(whole.code).toBe(0);
  const tokens = (name: string) => readFileSync(inFolder(name, "train.bin")).subarray(1024);
  expect(tokens("novel").equals(tokens("utf8"))).toBe(true);
});

test("info names the encoding of a text, and how to prepare it, and what else a file is", async () => {
  writeFileSync(
    inFolder("latin text.txt"),
    Buffer.from("Caf\u00e9 au lait, cr\u00e8me br\u00fbl\u00e9e, tr\u00e8s bon.", "latin1"),
  );
  const { stdout, stderr } = await run(["info", "latin text.txt"], { cwd: folder });
  expect(stdout).toMatch(/format +text\n.*encoding +windows-1252\n/s);
  paste(`${/on:\n {2}(.*)\n/.exec(stderr)?.[1] ?? "false"} --val-fraction 0 -o info`);
  writeFileSync(inFolder("picture.txt"), Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1Pe", "base64"));
  const picture = await run(["info", "picture.txt"], { cwd: folder });
  expect([picture.code, picture.stderr]).toEqual([
    1,
    expect.stringContaining("picture.txt is a picture (PNG), and has"),
  ]);
});

test("documents in .jsonl may begin with a byte order mark, or be in another encoding", async () => {
  const tokens = async (name: string, content: Uint8Array | string, ...more: string[]) => {
    writeFileSync(inFolder(name), content);
    const found = await run(["prepare", name, "--val-fraction", "0", "-o", "json", ...more], { cwd: folder });
    expect(found.code, found.stderr).toBe(0);
    return readFileSync(inFolder("json", "train_000000.bin")).toString("hex");
  };
  const plain = await tokens("plain.jsonl", '{"text":"één"}\n');
  expect(await tokens("mark.jsonl", '\ufeff{"text":"één"}\n')).toBe(plain);
  expect(await tokens("latin.jsonl", Buffer.from('{"text":"één"}\n', "latin1"), "--encoding", "latin1")).toBe(plain);
});

test("nanoGPT's tokens are no text; what is suggested for them works", async () => {
  const nano = inFolder("nano gpt");
  mkdirSync(nano);
  const tokens = Uint16Array.from({ length: 20000 }, (_, i) => (i * 7 + (i >> 3)) % 65);
  writeFileSync(join(nano, "train.bin"), tokens);
  writeFileSync(join(nano, "meta.pkl"), Buffer.of(0x80, 4, 0x95));
  const file = "nano gpt/train.bin";
  const refused = await run(["prepare", file, "-o", "out"], { cwd: folder });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /is not text, but tokens without a header \(uint16\), as nanoGPT writes them\. .*meta\.pkl/,
  );
  const command = /Train on it: (.*)\n/.exec(refused.stderr)?.[1] ?? "false";
  expect(paste(`${command} -x 1 -b 1 -t 8 -s 0 --layers 1 --heads 1 --channels 8`)).toContain("step 0");
  for (const args of [
    ["info", file],
    ["train", "--model", "baby", "--train", file],
    ["eval", file, "--model", fixturePath("gpt2_tiny.bin")],
  ]) {
    const { code, stderr } = await run(args, { cwd: folder });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/read it with --headerless uint16\. .*meta\.pkl beside it/),
    ]);
  }
  const facts = { tokens: 20000, bytesPerToken: 2, largestToken: 64 };
  for (const args of [
    ["--headerless", "uint16", file],
    [file, "--headerless=uint16"],
  ])
    expect(JSON.parse((await run(["info", "--json", ...args], { cwd: folder })).stdout)).toMatchObject(facts);
  const wrong = await run(["info", "--headerless", file], { cwd: folder });
  expect(wrong.stderr).toMatch(/seems to hold uint16 tokens, and not int32/);
  const unknown = await run(["info", "--headerless=float64", file], { cwd: folder });
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("int32, uint16")]);
});

test("a picture is named as a picture, and other bytes can be trained on as they are", async () => {
  writeFileSync(inFolder("x.png"), Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13));
  const picture = await run(["prepare", "x.png"], { cwd: folder });
  expect([picture.code, picture.stderr]).toEqual([
    1,
    expect.stringMatching(/x\.png is not text, but a picture \(PNG\)/),
  ]);
  writeFileSync(
    inFolder("raw"),
    Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256),
  );
  const raw = await run(["prepare", "raw", "-o", "raw-out"], { cwd: folder });
  expect(paste(/as they are: (.*)\n/.exec(raw.stderr)?.[1] ?? "false")).toContain("tokens");
});
