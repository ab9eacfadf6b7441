/** `llm-ts trace` and `llm-ts verify --trace` as programs, with a port in plain JavaScript that has none of src/. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const inFolder = (name: string) => join(folder, name);
const page = (name: string) => fileURLToPath(new URL(`../docs/learn/port/${name}`, import.meta.url));
const port = fileURLToPath(new URL("port/port.mjs", import.meta.url));
const [model, tokens, trace] = [page("tiny.bin"), page("tokens.bin"), page("trace.safetensors")];

/** What the port computes, with a planted fault or without, as a file. */
function dumpOf(fault = ""): string {
  const out = inFolder(`${fault || "right"}.safetensors`);
  execFileSync(process.execPath, [port, model, tokens, out, fault]);
  return out;
}

const verify = (...args: string[]) => run(["verify", "--trace", ...args]);

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Buffer;
}

function readDump(path: string): Map<string, Stored> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, start).toString());
  const entries = Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(header);
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, shape, data: Buffer.from(file.subarray(start + from, start + to)) }],
    ),
  );
}

function writeDump(name: string, tensors: ReadonlyMap<string, Stored>): string {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [key, { dtype, shape, data }] of tensors) {
    header[key] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(inFolder(name), Buffer.concat([length, json, ...[...tensors.values()].map(({ data }) => data)]));
  return inFolder(name);
}

/** The right dump with a change. */
function changed(name: string, change: (tensors: Map<string, Stored>) => void): string {
  const tensors = readDump(dumpOf());
  change(tensors);
  return writeDump(name, tensors);
}

test("trace writes the fixture of the page, and the port's numbers are the same", async () => {
  const out = inFolder("trace.safetensors");
  const made = await run(["trace", "--model", model, "--data", tokens, "-b", "2", "-t", "6", "--out", out]);
  expect(made.stderr).toMatch(/^wrote .*trace\.safetensors, 200 tensors, and .*trace\.json\n/);
  expect([made.code, made.stdout]).toEqual([0, "loss 3.091706\n"]);
  expect(readFileSync(out).equals(readFileSync(trace))).toBe(true);
  expect(readFileSync(inFolder("trace.json"), "utf8")).toBe(readFileSync(page("trace.json"), "utf8"));
  expect(readFileSync(trace).length).toBeLessThan(100_000);

  const dump = dumpOf();
  for (const against of [
    ["--expected", trace],
    ["--model", model],
    ["--model", model, "--data", tokens, "-b", "2", "-t", "6"],
  ]) {
    const { code, stdout } = await verify(dump, ...against);
    expect(stdout).toMatch(/\n169 tensors agree: all of the step\.\n$/);
    expect(code).toBe(0);
  }
});

