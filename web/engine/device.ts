import { platform } from "#platform";
import type { Backend } from "../../src/backend/backend.ts";
import type { BackendOptions, OnStart } from "../../src/backend/entry.ts";
import {
  type Availability,
  availableBackends,
  type BackendName,
  backends,
  createBackend,
  defaultBackend,
} from "../../src/backend/registry.ts";
import { BackendError, MemoryError } from "../../src/errors.ts";
import { maxTextBytes } from "./data-files.ts";
import type { Outbox } from "./outbox.ts";
import type { BackendChoice, BackendInfo, DeviceInfo, EngineOptions } from "./protocol.ts";
import { measureSpeed, type Speed } from "./speed.ts";

/** The tab's backends, each started when it is first needed, and the choice among them. */
export class Device {
  readonly #outbox: Pick<Outbox, "remark" | "during">;
  #options: EngineOptions = {};
  #choice: BackendChoice | undefined;
  #found: Promise<readonly Availability[]> | undefined;
  #current: BackendName | undefined;
  readonly #started = new Map<BackendName, Promise<Backend>>();
  readonly #speeds = new WeakMap<Backend, Promise<Speed>>();

  /** The outbox gets remarks, and what a start does while it takes long. */
  constructor(outbox: Pick<Outbox, "remark" | "during">) {
    this.#outbox = outbox;
  }

  configure(options: EngineOptions): void {
    this.#options = options;
  }

  // --- The backends of this browser ---

  /** The fast backends of the registry, with the reason for each that is not available. */
  found(): Promise<readonly Availability[]> {
    this.#found ??= availableBackends(this.#options).then((all) => all.filter(({ processor }) => processor));
    return this.#found;
  }

  async available(): Promise<BackendName[]> {
    return (await this.found()).filter(({ available }) => available).map(({ name }) => name);
  }

  /** Reason for which a backend is not available, as a phrase; undefined if it is. */
  async problemOf(wanted: string): Promise<string | undefined> {
    const found = (await this.found()).find(({ name }) => name === wanted);
    return found ? found.reason : "there is none of this name that is fast";
  }

  remarkMissing(name: string, problem: string): void {
    this.#outbox.remark(`the backend ${name} is not available here: ${problem}. ${defaultBackend} computes instead`);
  }

  /** The machine in words, as far as times depend on it. */
  async machine(): Promise<string> {
    const { threads = cores(), kernel = "auto" } = this.#options;
    const devices = (await this.found()).map(({ name, details = "" }) => `${name} ${details}`);
    return [platform.engine(), threads, platform.sharedMemory, kernel, ...devices].join(", ");
  }

  // --- The choice ---

  /** The choice in effect: the options' at first, unless that backend cannot be had, which a remark says. */
  async choice(): Promise<BackendChoice> {
    this.#choice ??= await this.#firstChoice(this.#options.backend ?? "auto");
    return this.#choice;
  }

  async #firstChoice(wanted: string): Promise<BackendChoice> {
    const chosen = backends.find(({ name }) => name === wanted)?.name ?? "auto";
    const problem = wanted === "auto" ? undefined : ((await this.problemOf(wanted)) ?? (await this.#failureOf(chosen)));
    if (problem === undefined) return chosen;
    this.remarkMissing(wanted, problem);
    return "auto";
  }

  /** Reason for which a backend cannot start; undefined if it can. */
  async #failureOf(name: BackendChoice): Promise<string | undefined> {
    if (name === "auto") return undefined;
    try {
      await this.start(name);
      return undefined;
    } catch (error) {
      if (error instanceof BackendError || error instanceof MemoryError) return error.message.replace(/\.$/, "");
      throw error;
    }
  }

  /** Chooses a backend, and starts it: `keepOnly` takes it into use. If that fails, nothing has changed. */
  async choose(choice: BackendChoice): Promise<Backend> {
    const backend = await (choice === "auto" ? this.backend() : this.start(choice));
    this.#choice = choice;
    return backend;
  }

  // --- Backends that were started ---

  /** The backend in use: of the loaded model, and for the next one. Errors are those of `start`. */
  async backend(): Promise<Backend> {
    const choice = await this.choice();
    const [first = defaultBackend] = await this.available();
    return this.start(this.#current ?? (choice === "auto" ? first : choice));
  }

  /** A backend by name. BackendError or UsageError when it cannot start; the next call tries again. */
  async start(name: BackendName): Promise<Backend> {
    const starting = this.#started.get(name) ?? this.#create(name);
    this.#started.set(name, starting);
    try {
      return await starting;
    } catch (error) {
      this.#started.delete(name);
      throw error;
    }
  }

  #create(name: BackendName): Promise<Backend> {
    return this.#outbox.during("starting", (onProgress) => {
      const onStart: OnStart = (_what, share, part) => onProgress(share, part);
      return createBackend(name, { ...this.#optionsOf(name), onStart });
    });
  }

  /** The options of a backend, without a kernel that is another one's. */
  #optionsOf(name: BackendName): BackendOptions {
    const { backend: _, kernel, ...others } = this.#options;
    const owner = backends.find(({ kernels }) => kernels.some((one) => one === kernel));
    return owner && owner.name !== name ? others : { ...others, kernel };
  }

  /** Takes a backend into use, and disposes of the others. */
  async keepOnly(backend: Backend): Promise<void> {
    for (const [name, one] of await this.#all()) {
      if (one === backend) this.#current = name;
      else await this.#dispose(name, one);
    }
  }

  /** Disposes of the backends that have failed: the next call starts others. Resolves to them. */
  async dropFailed(): Promise<Set<Backend>> {
    const failed = new Set<Backend>();
    for (const [name, one] of await this.#all()) {
      const works = await one.sync().then(
        () => true,
        () => false,
      );
      if (works) continue;
      failed.add(one);
      await this.#dispose(name, one).catch(() => {}); // there is nothing left to free
    }
    return failed;
  }

  async dispose(): Promise<void> {
    for (const [name, one] of await this.#all()) await this.#dispose(name, one);
  }

  async #all(): Promise<[BackendName, Backend][]> {
    const all = [...this.#started].map(async ([name, starting]) => [name, await starting] as [BackendName, Backend]);
    return (await Promise.allSettled(all)).flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }

  async #dispose(name: BackendName, backend: Backend): Promise<void> {
    this.#started.delete(name);
    await backend.dispose();
  }

  /** A backend's speed, measured once. */
  speedOf(backend: Backend): Promise<Speed> {
    const speed = this.#speeds.get(backend) ?? measureSpeed(backend);
    this.#speeds.set(backend, speed);
    return speed;
  }

  async info(): Promise<Omit<DeviceInfo, "storage">> {
    return {
      ...(await this.backendInfo()),
      cores: cores(),
      sharedMemory: platform.sharedMemory,
      maxTextBytes,
      backends: await this.found(),
      choice: await this.choice(),
    };
  }

  async backendInfo(): Promise<BackendInfo> {
    const { name, description, device, threads, kernel, promises } = await this.backend();
    const processor = backends.find((entry) => entry.name === name)?.processor ?? "CPU";
    return { processor, description, device, threads, kernel, relaxed: promises.fma };
  }
}

function cores(): number {
  return globalThis.navigator?.hardwareConcurrency ?? platform.usableCores();
}
