import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { formatAddrPort } from "../value/addr-port.ts";
import type { MappingSpec, ReleaseOutcome } from "./dataplane.ts";
import type { HoldRoom } from "./hold-room.ts";
import { type HeldPacket, HoldTable, type Verdicts } from "./hold-table.ts";

/** What becomes of the packets of one mapping that come to the queue. */
export class MappingHold {
  readonly #spec: MappingSpec;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #verdicts: Verdicts;
  readonly #table: HoldTable;
  readonly counters = { held: 0, timedOut: 0, overflowed: 0 };
  #open = false;
  /** Whether the mapping is enabled, or about to be. */
  taking = false;

  constructor(spec: MappingSpec, clock: Clock, log: Log, verdicts: Verdicts, room: HoldRoom) {
    this.#spec = spec;
    this.#log = log.with({ frontend: spec.name });
    this.#clock = clock;
    this.#verdicts = verdicts;
    this.#table = new HoldTable(spec.hold, clock, verdicts, room, {
      timedOut: (flows) => {
        this.counters.timedOut += flows;
        this.#log.warn("refused flows that were held too long", { flows, timeout_ms: spec.hold.timeoutMs });
      },
      released: (source, outcome, heldMs) => spec.onReleased?.(source, outcome, heldMs),
    });
  }

  /** Flows held now. */
  get size(): number {
    return this.#table.size;
  }

  /** Lets go what is held, and from now on what still comes. */
  open(): void {
    this.#open = true;
    this.#table.accept();
  }

  /** From now on, holds what comes. */
  shut(): void {
    this.#open = false;
  }

  /** What is held, which from now on is somebody else's to hold or to let go. */
  handOver(): HeldPacket[] {
    return this.#table.handOver();
  }

  refuse(): void {
    this.#table.refuse();
  }

  /** The kernel has given up the packets. */
  forget(): void {
    this.#table.drop();
  }

  /** Of what it handed over, a packet that nobody took. */
  gaveUp(packet: HeldPacket): void {
    this.#released(packet, "dropped");
  }

  packet(packet: HeldPacket): void {
    if (this.#open) {
      this.#verdicts.accept([packet.id]);
      this.#released(packet, "passed");
      return;
    }
    if (this.#spec.whenCold === "refuse") {
      this.#verdicts.refuse([packet.id]);
      this.#released(packet, "refused");
      return;
    }
    const added = this.#table.add(packet);
    if (added === "overflow") {
      this.counters.overflowed++;
      this.#released(packet, "dropped");
      this.#log.debug("dropped a packet: too much is held", {
        source: formatAddrPort(packet.source),
        max_flows: this.#spec.hold.maxFlows,
      });
    }
    if (added !== "first") return;
    this.counters.held++;
    this.#log.debug("holding a flow", { source: formatAddrPort(packet.source) });
    this.#spec.onHeld?.({ source: packet.source, handedOver: packet.heldSince !== undefined });
  }

  /** Only a flow that was held can be. */
  #released({ source, heldSince }: HeldPacket, outcome: ReleaseOutcome): void {
    if (heldSince !== undefined) this.#spec.onReleased?.(source, outcome, this.#clock.now() - heldSince);
  }
}
