/** Pastes every command that the program suggests into a shell, with paths that need quoting. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeHub } from "./fake-hub.ts";
import { hubModel } from "./hub-model.ts";
import { cli } from "./nodes.ts";
import { result, run, start, testFolder, written } from "./run-cli.ts";

const cwd = join(testFolder(), "it's a $HOME; folder");
const awkward = "ou t$x'y";
const tiny = "--model custom --layers 1 --heads 2 --channels 16 --context 32 -t 16 -b 2 -s 0 -v 0 -m 1".split(" ");
let hub: FakeHub;

beforeAll(async () => {
  mkdirSync(cwd);
  hub = await FakeHub.start();
  hub.add("me/tiny", hubModel({ V: 50257 }));
});
afterAll(() => hub.stop());

const env = () => ({ HF_ENDPOINT: hub.endpoint, HF_HOME: join(cwd, "cache"), HF_HUB_OFFLINE: "" });

/** The commands in a text, to the end of their line or sentence. */
function commandsIn(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const at = line.indexOf(process.execPath);
    return at < 0 ? [] : [line.slice(at).replace(/[.;,)]*$/, "")];
  });
}

/** Runs each of `count` suggested commands as copied, with `more` appended. */
function paste(text: string, count: number, more = ""): void {
  const commands = commandsIn(text);
  expect(commands, text).toHaveLength(count);
  for (const command of commands) {
    expect(command).toContain(cli);
    const noNpm = { npm_command: undefined, npm_config_user_agent: undefined };
    const options = { cwd, encoding: "utf8", env: { ...process.env, ...noNpm, ...env() } } as const;
    const { status, stderr } = spawnSync("sh", ["-c", `${command} ${more}`], options);
    expect(status, `${command}\n${stderr}`).toBe(0);
  }
}

