/** The view shown, from the address's fragment, such as `#runs/baby-001`. */
import { computed, signal } from "@preact/signals";

export const viewNames = ["train", "runs", "inside", "learn"] as const;

export type ViewName = (typeof viewNames)[number];

interface Route {
  readonly view: ViewName;
  /** The parts after the view's name, decoded. */
  readonly rest: readonly string[];
}

const fragment = signal(location.hash);
addEventListener("hashchange", () => {
  fragment.value = location.hash;
});

export const route = computed<Route>(() => parseRoute(fragment.value));

function parseRoute(hash: string): Route {
  const [name = "", ...rest] = hash.replace(/^#/, "").split("/");
  const view = viewNames.find((one) => one === name) ?? "train";
  return { view, rest: rest.filter((part) => part !== "").map(decoded) };
}

export function hashOf(view: ViewName, ...rest: readonly string[]): string {
  return `#${[view, ...rest.map(encodeURIComponent)].join("/")}`;
}

/** A typed address may be malformed. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
