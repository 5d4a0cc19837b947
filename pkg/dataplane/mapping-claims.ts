import { Fault } from "../fault/fault.ts";
import { formatAddrPort, isWildcard, overlaps, sameAddrPort } from "../value/addr-port.ts";
import type { MappingSpec } from "./dataplane.ts";

/** Which listen addresses are taken, by which mapping. */
export class MappingClaims {
  readonly #wildcardOverlap: "refuse" | "specific-wins";
  readonly #names = new Set<string>();
  /** Mappings by protocol and port. */
  readonly #byPort = new Map<string, MappingSpec[]>();

  constructor(wildcardOverlap: "refuse" | "specific-wins") {
    this.#wildcardOverlap = wildcardOverlap;
  }

  /** @throws Fault MAPPING_EXISTS, MAPPING_OVERLAPS; nothing is claimed then */
  claim(spec: MappingSpec): void {
    if (this.#names.has(spec.name)) throw new Fault("MAPPING_EXISTS", `there is a mapping "${spec.name}" already`);
    for (const { listen } of spec.routes) {
      for (const other of this.#byPort.get(portKey(spec, listen.port)) ?? []) {
        for (const { listen: taken } of other.routes) {
          const tolerated = this.#wildcardOverlap === "specific-wins" && isWildcard(listen) !== isWildcard(taken);
          if (tolerated || !overlaps(listen, taken)) continue;
          const what = sameAddrPort(listen, taken) ? "is taken by" : `overlaps ${formatAddrPort(taken)} of`;
          throw new Fault("MAPPING_OVERLAPS", `${spec.protocol} ${formatAddrPort(listen)} ${what} the mapping "${other.name}"`);
        }
      }
    }
    this.#names.add(spec.name);
    for (const key of portKeys(spec)) this.#byPort.set(key, this.#byPort.get(key)?.concat(spec) ?? [spec]);
  }

  /** Idempotent. */
  release(spec: MappingSpec): void {
    this.#names.delete(spec.name);
    for (const key of portKeys(spec)) {
      const left = (this.#byPort.get(key) ?? []).filter((each) => each !== spec);
      if (left.length === 0) this.#byPort.delete(key);
      else this.#byPort.set(key, left);
    }
  }
}

function portKeys(spec: MappingSpec): Set<string> {
  return new Set(spec.routes.map(({ listen }) => portKey(spec, listen.port)));
}

function portKey(spec: MappingSpec, port: number): string {
  return `${spec.protocol} ${port}`;
}
