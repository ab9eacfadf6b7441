import { describe, expect, test } from "vitest";
import { Mt19937 } from "./mt19937.ts";
import { normals } from "./normal.ts";

/** PyTorch's output for `torch.manual_seed(137)`; the numbers are from the head of llm.c's rand.h. */
const torch137 = {
  integers: [4053805790, 2173880614, 380293709, 1237255315, 2986595568],
  normal8: [
    0.7947664260864258, 1.4369317293167114, -0.2292192131280899, 0.47556325793266296, -0.6334410905838013,
    -0.5791953802108765, -0.0925704762339592, -0.8659197092056274,
  ],
  between: 2186503452,
  normal16: [
    -1.2813878059387207, -2.646395683288574, -0.06569503247737885, 0.2180829495191574, -0.46536165475845337,
    -0.33108410239219666, 2.5485482215881348, 0.10425379872322083, 0.8460659980773926, 0.9462448358535767,
    -0.2913765013217926, 0.34313806891441345, -1.1186704635620117, -0.18305328488349915, -2.3153159618377686,
    0.3961987793445587,
  ],
  last: 2756748748,
};

function normal(rng: Mt19937, count: number, std = 1, chunkSize?: number): number[] {
  return [...normals(rng, count, std, chunkSize)].flatMap((chunk) => [...chunk]);
}

function expectClose(actual: readonly number[], expected: readonly number[], within: number): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(within);
}

test("integers and normal numbers are PyTorch's to the bit, in one stream", () => {
  const rng = new Mt19937(137);
  expect(torch137.integers.map(() => rng.randint32())).toEqual(torch137.integers);
  expect(normal(rng, 8)).toEqual(torch137.normal8);
  expect(rng.randint32()).toBe(torch137.between);
  expect(normal(rng, 16)).toEqual(torch137.normal16);
  expect(rng.randint32()).toBe(torch137.last);
});

test("a permutation is that of llm.c's random_permutation, seed 42, and the next one continues the sequence", () => {
  const rng = new Mt19937(42);
  const values = Int32Array.from({ length: 10 }, (_, i) => i);
  rng.shuffle(values);
  expect([...values]).toEqual([1, 3, 9, 7, 6, 0, 8, 4, 5, 2]);
  rng.shuffle(values);
  expect([...values]).toEqual([2, 5, 9, 0, 3, 1, 4, 8, 6, 7]);
});

test("resumes from a position, as in llm.c's struct", () => {
  const rng = new Mt19937(137);
  expect(rng.position()).toMatchObject({ left: 1, next: 0 });
  rng.randint32();
  expect(rng.position()).toMatchObject({ left: 624, next: 1 });
  for (const draws of [0, 622, 1, 1, 700]) {
    for (let i = 0; i < draws; i++) rng.randint32();
    const again = Mt19937.at(JSON.parse(JSON.stringify(rng.position())));
    expect(again.position()).toEqual(rng.position());
    const numbers = (random: Mt19937) => Array.from({ length: 1300 }, () => random.randint32());
    expect(numbers(again)).toEqual(numbers(Mt19937.at(rng.position())));
  }
  expect(new Mt19937(137).randint32()).toBe(Mt19937.at(new Mt19937(137).position()).randint32());
});

describe("normal numbers of every size", () => {
  /** torch's `normal_fill`, transcribed: all uniforms, all blocks, then the last 16 redrawn. */
  function wholeTensor(rng: Mt19937, count: number, std: number): number[] {
    const data = Float32Array.from({ length: count }, () => rng.randfloat32());
    const transform = (start: number) => {
      const block = data.slice(start, start + 16);
      for (let i = 0; i < 8; i++) {
        const radius = Math.sqrt(-2 * Math.log(1 - block[i])) * std;
        data[start + i] = radius * Math.cos(2 * Math.PI * block[i + 8]);
        data[start + i + 8] = radius * Math.sin(2 * Math.PI * block[i + 8]);
      }
    };
    for (let i = 0; i < count - 15; i += 16) transform(i);
    if (count % 16 !== 0) {
      for (let i = count - 16; i < count; i++) data[i] = rng.randfloat32();
      transform(count - 16);
    }
    return [...data];
  }

  test.each([16, 17, 24, 31, 32, 33, 47, 48, 63, 65, 129])("%i values", (count) => {
    const [ours, theirs] = [new Mt19937(count), new Mt19937(count)];
    for (const chunkSize of [16, 32, 48, 1 << 18]) {
      expectClose(normal(ours, count, 0.02, chunkSize), wholeTensor(theirs, count, 0.02), 2e-8);
      expect(ours.randint32()).toBe(theirs.randint32());
    }
  });

  test("21 values of seed 7 as llm.c's normal_ gives them", () => {
    expectClose(
      normal(new Mt19937(7), 21, 0.02),
      [
        -0.0164026897, 0.00791261811, 0.0179781597, -0.0277680792, -0.00333992019, 0.0156414527, 0.0207821541,
        -0.0144902263, -0.0169781707, -0.02433859, -0.00162043166, 0.0272297021, -0.0260643326, 0.0134820137,
        -0.0264669154, -0.0271953698, -0.0173340309, -0.0112801278, -0.0411292501, -0.0071344506, 0.0219116081,
      ],
      2e-8,
    );
  });

  test("an odd count below 16 keeps its spare number for the next", () => {
    const [parts, whole] = [new Mt19937(3), new Mt19937(3)];
    expect([...normal(parts, 5), ...normal(parts, 3)]).toEqual(normal(whole, 8));
  });
});
