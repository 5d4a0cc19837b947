/** Kernel settings that the driver changes, and puts back. */
import { readdir, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault, hasCode, messageOf } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";

/** `net.ipv4.ip_forward` as the path below /proc/sys: keys here use slashes, since interface names may hold dots. */
export type SysctlKey = string;

/** A value that is needed, and why, in words for people. */
export interface Setting {
  readonly key: SysctlKey;
  readonly value: string;
  readonly why: string;
}

export interface SysctlOptions {
  readonly log: Log;
  /** false: refuseUnmanaged() throws. */
  readonly manage: boolean;
  /** Where the former values are kept, so that they survive a crash of the daemon. */
  readonly stateFile: string;
  /** Default /proc/sys. */
  readonly root?: string;
  /** Names what the settings belong to; by default the machine's boot and the network namespace. */
  readonly place?: () => Promise<string>;
}

/** What the file holds. */
interface State {
  /** Settings of another boot, or of another network namespace (a container that was made anew), are not the same ones. */
  readonly place: string;
  readonly former: readonly (readonly [SysctlKey, string])[];
}

async function placeOfProcess(): Promise<string> {
  const [boot, namespace] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "latin1"),
    readlink("/proc/self/ns/net"),
  ]);
  return `${boot.trim()} ${namespace}`;
}

export class Sysctls {
  readonly #options: SysctlOptions;
  readonly #root: string;
  readonly #place: () => Promise<string>;
  /** Former values, in the order in which they were changed. */
  readonly #former = new Map<SysctlKey, string>();

  constructor(options: SysctlOptions) {
    this.#options = options;
    this.#root = options.root ?? "/proc/sys";
    this.#place = options.place ?? placeOfProcess;
  }

  /** Takes over what a daemon that died had changed. */
  async recover(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#options.stateFile, "utf8");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      throw error;
    }
    const { log, stateFile: file } = this.#options;
    try {
      const { place, former } = parseState(text);
      if (place !== (await this.#place())) {
        log.info("ignoring former sysctl values of another boot or network namespace", { file });
        return;
      }
      for (const [key, value] of former) this.#former.set(key, value);
    } catch (error) {
      log.warn("ignoring a damaged file of former sysctl values", { file, error: messageOf(error) });
    }
  }

  /** True when this daemon, or one that died, changed `key`. */
  changed(key: SysctlKey): boolean {
    return this.#former.has(key);
  }

  /** The value; undefined where this kernel has no such key. */
  async get(key: SysctlKey): Promise<string | undefined> {
    try {
      return (await readFile(join(this.#root, key), "utf8")).trim();
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Names of the interfaces below such as `net/ipv6/conf`, without `all` and `default`. */
  async interfaces(below: SysctlKey): Promise<string[]> {
    const names = await readdir(join(this.#root, below)).catch((): string[] => []);
    return names.filter((name) => name !== "all" && name !== "default");
  }

  /** Keeps the present values of `keys`, so that restore() brings them back; those already kept stay as they are. @throws Fault SYSCTL_FAILED */
  async remember(keys: readonly SysctlKey[]): Promise<void> {
    const size = this.#former.size;
    for (const key of keys) {
      const value = this.#former.has(key) ? undefined : await this.get(key);
      if (value !== undefined) this.#former.set(key, value);
    }
    if (this.#former.size > size) await this.#save();
  }

  /** The keys of `settings` that have another value now. */
  async lacking(settings: readonly Setting[]): Promise<Setting[]> {
    const values = await Promise.all(settings.map(({ key }) => this.get(key)));
    return settings.filter(({ value }, at) => values[at] !== value);
  }

  /** Refuses, before anything was changed, what set() would be refused for. @throws Fault SYSCTL_NEEDED */
  refuseUnmanaged(settings: readonly Setting[]): void {
    if (this.#options.manage || settings.length === 0) return;
    const why = settings.map((each) => each.why).join("; ");
    const commands = settings.map((each) => sysctlCommand(each)).join(" && ");
    throw new Fault("SYSCTL_NEEDED", `${why}; dataplane.manage_sysctls is false, so set it yourself: ${commands}`);
  }

  /** Sets what differs, remembering what it was. @throws Fault SYSCTL_FAILED */
  async set(setting: Setting): Promise<void> {
    const { key, value, why } = setting;
    const former = await this.get(key);
    if (former === value) return;
    await this.remember([key]);
    try {
      await writeFile(join(this.#root, key), value);
    } catch (error) {
      throw new Fault("SYSCTL_FAILED", `${why}, but that could not be set; try: ${sysctlCommand(setting)}`, { cause: error });
    }
    this.#options.log.info("sysctl set", { sysctl: key, from: former, to: value, reason: why });
  }

  /** Puts back the former values of the keys that `which` picks, last one first. @throws Fault SYSCTL_FAILED after having tried all */
  async restore(which: (key: SysctlKey) => boolean = () => true): Promise<void> {
    const failures: unknown[] = [];
    for (const [key, value] of [...this.#former].reverse()) {
      if (!which(key)) continue;
      this.#former.delete(key);
      try {
        if ((await this.get(key)) === value) continue;
        await writeFile(join(this.#root, key), value);
        this.#options.log.info("sysctl put back", { sysctl: key, to: value });
      } catch (error) {
        // an interface that is gone took its settings along
        if (!hasCode(error, "ENOENT")) failures.push(error);
      }
    }
    if (this.#former.size > 0) await this.#save();
    else await rm(this.#options.stateFile, { force: true });
    if (failures.length > 0) throw new Fault("SYSCTL_FAILED", "some sysctls could not be put back", { cause: failures[0] });
  }

  async #save(): Promise<void> {
    const { stateFile } = this.#options;
    const temporary = `${stateFile}.new`;
    const state: State = { place: await this.#place(), former: [...this.#former] };
    try {
      await writeFile(temporary, JSON.stringify(state), { mode: 0o600 });
      await rename(temporary, stateFile);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      const message = `the former values of sysctls cannot be written to ${stateFile}, and without that none is changed`;
      throw new Fault("SYSCTL_FAILED", message, { cause });
    }
  }
}

/** The settings that the driver changes, and those that the kernel changes with them; an interface's name has up to 15 bytes. */
const CHANGEABLE = /^net\/ipv[46]\/(?:ip_forward|conf\/(?!\.\.?\/)[^/\0]{1,15}\/[a-z_]+)$/;
/** All of them are small numbers. */
const FORMER = /^-?\d{1,9}$/;

/** What a state file holds. @throws anything, for a text that is none: a part of it is not used either */
export function parseState(text: string): State {
  const { place, former } = JSON.parse(text) as Partial<Record<keyof State, unknown>>;
  if (typeof place !== "string" || !Array.isArray(former)) throw new TypeError("not a list of former values");
  return {
    place,
    former: (former as unknown[]).map((entry) => {
      const [key, value] = entry as [unknown, unknown];
      if (typeof key !== "string" || typeof value !== "string" || !CHANGEABLE.test(key) || !FORMER.test(value))
        throw new TypeError("not a former value");
      return [key, value];
    }),
  };
}

/** As sysctl(8) takes it: dots between the parts, slashes for the dots within an interface's name. */
export function sysctlName(key: SysctlKey): string {
  return key.replaceAll(/[./]/g, (each) => (each === "/" ? "." : "/"));
}

export function sysctlCommand({ key, value }: Pick<Setting, "key" | "value">): string {
  return `sysctl -w ${sysctlName(key)}=${value}`;
}
