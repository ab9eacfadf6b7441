/** Event files, read again by hand. That TensorBoard reads them was seen with its 2.21. */
import { expect, test } from "vitest";
import { TensorBoardEncoder } from "./tensorboard.ts";

/** The data of each record, whose checksums are checked by their known values elsewhere. */
function recordsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    records.push(file.subarray(at + 12, at + 12 + length));
    at += 16 + length;
  }
  return records;
}

const step = {
  type: "step",
  step: 300,
  loss: 2.5,
  learningRate: 1e-3,
  norm: 0.5,
  ms: 30,
  tokensPerSecond: 1000,
} as const;

test("the first record is TensorFlow's own, to the byte", async () => {
  const encoder = await TensorBoardEncoder.create();
  const bytes = encoder.version(0);
  expect(Buffer.from(bytes.subarray(0, 8)).toString("hex")).toBe("1800000000000000");
  // Masked CRC-32C of the length 24, as in every event file that TensorFlow writes.
  expect(Buffer.from(bytes.subarray(8, 12)).toString("hex")).toBe("a37f4b22");
  expect(new TextDecoder().decode(bytes.subarray(-17, -4))).toBe("brain.Event:2");
});

test("an update has four scalars, a validation one or, with bits per byte, two, a sample none", async () => {
  const encoder = await TensorBoardEncoder.create();
  const [record] = recordsOf(encoder.event(1.5, step) ?? new Uint8Array());
  expect(new DataView(record.buffer, record.byteOffset).getFloat64(1, true)).toBe(1.5);
  // Field 2, a varint of two bytes: 300.
  expect([...record.subarray(9, 12)]).toEqual([0x10, 0xac, 0x02]);
  const text = Buffer.from(record).toString("latin1");
  for (const tag of ["loss/train", "learning_rate", "gradient_norm", "tokens_per_second"]) expect(text).toContain(tag);
  const value = text.indexOf("loss/train") + "loss/train".length;
  expect(Buffer.from(text.slice(value, value + 5), "latin1")).toEqual(
    Buffer.from([0x15, ...new Uint8Array(Float32Array.of(2.5).buffer)]),
  );
  const val = encoder.event(2, { type: "val", step: 0, loss: 4 });
  expect(Buffer.from(val ?? []).toString("latin1")).toContain("loss/val");
  const perByte = encoder.event(2, { type: "val", step: 0, loss: 4, bitsPerByte: 1.25 });
  expect(Buffer.from(perByte ?? []).toString("latin1")).toContain("bits_per_byte/val");
  expect(encoder.event(2, { type: "sample", step: 0, tokens: [], text: "" })).toBeUndefined();
});
