import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { type AddrPort, formatAddrPort } from "../value/addr-port.ts";
import type { MappingSpec, ReleaseOutcome } from "./dataplane.ts";
import type { HoldRoom } from "./hold-room.ts";
import { type HeldPacket, type HoldListener, HoldTable, type Verdicts } from "./hold-table.ts";

/** What becomes of the packets of one mapping that come to the queue. */
export class MappingHold implements HoldListener {
  readonly #spec: MappingSpec;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #verdicts: Verdicts;
  readonly #room: HoldRoom;
  /** Made with the first packet: most of thousands of mappings hold nothing. */
  #table: HoldTable | undefined;
  readonly counters = { held: 0, timedOut: 0, overflowed: 0 };
  #open = false;
  /** Whether the mapping is enabled, or about to be. */
  taking = false;

  constructor(spec: MappingSpec, clock: Clock, log: Log, verdicts: Verdicts, room: HoldRoom) {
    this.#spec = spec;
    this.#log = log;
    this.#clock = clock;
    this.#verdicts = verdicts;
    this.#room = room;
  }

  timedOut(flows: number): void {
    const { name, hold } = this.#spec;
    this.counters.timedOut += flows;
    this.#log.warn("refused flows that were held too long", { frontend: name, flows, timeout_ms: hold.timeoutMs });
  }

  released(source: AddrPort, outcome: ReleaseOutcome, heldMs: number): void {
    this.#spec.onReleased?.(source, outcome, heldMs);
  }

  /** Flows held now. */
  get size(): number {
    return this.#table?.size ?? 0;
  }

  /** Lets go what is held, and from now on what still comes. */
  open(): void {
    this.#open = true;
    this.#table?.accept();
  }

  /** From now on, holds what comes. */
  shut(): void {
    this.#open = false;
  }

  /** What is held, which from now on is somebody else's to hold or to let go. */
  handOver(): HeldPacket[] {
    return this.#table?.handOver() ?? [];
  }

  refuse(): void {
    this.#table?.refuse();
  }

  /** The kernel has given up the packets. */
  forget(): void {
    this.#table?.drop();
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
    this.#table ??= new HoldTable(this.#spec.hold, this.#clock, this.#verdicts, this.#room, this);
    const added = this.#table.add(packet);
    if (added === "overflow") {
      this.counters.overflowed++;
      this.#released(packet, "dropped");
      this.#log.debug("dropped a packet: too much is held", {
        frontend: this.#spec.name,
        source: formatAddrPort(packet.source),
        max_flows: this.#spec.hold.maxFlows,
      });
    }
    if (added !== "first") return;
    this.counters.held++;
    this.#log.debug("holding a flow", { frontend: this.#spec.name, source: formatAddrPort(packet.source) });
    this.#spec.onHeld?.({ source: packet.source, handedOver: packet.heldSince !== undefined });
  }

  /** Only a flow that was held can be. */
  #released({ source, heldSince }: HeldPacket, outcome: ReleaseOutcome): void {
    if (heldSince !== undefined) this.#spec.onReleased?.(source, outcome, this.#clock.now() - heldSince);
  }
}
