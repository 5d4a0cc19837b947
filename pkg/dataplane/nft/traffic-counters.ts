import type { ElementCounter, RulesetReader } from "../../netlink/netlink.ts";
import type { Route } from "../../config/types.ts";
import { Fault, hasCode } from "../../fault/fault.ts";
import type { AddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { PacketCount, Traffic } from "../dataplane.ts";
import type { Element } from "./elements.ts";
import { bytesOf, keyId, keyIdOf, keyOf, KEYS, routeId, SPECIFIC } from "./key.ts";
import { type Direction, DIRECTIONS, sharedSets } from "./shared-endpoints.ts";

/** What one element has counted. */
interface Count {
  /** Of its predecessors with the same key and value. */
  beforePackets: number;
  beforeBytes: number;
  /** When it was last read. */
  packets: number;
  bytes: number;
  /** It has been read for the last time: a transaction is about to delete it. */
  leaving: boolean;
}

/** Whose all is that an endpoint's own elements count. */
interface Owner {
  readonly protocol: Protocol;
  readonly route: Route;
}

interface Total {
  packets: number;
  bytes: number;
}

/** Of a set: by key and value, as the kernel has them. */
type Counts = Map<string, Count>;

const NOTHING: PacketCount = { packets: 0, bytes: 0 };
const CONNECTIONS = KEYS.map(({ suffix }) => `dnat${suffix}`);
const DIRECTION_NAMES = Object.keys(DIRECTIONS) as Direction[];
const PACKETS: ReadonlyMap<string, Direction> = new Map(
  Object.values(SPECIFIC).flatMap(({ suffix }) => DIRECTION_NAMES.map((name) => [`${name}${suffix}`, name] as const)),
);
/** There may be none: an empty answer, then. */
const SHARED = sharedSets().map(({ name }) => name);
const COUNTED: ReadonlySet<string> = new Set([...CONNECTIONS, ...PACKETS.keys(), ...SHARED]);
/** From so many elements on, all are read, which then costs less than to ask for each. */
const MANY = 200;
/** How often a set is read that transactions keep changing. What is missing then has what it had the last time. */
const READ_TRIES = 5;
/** Of the protocol, in a key. */
const PROTOCOL_BYTES = 4;

/**
 * What the table's elements count, added up over the lives of each. An element takes its counter along: what it had is read before
 * a transaction deletes it, or somebody else's deletion is put right; what begins anew unnoticed is known by counting less than before.
 */
export class TrafficCounters {
  readonly #table: string;
  readonly #counts = new Map<string, Counts>();
  /** What endpoints have counted while a single route, or those of one mapping, led to them: by direction and route. */
  readonly #accounts = new Map<string, Total>();
  /** By endpoint. Most of thousands never count anything, so accounts are opened when they do. */
  readonly #owners = new Map<string, Owner>();
  #reader: Pick<RulesetReader, "element" | "elements"> | undefined;

  constructor(table: string) {
    this.#table = table;
  }

  open(reader: Pick<RulesetReader, "element" | "elements">): void {
    this.#reader = reader;
  }

  /** From now on, and from when it was read last, what the endpoint's own elements count is the route's. */
  own(protocol: Protocol, route: Route): void {
    this.#owners.set(keyId(protocol, route.endpoint), { protocol, route });
  }

  /** @throws Fault TRAFFIC_UNKNOWN */
  async read(): Promise<Traffic> {
    try {
      await this.#readAll();
    } catch (cause) {
      throw new Fault("TRAFFIC_UNKNOWN", "what the kernel has counted could not be read", { cause });
    }
    return this.last();
  }

  /**
   * Before a transaction that deletes `elements`: notes what they have counted. What is returned is to be called when it is
   * known whether they are `gone`. Never fails: what cannot be read is lost.
   */
  async leaving(elements: readonly Element[]): Promise<(gone: boolean) => void> {
    const counted = elements.filter(({ set }) => COUNTED.has(set));
    if (counted.length === 0 || this.#reader === undefined) return () => undefined;
    if (counted.length >= MANY) await this.#readAll().catch(() => undefined);
    else for (const each of counted) this.#readOne(each);
    const counts = counted.flatMap((each) => this.#counts.get(each.set)?.get(idOf(each)) ?? []);
    for (const count of counts) count.leaving = true;
    return (gone) => {
      for (const count of counts) {
        count.leaving = false;
        if (gone) restart(count);
      }
    };
  }

  /** `elements` that somebody had removed are about to be added again, and will count from zero. */
  restarted(elements: readonly Element[]): void {
    for (const each of elements) {
      const count = COUNTED.has(each.set) ? this.#counts.get(each.set)?.get(idOf(each)) : undefined;
      if (count !== undefined) restart(count);
    }
  }

  /** The table is about to be made again: all will count from zero. Never fails. */
  async remaking(): Promise<void> {
    await this.#readAll().catch(() => undefined);
    for (const counts of this.#counts.values()) for (const count of counts.values()) restart(count);
  }

  async #readAll(): Promise<void> {
    if (this.#reader === undefined) throw new Fault("RULESET_FAILED", "nftables is not looked at");
    for (const set of COUNTED) await this.#readSet(set, this.#reader);
  }

  async #readSet(set: string, reader: Pick<RulesetReader, "elements">): Promise<void> {
    const counts = this.#of(set);
    for (let left = READ_TRIES; left > 0; left--) {
      try {
        await reader.elements(this.#table, set, ({ key, value, counter }) => {
          if (key === undefined || counter === undefined) return;
          this.#note(set, counts, `${key.toString("latin1")}${value?.toString("latin1") ?? ""}`, counter);
        });
        return;
      } catch (error) {
        if (!hasCode(error, "RULESET_CHANGED")) throw error;
      }
    }
  }

  #readOne(element: Element): void {
    try {
      const { packets, bytes } = this.#reader?.element(this.#table, element.set, bytesOf(keyIdOf(element.key))) ?? {};
      if (packets !== undefined) this.#note(element.set, this.#of(element.set), idOf(element), { packets, bytes: bytes ?? 0 });
    } catch {
      // the last reading has to do
    }
  }

  #note(set: string, counts: Counts, id: string, { packets, bytes }: ElementCounter): void {
    if (packets === 0 && !counts.has(id)) return;
    const count = countIn(counts, id);
    if (count.leaving) return;
    // somebody had removed it, or the whole table
    if (packets < count.packets) restart(count);
    const account = this.#account(set, id);
    if (account !== undefined) {
      account.packets += packets - count.packets;
      account.bytes += bytes - count.bytes;
    }
    count.packets = packets;
    count.bytes = bytes;
  }

  #account(set: string, id: string): Total | undefined {
    const direction = PACKETS.get(set);
    const owner = direction === undefined ? undefined : this.#owners.get(id);
    if (direction === undefined || owner === undefined) return undefined;
    const name = accountId(direction, owner.protocol, owner.route);
    const account = this.#accounts.get(name) ?? { packets: 0, bytes: 0 };
    this.#accounts.set(name, account);
    return account;
  }

  #of(set: string): Counts {
    const counts = this.#counts.get(set) ?? (new Map() as Counts);
    this.#counts.set(set, counts);
    return counts;
  }

  /** As it was read last. */
  last(): Traffic {
    const totals = new Map<string, ReadonlyMap<string, PacketCount>>();
    for (const [set, counts] of this.#counts) totals.set(set, new Map([...counts].map(([id, count]) => [id, totalOf(count)])));
    const begunTo = new Map<string, number>();
    for (const set of CONNECTIONS) {
      const keyLength = KEY_BYTES[set] ?? 0;
      for (const [id, { packets }] of totals.get(set) ?? []) {
        const endpoint = id.slice(0, PROTOCOL_BYTES) + id.slice(keyLength);
        begunTo.set(endpoint, (begunTo.get(endpoint) ?? 0) + packets);
      }
    }
    const total = (set: string, id: string): PacketCount => totals.get(set)?.get(id) ?? NOTHING;
    const byEndpoint =
      (name: Direction) =>
      (protocol: Protocol, endpoint: AddrPort): PacketCount => {
        const { suffix } = SPECIFIC[endpoint.family];
        const id = keyId(protocol, endpoint);
        return sum(total(`${name}${suffix}`, id), total(`${name}_shared${suffix}`, id));
      };
    const accounts = new Map([...this.#accounts].map(([id, { packets, bytes }]) => [id, { packets, bytes }]));
    const byRoute =
      (name: Direction) =>
      (protocol: Protocol, route: Route): PacketCount => {
        const shared = total(`${name}_by_route${keyOf(route.listen).suffix}`, routeId(protocol, route));
        return sum(shared, accounts.get(accountId(name, protocol, route)) ?? NOTHING);
      };
    return {
      began: (protocol, route) => total(`dnat${keyOf(route.listen).suffix}`, routeId(protocol, route)).packets,
      beganTo: (protocol, endpoint) => begunTo.get(keyId(protocol, endpoint)) ?? 0,
      received: byEndpoint("received"),
      sent: byEndpoint("sent"),
      receivedBy: byRoute("received"),
      sentBy: byRoute("sent"),
    };
  }
}

const KEY_BYTES: Readonly<Record<string, number>> = Object.fromEntries(
  KEYS.map(({ suffix, wildcard, family }) => [`dnat${suffix}`, 8 + (wildcard ? 0 : family === "ipv4" ? 4 : 16)]),
);

function countIn(counts: Counts, id: string): Count {
  const known = counts.get(id);
  if (known !== undefined) return known;
  const count: Count = { beforePackets: 0, beforeBytes: 0, packets: 0, bytes: 0, leaving: false };
  counts.set(id, count);
  return count;
}

function accountId(direction: Direction, protocol: Protocol, route: Route): string {
  return `${direction} ${routeId(protocol, route)}`;
}

function sum(one: PacketCount, other: PacketCount): PacketCount {
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

function restart(count: Count): void {
  count.beforePackets += count.packets;
  count.beforeBytes += count.bytes;
  count.packets = count.bytes = 0;
}

function totalOf({ beforePackets, beforeBytes, packets, bytes }: Count): PacketCount {
  return { packets: beforePackets + packets, bytes: beforeBytes + bytes };
}

function idOf({ key, value }: Element): string {
  return keyIdOf(key) + (value === undefined ? "" : keyIdOf(value));
}