test("after training, and after converting", async () => {
  const trained = await run(["train", ...tiny, "--vocab", "50257", "-x", "1", "-o", awkward], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
  paste(trained.stderr, 1, "-g 2");
  const converted = await run(["convert", awkward, `${awkward} too`], { cwd });
  expect(converted.code, converted.stderr).toBe(0);
  paste(converted.stderr, 1, "-g 2");
});

test("after an interruption", async () => {
  const path = `${awkward} interrupted`;
  const child = start(["train", ...tiny, "-x", "100000", "-o", path], { cwd });
  const ended = result(child);
  await written(child.stdout, "step 2:");
  child.kill("SIGINT");
  const [write = "", resume = ""] = commandsIn((await ended).stderr);
  paste(write, 1, "-g 2");
  expect(resume).toMatch(/ --resume$/);
  const saved = readdirSync(join(cwd, path)).filter((name) => name.startsWith("DONE_"));
  const made = Number(saved.sort().at(-1)?.slice("DONE_".length));
  paste(resume, 1, `-x ${made + 1} --force`);
});

test("after pulling a model", async () => {
  const pulled = await run(["pull", "me/tiny", "-o", awkward.replace("ou", "hub")], { cwd, env: env() });
  expect(pulled.code, pulled.stderr).toBe(0);
  paste(commandsIn(pulled.stderr)[0] ?? "", 1, "-g 2");
  paste(commandsIn(pulled.stderr)[1] ?? "", 1, "-x 1 -t 8 -b 1 -s 0 -v 0 -m 1");
});

test("where there are no runs", async () => {
  const { code, stderr } = await run(["runs", `${awkward} none`], { cwd });
  expect(code).toBe(1);
  paste(stderr, 1, "-x 1 -s 0 -v 0 -m 1");
});

test("where a text is given for tokens, and where info looks at one", async () => {
  writeFileSync(join(cwd, `${awkward}.txt`), "To be, or not to be.\n".repeat(300));
  const train = await run(["train", "-e", "baby", "-i", `${awkward}.txt`], { cwd });
  expect(train.code).toBe(1);
  const [prepare = "", then = ""] = commandsIn(train.stderr);
  paste(prepare, 1);
  paste(then, 1, "-x 1 -t 16 -b 1 -s 0 -v 0 -m 1");
  writeFileSync(join(cwd, "val.txt"), "Whether 'tis nobler.\n".repeat(300));
  const custom = await run(["train", ...tiny, "-x", "1", "-i", `data/${awkward}`, "--val=val.txt", "-o", "custom"], {
    cwd,
  });
  expect(custom.code).toBe(1);
  expect(custom.stderr).toMatch(/--layers 1 .*--val=data\/val -o custom\n/);
  paste(custom.stderr, 2);
  paste((await run(["info", `${awkward}.txt`], { cwd })).stderr, 1, "-o again");
});

test("where a run's config.json is damaged, edited or of another version", async () => {
  const path = `${awkward} damaged`;
  const trained = await run(["train", ...tiny, "--vocab", "50257", "-x", "1", "-o", path], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
  writeFileSync(join(cwd, "text.txt"), "To be, or not to be. ".repeat(50));
  const prepared = await run(["prepare", "text.txt", "-o", "DATA"], { cwd });
  expect(prepared.code, prepared.stderr).toBe(0);
  const file = join(cwd, path, "config.json");
  const content = JSON.parse(readFileSync(file, "utf8"));
  const texts = [
    "{",
    "[]",
    ...[{ created: "soon" }, { version: 2 }, { cwd: 5 }].map((edit) => JSON.stringify({ ...content, ...edit })),
  ];
  for (const text of texts) {
    writeFileSync(file, text);
    const refused = await run(["train", "-o", path, "--resume"], { cwd });
    expect(refused.code).toBe(1);
    expect(refused.stderr).not.toContain("SyntaxError");
    paste(refused.stderr, 1, "-x 1 -t 16 -b 1 -s 0 -v 0 -m 1");
    const listed = await run(["runs", path, "--json"], { cwd });
    const [{ reason = "" }] = JSON.parse(listed.stdout);
    if (text.length < 3) expect(commandsIn(reason)).toEqual(commandsIn(refused.stderr));
    expect((await run(["runs", path], { cwd })).stdout).not.toContain("llm-ts train");
  }
  rmSync(file);
  const resumed = await run(["train", "-o", path, "--resume", "-x", "2", "--force"], { cwd });
  expect(resumed.stderr).toContain(`resuming ${path} after 1 update`);
});

test("where conversations have other tokens than the model", async () => {
  writeFileSync(join(cwd, "TEXT"), "abcdefgh ".repeat(500));
  const talk = await run(["prepare", "smalltalk", "--chat", "--tokenizer", "bpe:400", "-o", "talk"], { cwd });
  expect(talk.code, talk.stderr).toBe(0);
  const refusedFor = async (tokenizer: string) => {
    const out = `of ${tokenizer}`;
    await run(["prepare", "TEXT", "--tokenizer", tokenizer, "-o", out], { cwd });
    const trained = await run(["train", ...tiny, "-i", out, "-x", "1", "-o", `model ${out}`], { cwd });
    expect(trained.code, trained.stderr).toBe(0);
    const { code, stderr } = await run(["train", "-e", `model ${out}`, "-i", "talk", "-t", "16"], { cwd });
    expect(code).toBe(1);
    return stderr;
  };
  const ofCharacters = await refusedFor("char");
  expect(ofCharacters).toMatch(/tokenizer \(char\) has none/);
  paste(ofCharacters, 1, "-x 1 -t 16 -b 1 -s 0 -v 0 -m 1");
  const ofPieces = (await refusedFor("bpe:260"))
    .replace("; or train", "\n; or train")
    .replace("CONVERSATIONS", "smalltalk");
  paste(ofPieces, 1);
  const learned = await run(["train", "-e", "model of bpe:260", "-i", "FOLDER", "-t", "16", "-b", "1", "-x", "1"], {
    cwd,
  });
  expect(learned.code, learned.stderr).toBe(0);
});

test("where the data of a run to be resumed was moved", async () => {
  writeFileSync(join(cwd, "TEXT"), "abc ".repeat(500));
  for (const out of ["one", "two"])
    expect((await run(["prepare", "TEXT", "--tokenizer", "char", "-o", out], { cwd })).code).toBe(0);
  const begun = await run(["train", ...tiny, "-i", "one", "-j", "two", "-x", "1", "-o", "far"], { cwd });
  expect(begun.code, begun.stderr).toBe(0);
  renameSync(join(cwd, "one"), join(cwd, "TRAIN"));
  const refused = await run(["train", "-o", "far", "--resume"], { cwd });
  expect(refused.stderr).toMatch(/^error: one, with which the run in far was trained, is not there\. Put it back/);
  renameSync(join(cwd, "two"), join(cwd, "VAL"));
  const both = await run(["train", "-o", "far", "--resume"], { cwd });
  expect(both.stderr).toMatch(/one and two, .* are not there\. .* -i TRAIN -j VAL\n$/);
  paste(both.stderr, 1, "-x 2 --force");
});

test("where a run is to be resumed on data of other tokens", async () => {
  const path = "characters";
  const begun = await run(["train", "--model", "baby", "--layers", "1", "--channels", "16", "-x", "1", "-o", path], {
    cwd,
  });
  expect(begun.code, begun.stderr).toBe(0);
  writeFileSync(join(cwd, "TEXT"), "abc ".repeat(500));
  const prepared = await run(["prepare", "TEXT", "--tokenizer", "char", "-o", "others"], { cwd });
  expect(prepared.code, prepared.stderr).toBe(0);
  const refused = await run(["train", "-o", path, "--resume", "--train", "others", "-x", "2", "--force"], { cwd });
  expect(refused.code).toBe(1);
  paste(refused.stderr.replace("; or train", "\n; or train"), 1);
});
