// Build steps that run only if their inputs have changed. A step writes into a temporary folder; its files then replace the
// old ones, each by a rename, so that a running program never finds one missing or truncated.

import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/**
 * @typedef {object} Step
 * @property {string} name for people
 * @property {readonly string[]} from files and folders, relative to the root; a change in them makes the step stale
 * @property {string} to the folder that the step fills and owns, but for the folders of other steps in it
 * @property {(out: string, folderOf: (step: string) => string, signal: AbortSignal) => Promise<void>} build writes into
 *   `out`; `folderOf` gives the folder where another step's files are at the moment
 */

/** Longer than any build: an older lock is a dead build's. */
const longestBuildMs = 15 * 60_000;

/**
 * Runs the steps that are stale. Of two builds at once the second waits for the first. Ended by a signal, or failed, a
 * build leaves the old files as they were.
 *
 * @param {{ root: string, steps: readonly Step[], ignored?: (path: string) => boolean, say?: (text: string) => void }} build
 *   `ignored` is true for a path that no step depends on
 */
export async function runSteps({ root, steps, ignored = () => false, say = console.log }) {
  const state = join(root, ".build");
  const findStale = () => {
    const hashes = inputHashes(root, steps, ignored);
    const made = readMade(state);
    return steps
      .map((step) => ({ step, hash: hashes.get(step.name) ?? "" }))
      .filter(({ step, hash }) => !isFresh(root, made[step.name], hash));
  };
  if (findStale().length === 0) return say("build: everything is up to date");

  mkdirSync(state, { recursive: true });
  const release = await takeLock(join(state, "lock"), say);
  const staging = join(state, "staging");
  const aborting = new AbortController();
  const cleanUp = () => {
    rmSync(staging, { recursive: true, force: true });
    release();
  };
  const end = (/** @type {NodeJS.Signals} */ signal) => {
    aborting.abort();
    cleanUp();
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, end);
  try {
    const stale = findStale();
    // Leftovers of a build that was killed.
    rmSync(staging, { recursive: true, force: true });
    const staged = new Map(stale.map(({ step }, i) => [step.name, join(staging, String(i))]));
    const folderOf = (/** @type {string} */ name) =>
      staged.get(name) ?? join(root, steps.find((step) => step.name === name)?.to ?? "");
    for (const { step } of stale) {
      const start = performance.now();
      mkdirSync(folderOf(step.name), { recursive: true });
      await step.build(folderOf(step.name), folderOf, aborting.signal);
      say(`build: ${step.to}/, ${step.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
    adopt(root, state, steps, stale, folderOf);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, end);
    cleanUp();
  }
}

/** Replaces old files by those of the staged steps. Nothing else of this process happens meanwhile, signals included. */
function adopt(root, state, steps, stale, folderOf) {
  const made = readMade(state);
  for (const { step } of stale) delete made[step.name];
  writeMade(state, made);
  const outputs = stale.map(({ step, hash }) => {
    const staged = folderOf(step.name);
    const names = filesIn(staged);
    const hashes = Object.fromEntries(names.map((name) => [`${step.to}/${name}`, hashOf(join(staged, name))]));
    for (const name of names) replace(join(staged, name), join(root, step.to, name));
    return { step, made: { inputs: hash, outputs: hashes } };
  });
  // Obsolete outputs are removed last: the old program may still be reading them.
  for (const {
    step,
    made: { outputs: kept },
  } of outputs) {
    const others = steps.map(({ to }) => to).filter((to) => to !== step.to && to.startsWith(`${step.to}/`));
    for (const name of filesIn(join(root, step.to))) {
      const path = `${step.to}/${name}`;
      if (!(path in kept) && !others.some((to) => path.startsWith(`${to}/`))) remove(root, path);
    }
  }
  writeMade(state, { ...made, ...Object.fromEntries(outputs.map((output) => [output.step.name, output.made])) });
}

function replace(from, to) {
  const { mode } = statSync(from);
  if (existsSync(to) && hashOf(to) === hashOf(from)) return chmodSync(to, mode);
  mkdirSync(dirname(to), { recursive: true });
  renameSync(from, to);
}

/** Removes a file, and the folders that are empty without it. */
function remove(root, path) {
  rmSync(join(root, path), { force: true });
  for (
    let folder = dirname(path);
    folder !== "." && readdirSync(join(root, folder)).length === 0;
    folder = dirname(folder)
  )
    rmdirSync(join(root, folder));
}

function isFresh(root, made, inputs) {
  if (made?.inputs !== inputs) return false;
  return Object.entries(made.outputs).every(
    ([path, hash]) => existsSync(join(root, path)) && hashOf(join(root, path)) === hash,
  );
}

function readMade(state) {
  try {
    return JSON.parse(readFileSync(join(state, "made.json"), "utf8"));
  } catch {
    return {};
  }
}

function writeMade(state, made) {
  const temporary = join(state, "made.json.tmp");
  writeFileSync(temporary, JSON.stringify(made));
  renameSync(temporary, join(state, "made.json"));
}

/** Hash of the inputs of each step, by its name. */
function inputHashes(root, steps, ignored) {
  const known = new Map();
  const hashOfInput = (path) => known.get(path) ?? known.set(path, hashOf(join(root, path))).get(path);
  const all = steps.map(({ name, from }) => {
    const hash = createHash("sha256");
    for (const path of from.flatMap((input) => inputsIn(root, input)))
      if (!ignored(path)) hash.update(`${path} ${hashOfInput(path)}\n`);
    return [name, hash.digest("hex")];
  });
  return new Map(all);
}

function inputsIn(root, input) {
  if (!statSync(join(root, input)).isDirectory()) return [input];
  return filesIn(join(root, input)).map((name) => `${input}/${name}`);
}

/** The files beneath a folder, by their paths in it, in order. */
function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .sort();
}

function hashOf(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Waits for the lock; returns the function that releases it. */
async function takeLock(path, say) {
  const text = JSON.stringify({ pid: process.pid, host: hostname() });
  for (let announced = false; ; ) {
    try {
      writeFileSync(path, text, { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const found = holderOf(path);
    if (found?.lives) {
      if (!announced)
        say(`build: another build is running (${found.text}): waiting for it; if it is not, remove ${path}`);
      announced = true;
      await wait(100);
    } else if (found) putAside(path, found.text);
  }
}

/** Content of a lock, and whether its build is alive; undefined when it has just been released. */
function holderOf(path) {
  try {
    const age = Date.now() - statSync(path).mtimeMs;
    const text = readFileSync(path, "utf8");
    const holder = parseHolder(text);
    // Without one it is being written, or was damaged by a crash.
    return { text, lives: holder ? age < longestBuildMs && isAlive(holder) : age < 5000 };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function parseHolder(text) {
  try {
    const { pid, host } = JSON.parse(text);
    return Number.isSafeInteger(pid) ? { pid, host } : undefined;
  } catch {
    return undefined;
  }
}

/** Of a process on another machine nothing can be known. One that ended and was not waited for is dead. */
function isAlive({ pid, host }) {
  if (host !== hostname()) return true;
  // This build holds no lock yet: a restarted container gives the same ids to its processes.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code !== "ESRCH";
  }
  try {
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, ""));
  } catch {
    return true;
  }
}

/** Removes a dead build's lock; restores one that another build has taken meanwhile. */
function putAside(path, text) {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== text) linkSync(aside, path);
  } catch (error) {
    if (!["ENOENT", "EEXIST"].includes(error.code)) throw error;
  }
  rmSync(aside, { force: true });
}
