/**
 * Event files of TensorBoard: records of length (u64), masked CRC-32C of the length, data, masked CRC-32C of the data
 * (TFRecord), whose data is a protobuf message Event: wall time (1), step (2), version (3), summary (5) or session (7).
 */
import { createCRC32 } from "hash-wasm";
import { bytes, double, float, text, varint } from "../format/protobuf.ts";
import type { TrainEvent } from "../train/events.ts";

const castagnoli = 0x82f63b78;

/** Encodes the events of a run. Times are in seconds since 1970. */
export class TensorBoardEncoder {
  readonly #crc: Awaited<ReturnType<typeof createCRC32>>;

  private constructor(crc: Awaited<ReturnType<typeof createCRC32>>) {
    this.#crc = crc;
  }

  static async create(): Promise<TensorBoardEncoder> {
    return new TensorBoardEncoder(await createCRC32(castagnoli));
  }

  /** The first record of a file. */
  version(time: number): Uint8Array {
    return this.#record([...double(1, time), ...text(3, "brain.Event:2")]);
  }

  /** A start at `step`: TensorBoard then leaves out what earlier files of the run have from there on. */
  start(time: number, step: number): Uint8Array {
    const started = 1;
    return this.#record([...double(1, time), ...varint(2, step), ...bytes(7, varint(1, started))]);
  }

  /** The numbers of an event; undefined for one that has none. */
  event(time: number, event: TrainEvent): Uint8Array | undefined {
    const scalars = scalarsOf(event);
    if (scalars.length === 0) return undefined;
    const values = scalars.flatMap(([tag, value]) => bytes(1, [...text(1, tag), ...float(2, value)]));
    return this.#record([...double(1, time), ...varint(2, event.step), ...bytes(5, values)]);
  }

  #record(data: readonly number[]): Uint8Array {
    const record = new Uint8Array(16 + data.length);
    const view = new DataView(record.buffer);
    view.setBigUint64(0, BigInt(data.length), true);
    view.setUint32(8, this.#masked(record.subarray(0, 8)), true);
    record.set(data, 12);
    view.setUint32(12 + data.length, this.#masked(record.subarray(12, 12 + data.length)), true);
    return record;
  }

  /** TFRecord rotates a checksum and adds a constant, so that one of data that holds checksums is no weaker. */
  #masked(data: Uint8Array): number {
    const crc = Number.parseInt(this.#crc.init().update(data).digest("hex"), 16);
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  }
}

function scalarsOf(event: TrainEvent): (readonly [tag: string, value: number])[] {
  if (event.type === "val") {
    const { loss, bitsPerByte } = event;
    return [["loss/val", loss], ...(bitsPerByte === undefined ? [] : [["bits_per_byte/val", bitsPerByte] as const])];
  }
  if (event.type !== "step") return [];
  const { loss, learningRate, norm, tokensPerSecond } = event;
  return [
    ["loss/train", loss],
    ["learning_rate", learningRate],
    ["gradient_norm", norm],
    ["tokens_per_second", tokensPerSecond],
  ];
}
