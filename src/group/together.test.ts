import { expect, test } from "vitest";
import { localGroup } from "../../test/local-group.ts";
import { InputError, UsageError } from "../errors.ts";
import { alone, type Group } from "./group.ts";
import { AgreedError, inRank0, together } from "./together.ts";

const failures = async (work: (group: Group) => Promise<unknown>) =>
  (await Promise.allSettled(localGroup(3).map((group) => together(group, () => work(group))))).map((result) =>
    result.status === "rejected" ? result.reason : undefined,
  );

test("where all can, each has its own result", async () => {
  const results = localGroup(3).map((group) => together(group, async () => group.rank));
  expect(await Promise.all(results)).toEqual([0, 1, 2]);
});

test("where one cannot, all throw, and say which", async () => {
  const errors = await failures(async ({ rank }) => {
    if (rank === 1) throw new InputError("no disk.");
  });
  for (const error of errors) {
    expect(error).toBeInstanceOf(AgreedError);
    expect(error).toMatchObject({ message: "[rank 1 of 3 on here] no disk.", isUsage: false });
  }
});

test("what all meet alike is said once", async () => {
  const errors = await failures(async () => {
    throw new UsageError("no such option.");
  });
  for (const error of errors) expect(error).toMatchObject({ message: "no such option.", isUsage: true });
});

test("a process alone throws its own error", async () => {
  const error = new InputError("no disk.");
  await expect(together(alone, () => Promise.reject(error))).rejects.toBe(error);
});

test("what rank 0 makes is given to all, and so is its error", async () => {
  let calls = 0;
  const work = async () => ++calls;
  expect(await Promise.all(localGroup(3).map((group) => inRank0(group, work)))).toEqual([1, 1, 1]);
  const failing = localGroup(2).map((group) => inRank0(group, () => Promise.reject(new InputError("no file."))));
  for (const result of await Promise.allSettled(failing))
    expect(result).toMatchObject({ status: "rejected", reason: { message: "[rank 0 of 2 on here] no file." } });
});
