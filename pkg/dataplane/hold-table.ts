import type { Clock } from "../clock/clock.ts";
import { Fault } from "../fault/fault.ts";
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { ReleaseListener, ReleaseOutcome } from "./dataplane.ts";
import type { HoldRoom } from "./hold-room.ts";

/** UDP datagrams kept per flow; what comes after them is dropped. */
const DATAGRAMS_PER_FLOW = 64;

export interface HoldLimits {
  /** How long a flow is held before it is refused. */
  readonly timeoutMs: number;
  /** Flows held at once; packets of further ones are dropped, so that TCP tries again. */
  readonly maxFlows: number;
}

/** A packet that is held: the number by which the kernel knows it, and the flow it belongs to. */
export interface HeldPacket {
  readonly id: number;
  readonly flowKey: string;
  readonly protocol: Protocol;
  readonly source: AddrPort;
  /** As the client sent it. */
  readonly destination: AddrPort;
  /** Its length. */
  readonly bytes: number;
  /** Of the first packet of a flow that another table held: since when. */
  readonly heldSince?: number;
}

/** What becomes of packets; ids in the order in which they came. */
export interface Verdicts {
  accept(ids: readonly number[]): void;
  refuse(ids: readonly number[]): void;
  drop(ids: readonly number[]): void;
}

/** What the table tells. Called after the verdict. */
export interface HoldListener {
  /** Flows were refused because their time was up. */
  timedOut(flows: number): void;
  released: ReleaseListener;
}

interface HeldFlow {
  readonly first: HeldPacket;
  readonly ids: number[];
  readonly since: number;
  /** With what tables before this one held it. */
  readonly heldSince: number;
  /** Of the room that all share. */
  taken: number;
}

/** Without a reason, each abort makes an exception with a stack of its own. */
const NOTHING_HELD = new Fault("NOTHING_HELD", "no flow is held any more");

/**
 * The flows of one mapping that wait for its target. The kernel keeps the packets, this only their numbers. All flows
 * wait equally long, so the first one in is the first one due.
 */
export class HoldTable {
  readonly #limits: HoldLimits;
  readonly #clock: Clock;
  readonly #verdicts: Verdicts;
  readonly #room: HoldRoom;
  readonly #listener: HoldListener;
  /** By flow key, oldest first. */
  readonly #flows = new Map<string, HeldFlow>();
  #taken = 0;
  /** While flows are held. */
  #timer: AbortController | undefined;

  constructor(limits: HoldLimits, clock: Clock, verdicts: Verdicts, room: HoldRoom, listener: HoldListener) {
    this.#limits = limits;
    this.#clock = clock;
    this.#verdicts = verdicts;
    this.#room = room;
    this.#listener = listener;
  }

  /** Flows held now. */
  get size(): number {
    return this.#flows.size;
  }

  /** Holds a packet, or drops it where a limit says so. "overflow": of a new flow, dropped, because too much is held. */
  add(packet: HeldPacket): "first" | "further" | "overflow" {
    const flow = this.#flows.get(packet.flowKey);
    if (flow !== undefined) {
      this.#addFurther(flow, packet);
      return "further";
    }
    const taken = this.#flows.size >= this.#limits.maxFlows ? undefined : this.#take(packet);
    if (taken === undefined) {
      this.#verdicts.drop([packet.id]);
      return "overflow";
    }
    const since = this.#clock.now();
    this.#flows.set(packet.flowKey, { first: packet, ids: [packet.id], since, heldSince: packet.heldSince ?? since, taken });
    if (this.#flows.size === 1) this.#expireLater();
    return "first";
  }

  #addFurther(flow: HeldFlow, packet: HeldPacket): void {
    if (packet.protocol === "tcp") {
      // The same SYN again: the newest is kept, because the kernel discards all that is held when any base chain of the
      // network namespace is removed (nf_queue.c), and does not tell; the one just come is certainly there.
      this.#verdicts.drop(flow.ids.splice(0));
      flow.ids.push(packet.id);
      return;
    }
    const taken = flow.ids.length >= DATAGRAMS_PER_FLOW ? undefined : this.#take(packet);
    if (taken === undefined) {
      this.#verdicts.drop([packet.id]);
      return;
    }
    flow.ids.push(packet.id);
    flow.taken += taken;
  }

  #take({ bytes }: HeldPacket): number | undefined {
    const taken = this.#room.take(bytes, this.#taken);
    this.#taken += taken ?? 0;
    return taken;
  }

  #give(taken: number): void {
    this.#taken -= taken;
    this.#room.give(taken);
  }

  /** Lets everything go, flow by flow, each flow's packets in order. */
  accept(): void {
    const flows = this.#takeOut();
    this.#verdicts.accept(idsOf(flows));
    this.#tell(flows, "passed");
  }

  /** All that was held, in the order of accept(), for another table to hold. */
  handOver(): HeldPacket[] {
    return this.#takeOut().flatMap(({ first, ids, heldSince }) => {
      const { flowKey, protocol, source, destination, bytes } = first;
      return ids.map((id, at) => ({ id, flowKey, protocol, source, destination, bytes, ...(at === 0 ? { heldSince } : {}) }));
    });
  }

  refuse(): void {
    const flows = this.#takeOut();
    this.#verdicts.refuse(idsOf(flows));
    this.#tell(flows, "refused");
  }

  drop(): void {
    const flows = this.#takeOut();
    this.#verdicts.drop(idsOf(flows));
    this.#tell(flows, "dropped");
  }

  #takeOut(): HeldFlow[] {
    if (this.size === 0) return [];
    const flows = [...this.#flows.values()];
    this.#flows.clear();
    this.#give(this.#taken);
    this.#timer?.abort(NOTHING_HELD);
    return flows;
  }

  #tell(flows: readonly HeldFlow[], outcome: ReleaseOutcome): void {
    const now = this.#clock.now();
    for (const { first, heldSince } of flows) this.#listener.released(first.source, outcome, now - heldSince);
  }

  #expireLater(): void {
    const timer = new AbortController();
    this.#timer = timer;
    void this.#expire(timer.signal);
  }

  /** Refuses each flow when its time is up, until none is left. */
  async #expire(signal: AbortSignal): Promise<void> {
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      const due = oldest.since + this.#limits.timeoutMs;
      await this.#clock.sleep(due - this.#clock.now(), signal).catch(() => undefined);
      if (signal.aborted) return;
      const expired = [...this.#flows].filter(([, { since }]) => since + this.#limits.timeoutMs <= this.#clock.now());
      if (expired.length === 0) continue;
      for (const [key, { taken }] of expired) {
        this.#flows.delete(key);
        this.#give(taken);
      }
      const flows = expired.map(([, flow]) => flow);
      this.#verdicts.refuse(idsOf(flows));
      this.#listener.timedOut(flows.length);
      this.#tell(flows, "timed_out");
    }
  }

  #oldest(): HeldFlow | undefined {
    return this.#flows.values().next().value;
  }
}

function idsOf(flows: readonly HeldFlow[]): number[] {
  return flows.flatMap(({ ids }) => ids);
}
