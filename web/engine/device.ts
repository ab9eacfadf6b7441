import { platform } from "#platform";
import type { Backend } from "../../src/backend/backend.ts";
import { createBackend, defaultBackend } from "../../src/backend/registry.ts";
import { maxTextBytes } from "./data-files.ts";
import type { DeviceInfo, EngineOptions } from "./protocol.ts";
import { measureSpeed, type Speed } from "./speed.ts";

/** The tab's one backend, started when it is first needed. */
export class Device {
  #options: EngineOptions = {};
  #backend: Promise<Backend> | undefined;
  #speed: Promise<Speed> | undefined;

  configure(options: EngineOptions): void {
    this.#options = options;
  }

  /** BackendError or UsageError when it cannot start; the next call tries again. */
  async backend(): Promise<Backend> {
    this.#backend ??= createBackend(defaultBackend, this.#options);
    try {
      return await this.#backend;
    } catch (error) {
      this.#backend = undefined;
      throw error;
    }
  }

  /** The backend's speed, measured once. */
  async speed(): Promise<Speed> {
    this.#speed ??= this.backend().then(measureSpeed);
    return this.#speed;
  }

  /** Disposes of the backend; the next call of `backend` starts another one. */
  async drop(): Promise<void> {
    const lost = this.#backend;
    this.#backend = undefined;
    this.#speed = undefined;
    await (await lost?.catch(() => undefined))?.dispose();
  }

  async info(): Promise<Omit<DeviceInfo, "storage">> {
    const { description, threads, kernel, promises, limits } = await this.backend();
    return {
      description,
      threads,
      cores: globalThis.navigator?.hardwareConcurrency ?? platform.usableCores(),
      kernel,
      relaxed: promises.fma,
      sharedMemory: platform.sharedMemory,
      memoryLimit: limits.total,
      maxTextBytes,
    };
  }
}
