/** Pipes, sockets and devices where a file is expected: each is named, and no command blocks on them. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { cli } from "./nodes.ts";
import { result, run, start, testFolder } from "./run-cli.ts";

const cwd = testFolder();
const env = { LLM_TS_CACHE: join(cwd, "cache") };
const tiny = fixturePath("gpt2_tiny.bin");
const text = "A text to learn from.\n".repeat(40);
let server: Server;

// Windows has no such files.
describe.skipIf(process.platform === "win32")("something else than a file", () => {
  beforeAll(async () => {
    execFileSync("mkfifo", [join(cwd, "fifo")]);
    execFileSync("mkfifo", [join(cwd, "fifo.jsonl")]);
    server = createServer().listen(join(cwd, "socket"));
    mkdirSync(join(cwd, "texts"));
    execFileSync("mkfifo", [join(cwd, "texts", "fifo")]);
    writeFileSync(join(cwd, "texts", "book.txt"), text);
  });
  afterAll(() => server.close());

  const commands = [
    ["info", "X"],
    ["prepare", "X", "-o", "out"],
    ["train", "-e", "X"],
    ["train", "-e", "baby", "-i", "X"],
    ["train", "-e", tiny, "-o", "X"],
    ["train", "-o", "X", "-y"],
    ["generate", "--model", "X"],
    ["eval", "texts/book.txt", "--model", "X"],
    ["eval", "X", "--model", tiny],
    ["convert", "X", "out.bin"],
    ["convert", tiny, "X", "--force"],
    ["verify", "-e", tiny, "--state", "X"],
    ["encode", "text", "--tokenizer", "X"],
    ["runs", "X"],
    ["plot", "X"],
  ];
  const names = { fifo: "a pipe", socket: "a socket", "/dev/zero": "a device" };
  test.each(Object.entries(names))("%s is %s to every command", async (path, what) => {
    for (const command of commands) {
      const args = command.map((word) => (word === "X" ? path : word));
      const { code, stderr } = await run(args, { cwd, env });
      expect(stderr, args.join(" ")).toMatch(
        /^error: .* (is a (pipe|socket|device|file)|a part of the path is a file)/m,
      );
      expect(stderr, args.join(" ")).not.toMatch(/mistake in llm-ts/);
      if (["info", "prepare", "encode"].includes(args[0] ?? "")) expect(stderr).toContain(`${path} is ${what}`);
      expect(code, `${args.join(" ")}: ${stderr}`).toBe(1);
    }
  });

  test("a pipe of documents with fields is named as well", async () => {
    const { code, stderr } = await run(["prepare", "fifo.jsonl", "-o", "out"], { cwd });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: fifo\.jsonl is a pipe/)]);
  });

  test("in a folder it is passed over, with a note", async () => {
    const { code, stderr } = await run(["prepare", "texts", "-o", "of-folder", "--tokenizer", "byte"], { cwd });
    expect([code, stderr]).toEqual([0, "left out, as they are no texts: texts/fifo\n"]);
  });

  test("a run's files that became pipes stop nothing for ever", async () => {
    const args = ["train", "-e", "baby", "-i", "texts-run", "-b", "1", "-t", "8", "-x", "1", "-o", "run"];
    await run(["prepare", "texts/book.txt", "-o", "texts-run", "--tokenizer", "char"], { cwd });
    mkdirSync(join(cwd, "run"));
    execFileSync("mkfifo", [join(cwd, "run", "run.lock")]);
    const { code, stderr } = await run(args, { cwd, env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/run\/run\.lock is a pipe/)]);
  });

  test("what a shell or standard input gives is read as ever", async () => {
    writeFileSync(join(cwd, "book.txt"), text);
    const prepare = `"${process.execPath}" "${cli}" prepare --tokenizer byte -o`;
    const shell = (command: string) => execFileSync("bash", ["-c", command], { cwd, encoding: "utf8" });
    shell(`${prepare} from-file book.txt`);
    shell(`${prepare} from-substitution <(cat book.txt)`);
    shell(`cat book.txt | ${prepare} from-stdin /dev/stdin`);
    shell(`${prepare} from-redirect /dev/stdin < book.txt`);
    shell(`cat fifo | ${prepare} from-fifo - & cat book.txt > fifo; wait`);
    await run(["prepare", "/dev/stdin", "-o", "from-socket", "--tokenizer", "byte"], { cwd, input: text });
    const [expected, ...others] = ["file", "substitution", "stdin", "redirect", "fifo", "socket"].map((name) =>
      readFileSync(join(cwd, `from-${name}`, "train.bin")),
    );
    for (const other of others) expect(other.equals(expected)).toBe(true);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("%s ends the wait for a pipe", async (signal) => {
    const substitution = `exec "${process.execPath}" "${cli}" prepare <(exec sleep 60 2>/dev/null) -o ${signal}-1`;
    const children = [
      spawn("bash", ["-c", substitution], { cwd }),
      start(["prepare", "-", "-o", `${signal}-2`], { cwd }),
    ];
    for (const [i, child] of children.entries()) {
      const done = result(child);
      // It creates its files, then waits for a text.
      const out = join(cwd, `${signal}-${i + 1}`);
      await expect.poll(() => existsSync(out) && readdirSync(out).length, { timeout: 30_000 }).toBeGreaterThan(0);
      child.kill(signal);
      expect((await done).code).toBe(signal === "SIGINT" ? 130 : 143);
    }
  });
});
