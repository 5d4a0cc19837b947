import type { Clock } from "../../clock/clock.ts";
import type { DataplaneMarks } from "../../config/types.ts";
import { type Fault, messageOf } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { PacketQueue, QueuedPacket, QueueOptions } from "../../netlink/netlink.ts";
import { parsePacket } from "../../netlink/packet.ts";
import { isWildcard } from "../../value/addr-port.ts";
import type { MappingSpec } from "../dataplane.ts";
import { HoldRoom } from "../hold-room.ts";
import type { HeldPacket, Verdicts } from "../hold-table.ts";
import { MappingHold } from "../mapping-hold.ts";

/** Packets that the kernel keeps for the daemon; more than all frontends together usually hold. */
const QUEUE_LENGTH = 32_768;
/** How long to wait before a queue that failed is opened again. */
const REOPEN_MS = 1000;

const DROPPED = "packets came faster than they could be read; the kernel dropped some, and their clients will try again";

export interface HoldQueueOptions {
  readonly number: number;
  readonly marks: DataplaneMarks;
  readonly clock: Clock;
  readonly log: Log;
  readonly open: (options: QueueOptions) => Promise<PacketQueue>;
}

/** The kernel's queue of held packets, and which mapping each belongs to. */
export class HoldQueue {
  readonly #options: HoldQueueOptions;
  readonly #holds = new Map<string, MappingHold>();
  readonly #room = new HoldRoom();
  /** Marks of held packets that had one, to be left as they were. */
  readonly #marks = new Map<number, number>();
  readonly #closed = new AbortController();
  #queue: PacketQueue | undefined;
  /** False until the table is ours: what comes then was sent by a dead daemon's. */
  #begun = false;
  /** Packets that the kernel dropped because its queue was full, as far as that was told. */
  #overflows = 0;

  readonly #verdicts: Verdicts = {
    accept: (ids: readonly number[]) => {
      this.#accept(ids, 0);
    },
    refuse: (ids: readonly number[]) => {
      this.#accept(ids, this.#options.marks.refuse);
    },
    drop: (ids: readonly number[]) => {
      for (const id of ids) this.#marks.delete(id);
      this.#queue?.drop(ids);
    },
  };

  constructor(options: HoldQueueOptions) {
    this.#options = options;
  }

  /** @throws Fault QUEUE_BUSY, QUEUE_UNSUPPORTED, PRIVILEGE_MISSING */
  async open(): Promise<void> {
    const { number, log } = this.#options;
    const queue = await this.#options.open({
      number,
      maxLength: QUEUE_LENGTH,
      onPacket: (packet) => {
        this.#packet(packet);
      },
      onOverrun: (count) => {
        log.warn(DROPPED, { count });
      },
      onError: (fault) => {
        void this.#reopen(fault);
      },
    });
    if (this.#closed.signal.aborted) queue.close();
    else this.#queue = queue;
    this.#overflows = 0;
  }

  /** To be called now and then: tells what the kernel dropped because its queue was full, which it counts and does not say. */
  reportOverflows(): void {
    const overflows = this.#queue?.stats().overflows ?? 0;
    const count = (overflows - this.#overflows) >>> 0;
    this.#overflows = overflows;
    if (count > 0) this.#options.log.warn(DROPPED, { count });
  }

  /** From now on packets are held. Those that came before were dropped, so that their clients try again. */
  begin(): void {
    this.#begun = true;
  }

  async #reopen(fault: Fault): Promise<void> {
    const { clock, log } = this.#options;
    log.error("the queue of held packets failed; opening it again", { error: messageOf(fault) });
    for (const hold of this.#holds.values()) hold.forget();
    this.#marks.clear();
    const { signal } = this.#closed;
    for (let open = false; !open;) {
      const failure = await clock
        .sleep(REOPEN_MS, signal)
        .then(() => this.open())
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      if (signal.aborted) return;
      open = failure === undefined;
      if (failure !== undefined) log.error("the queue of held packets could not be opened", { error: messageOf(failure) });
    }
    log.info("the queue of held packets is open again");
  }

  /** To be called now and then: a queue that is not read any more is opened anew. */
  check(): void {
    this.#queue?.check();
  }

  /** Idempotent. Packets still held are dropped by the kernel. */
  close(): void {
    this.#closed.abort();
    this.#queue?.close();
    this.#queue = undefined;
  }

  /** From now on, packets for the mapping's listen addresses go to what is returned. */
  register(spec: MappingSpec): MappingHold {
    const hold = new MappingHold(spec, this.#options.clock, this.#options.log, this.#verdicts, this.#room);
    for (const key of keysOf(spec)) this.#holds.set(key, hold);
    return hold;
  }

  /** The reverse of register(); what is held is handed over. Idempotent. */
  unregister(spec: MappingSpec, hold: MappingHold): void {
    // another mapping may have taken the listen address over
    for (const key of keysOf(spec)) if (this.#holds.get(key) === hold) this.#holds.delete(key);
    this.handOver(hold);
  }

  /** What `hold` has goes to the mapping that has its listen address now; if there is none, wherever it goes by itself. */
  handOver(hold: MappingHold): void {
    for (const packet of hold.handOver()) if (!this.#deliver(packet)) hold.gaveUp(packet);
  }

  #packet(packet: QueuedPacket): void {
    const { marks, log } = this.#options;
    const mark = clear(packet.mark, marks.queue);
    const parsed = parsePacket(packet.payload);
    if (parsed.packet === undefined || !this.#begun) {
      if (parsed.packet === undefined) log.debug("dropped a packet that could not be read", { flaw: parsed.flaw });
      this.#queue?.drop(packet.id);
      return;
    }
    if (packet.mark !== 0) this.#marks.set(packet.id, mark);
    const { protocol, destination, source, flowKey } = parsed.packet;
    this.#deliver({ id: packet.id, flowKey, protocol, source, destination, bytes: packet.length });
  }

  /** False: it is no mapping's any more, and went on its way. */
  #deliver(packet: HeldPacket): boolean {
    const { protocol, destination } = packet;
    const hold = [
      this.#holds.get(`${protocol} ${destination.address} ${destination.port}`),
      this.#holds.get(`${protocol} ${destination.family} ${destination.port}`),
    ].find((each) => each?.taking);
    // none: the mapping has just gone
    if (hold === undefined) this.#accept([packet.id], 0);
    else hold.packet(packet);
    return hold !== undefined;
  }

  #accept(ids: readonly number[], extraMark: number): void {
    if (this.#queue === undefined) return;
    if (extraMark === 0 && this.#marks.size === 0) {
      this.#queue.accept(ids);
      return;
    }
    for (const id of ids) {
      this.#queue.accept(id, ((this.#marks.get(id) ?? 0) | extraMark) >>> 0);
      this.#marks.delete(id);
    }
  }
}

function clear(mark: number, bit: number): number {
  return (mark & ~bit) >>> 0;
}

function keysOf(spec: MappingSpec): string[] {
  return spec.routes.map(
    ({ listen }) => `${spec.protocol} ${isWildcard(listen) ? listen.family : listen.address} ${listen.port}`,
  );
}
