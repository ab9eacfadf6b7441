/** Fields of Protocol Buffers messages, encoded: each is a key (number and wire type) and a value. Numbers are not negative. */

/** A double. */
export const double = (field: number, value: number) => [...key(field, 1), ...bytesOf(Float64Array.of(value))];

/** A float. */
export const float = (field: number, value: number) => [...key(field, 5), ...bytesOf(Float32Array.of(value))];

/** A whole number from 0. */
export const varint = (field: number, value: number) => [...key(field, 0), ...base128(value)];

/** Bytes, a text in UTF-8, or a message. */
export const bytes = (field: number, content: ArrayLike<number> & Iterable<number>) => [
  ...lengthOf(field, content.length),
  ...content,
];

export const text = (field: number, value: string) => bytes(field, new TextEncoder().encode(value));

/** What stands in front of `length` bytes. */
export const lengthOf = (field: number, length: number) => [...key(field, 2), ...base128(length)];

const key = (field: number, wireType: number) => base128(8 * field + wireType);
const bytesOf = ({ buffer }: Float32Array | Float64Array) => new Uint8Array(buffer);

function base128(value: number): number[] {
  const groups: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 0x80);
  return [...groups, rest];
}
