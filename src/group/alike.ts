/** What must be the same in all members of a group before they compute together. */
import type { Backend } from "../backend/backend.ts";
import { InputError, UsageError } from "../errors.ts";
import type { Group } from "./group.ts";
import { placeOf, together } from "./together.ts";

/** Facts of a member that must be the same in all. */
export type Facts = Readonly<Record<string, unknown>>;

/** AgreedError that names every fact, such as a version or an option, that differs from rank 0's. */
export async function requireAlike(group: Group, facts: Facts): Promise<void> {
  if (group.size === 1) return;
  const all = await group.gather({ facts, host: group.host });
  await together(group, async () => {
    const [{ facts: first, host }] = all;
    const names = [...new Set([...Object.keys(first), ...Object.keys(facts)])];
    const found = names
      .filter((name) => JSON.stringify(facts[name]) !== JSON.stringify(first[name]))
      .map((name) => `${name} is ${shown(facts[name])}, and ${shown(first[name])} there`);
    if (found.length > 0)
      throw new UsageError(
        `This process differs from rank 0 ${placeOf({ rank: 0, host }, group.size)}: ${found.join("; ")}. Start all with the same ` +
          "command and version.",
      );
  });
}

const shown = (value: unknown) => (value === undefined ? "not given" : JSON.stringify(value));

/** AgreedError where the members' backends compute different bits from the same numbers. */
export async function requireSameBits(
  group: Group,
  { name, kernel, device, description, promises }: Backend,
): Promise<void> {
  if (group.size === 1) return;
  // A backend that does not promise its bits computes the same ones on the same device only.
  const own = { name, fma: promises.fma, ...(promises.sameBits ? {} : { kernel, device }) };
  const [first] = await group.gather({ ...own, description });
  await together(group, async () => {
    const { description: there, ...others } = first;
    if (JSON.stringify(own) === JSON.stringify(others)) return;
    const fused = (fma: boolean) => (fma ? "with fused multiply-add" : "without fused multiply-add");
    const bits = "The last bits would differ:";
    if (own.fma !== first.fma && own.name === first.name)
      throw new InputError(
        `This machine computes ${fused(own.fma)}, and rank 0's ${fused(first.fma)}. ${bits} use machines of one kind, or ` +
          "--backend reference.",
      );
    throw new InputError(
      `This process computes with ${description}, and rank 0 with ${there}. ${bits} start all with the same backend, library and ` +
        "number of threads.",
    );
  });
}