test.each([
  ["transposed", "h.1.qkv", /read as \(in, out\)/],
  ["no-scale", "h.0.att", /the scale is missing/],
  ["no-mask", "h.0.att", /the causal mask is missing/],
  ["no-correction", "new.wte", /the bias correction is missing/],
  ["padding", "losses", /counts the padding of the vocabulary/],
  ["erf", "h.0.fchgelu", /GELU's other form/],
  ["bessel", "h.0.ln1", /divided by C - 1/],
  ["positions", "encoded", /positions are counted from 1/],
  ["overwritten", "d.h.1.residual2", /the residual stream is overwritten/],
  ["no-softmax-sum", "d.h.1.qkv", /the softmax's backward lacks its sum/],
  ["not-mean", "d.logits", /the division by the number of positions/],
  ["head-alone", "d.wte", /the head's alone/],
  ["decay-all", "new.h.0.ln1w", /weight decay acts on this tensor/],
  ["not-shifted", "losses", /the target of a position is its own token/],
  ["no-bias", "h.0.fch", /the bias is missing/],
  ["no-residual", "h.1.residual2", /the residual stream is not added/],
  ["no-clip", "m.wte", /the gradient is not clipped/],
])("the planted fault %s is found in %s", async (fault, tensor, reason) => {
  const { code, stdout } = await verify(dumpOf(fault), "--expected", trace);
  expect(stdout.match(/^NOT OK {2}(\S+)/m)?.[1]).toBe(tensor);
  expect(stdout.match(/Likely: (.*)/)?.[1]).toMatch(reason);
  expect(code).toBe(1);
});

describe("other dumps", () => {
  test("missing tensors are named, and allowed with --partial", async () => {
    const some = changed("some.safetensors", (tensors) => {
      for (const name of [...tensors.keys()].slice(8)) tensors.delete(name);
    });
    const strict = await verify(some, "--expected", trace);
    expect(strict.stdout).toMatch(/\n6 tensors agree\. .*some\.safetensors lacks h\.0\.atty, and \d+ more\.\n$/);
    expect(strict.code).toBe(1);
    expect((await verify(some, "--expected", trace, "--partial")).code).toBe(0);
  });

  test("a misnamed tensor is found by its values, an unknown one reported", async () => {
    const { code, stdout } = await verify(
      changed("misnamed.safetensors", (tensors) => {
        const stored = tensors.get("h.0.atty");
        if (!stored) throw new Error("no h.0.atty");
        tensors.set("attention_out", stored);
        tensors.delete("h.0.atty");
        tensors.set("mine", { dtype: "F32", shape: [1], data: Buffer.alloc(4) });
      }),
      "--expected",
      trace,
    );
    expect(stdout).toMatch(/^\? +attention_out: .* holds the values of h\.0\.atty: call it that$/m);
    expect(stdout).toMatch(/^\? +mine: no trace has a tensor of this name$/m);
    expect(stdout).toMatch(/lacks h\.0\.atty\.\n$/);
    expect(code).toBe(1);
  });

  test("a transposed gradient, a doubled one, a NaN and zeros are named so", async () => {
    const edit = (
      name: string,
      tensor: string,
      change: (values: Float32Array, shape: readonly number[]) => Stored["shape"],
    ) =>
      changed(name, (tensors) => {
        const stored = tensors.get(tensor);
        if (!stored) throw new Error(`no ${tensor}`);
        const values = Float32Array.from({ length: stored.data.length / 4 }, (_, i) => stored.data.readFloatLE(4 * i));
        const shape = change(values, stored.shape);
        tensors.set(tensor, { dtype: "F32", shape, data: Buffer.from(values.buffer) });
      });
    const cases = [
      edit("transposed.safetensors", "d.h.0.fcw", (values, [rows, columns]) => {
        values.set(values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]).slice());
        return [columns, rows];
      }),
      edit("doubled.safetensors", "d.h.0.attprojb", (values, shape) => {
        values.set(values.map((value) => 2 * value));
        return shape;
      }),
      edit("nan.safetensors", "h.1.atty", (values, shape) => {
        values[5] = Number.NaN;
        return shape;
      }),
      edit("zeros.safetensors", "h.1.fcproj", (values, shape) => {
        values.fill(0);
        return shape;
      }),
    ];
    const reasons = [];
    for (const path of cases) reasons.push((await verify(path, "--expected", trace)).stdout.match(/Likely: (.*)/)?.[1]);
    expect(reasons).toEqual([
      expect.stringMatching(/transposed/),
      expect.stringMatching(/^every element is 2 times/),
      expect.stringMatching(/^element 5 is NaN/),
      expect.stringMatching(/^all elements are 0/),
    ]);
  });

  test("axes that are exchanged are named, with the same elements or transposed; joined ones are accepted", async () => {
    const shaped = (name: string, tensor: string, shape: number[]) =>
      changed(name, (tensors) => {
        const stored = tensors.get(tensor);
        if (!stored) throw new Error(`no ${tensor}`);
        tensors.set(tensor, { ...stored, shape });
      });
    const exchanged = await verify(shaped("axes.safetensors", "d.h.0.qkvw", [8, 24]), "--expected", trace);
    expect(exchanged.code).toBe(1);
    expect(exchanged.stdout).toMatch(
      /NOT OK {2}d\.h\.0\.qkvw \[24,8\]\n {8}Likely: its shape is \[8,24\], expected \[24,8\], with the same elements in the same order/,
    );
    const time = await verify(shaped("time.safetensors", "h.0.qkv", [6, 2, 24]), "--expected", trace);
    expect(time.stdout).toMatch(/NOT OK {2}h\.0\.qkv .*\n {8}Likely: its shape is \[6,2,24\], expected \[2,6,24\]/);
    for (const shape of [[12, 24], [2, 6, 3, 8], [288]])
      expect((await verify(shaped("joined.safetensors", "h.0.qkv", shape), "--expected", trace)).code).toBe(0);
  });

  test("--json has all of it", async () => {
    const { code, stdout } = await verify(dumpOf("erf"), "--expected", trace, "--json");
    const report = JSON.parse(stdout);
    expect(Object.keys(report)).toEqual(["okay", "agreeing", "deviation", "missing", "extra"]);
    expect([report.okay, report.agreeing.length, report.deviation.name]).toEqual([false, 13, "h.0.fchgelu"]);
    expect(report.deviation.reason.remaining).toBeLessThan(1e-5);
    expect(code).toBe(1);
  });
});

test("another architecture has a trace too: RMS norm and rotary positions", async () => {
  writeTokens(inFolder("more.bin"), 100, 40);
  const source = fixturePath("gpt2_rms_rotary/model.safetensors");
  const out = inFolder("rotary.safetensors");
  expect((await run(["trace", "--model", source, "--data", inFolder("more.bin"), "--out", out])).stderr).not.toMatch(
    /^error/m,
  );
  const { code, stdout } = await verify(out, "--model", source);
  expect(stdout).toMatch(/OK +h\.0\.rotated/);
  expect(code).toBe(0);
});

test("an update that is not the trace's is refused, the same one accepted", async () => {
  const dump = dumpOf();
  const other = await verify(dump, "--expected", trace, "--lr", "0.01");
  expect([other.code, other.stderr]).toEqual([
    2,
    expect.stringMatching(/trace\.safetensors is a trace of an update with --lr 0\.001, not 0\.01\. Leave --lr out\./),
  ]);
  const own = await verify(trace, "--model", model, "--weight-decay", "0");
  expect([own.code, own.stderr]).toEqual([
    2,
    expect.stringMatching(/with --weight-decay 0\.1, not 0\. Leave --weight-decay out/),
  ]);
  expect((await verify(dump, "--expected", trace, "--lr", "1e-3")).code).toBe(0);
});

test("the numbers that the page expects are those of the fixture", () => {
  const tensors = readDump(trace);
  for (const language of ["port.md", "zh/port.md"]) {
    const text = readFileSync(fileURLToPath(new URL(`../docs/learn/${language}`, import.meta.url)), "utf8");
    const rows = [...text.matchAll(/^\| `(\S+)` \| (-?\d\S*) \| (-?\d\S*) \|$/gm)];
    expect(rows.length).toBeGreaterThan(8);
    for (const [, name, ...numbers] of rows) {
      const data = tensors.get(name)?.data ?? Buffer.alloc(0);
      expect([name, ...numbers.map(Number)]).toEqual([
        name,
        ...[0, 1].map((i) => Number(data.readFloatLE(4 * i).toFixed(6))),
      ]);
    }
  }
});

test("bad input gets a clear error", async () => {
  writeTokens(inFolder("odd.bin"), 1000, 13);
  const other = inFolder("other.safetensors");
  const odd = ["trace", "--model", fixturePath("gpt2_odd.bin"), "--data", inFolder("odd.bin"), "--out", other];
  expect((await run(odd)).code).toBe(0);
  const unnamed = changed("unnamed.safetensors", (tensors) => {
    for (const [name, stored] of [...tensors]) {
      tensors.delete(name);
      tensors.set(`my_${name}`, stored);
    }
  });
  const noBatch = changed("no-batch.safetensors", (tensors) => tensors.delete("tokens"));
  const otherBatch = changed("other-batch.safetensors", (tensors) => tensors.get("tokens")?.data.writeFloatLE(7, 0));
  const otherSizes = writeDump("sizes.safetensors", readDump(other));
  const cases: [code: number, message: RegExp, ...args: string[]][] = [
    [2, /one of two: --expected/, dumpOf()],
    [1, /is a trace of another model: of L \d+/, other, "--expected", trace],
    [1, /is of another model or batch/, otherSizes, "--expected", trace],
    [1, /has none of the tensors of a trace, but "my_tokens"/, unnamed, "--expected", trace],
    [1, /no tensors "tokens" and "targets"/, noBatch, "--model", model],
    [1, /is of another batch: tokens\[0\] is 7, expected 3/, otherBatch, "--expected", trace],
    [1, /says nothing in its metadata/, dumpOf(), "--expected", dumpOf()],
    [1, /no safetensors|not valid JSON|header's length/, tokens, "--expected", trace],
  ];
  for (const [code, message, ...args] of cases) {
    const found = await verify(...args);
    expect(found.stderr).toMatch(message);
    expect(found.stderr).not.toMatch(/^ {4}at /m);
    expect(found.code).toBe(code);
  }
  const neither = await run(["verify", "--model", model]);
  expect([neither.code, neither.stderr]).toEqual([2, expect.stringMatching(/one of --state.* and --trace/)]);
  const long = await run([
    "trace",
    "--model",
    model,
    "--data",
    tokens,
    "-b",
    "1",
    "-t",
    "9",
    "--out",
    inFolder("x.safetensors"),
  ]);
  expect([long.code, long.stderr]).toEqual([2, expect.stringMatching(/more than the model's 8 positions/)]);
  const bin = await run(["trace", "--model", model, "--data", tokens, "--out", inFolder("x.bin")]);
  expect([bin.code, bin.stderr]).toEqual([2, expect.stringMatching(/--out .*x\.bin\.safetensors/)]);
});
