import { describe, expect, it } from "vitest";
import { Fault, hasCode } from "../fault/fault.ts";
import { be16, be32, MessageWriter } from "./message.ts";
import type { QueuedPacket } from "./netlink.ts";
import { KernelQueue } from "./queue.ts";
import type { NetlinkSocket } from "./socket.ts";

const PARAMETERS = { number: 5, copyRange: 256, maxLength: 100 };

/** The kernel's end: answers the configuration, hands out what a test put in, keeps what is sent. */
class FakeSocket implements NetlinkSocket {
  readonly incoming: (Buffer | Fault)[] = [];
  readonly sent: Buffer[] = [];
  lostCount = 0;
  closed = false;
  sendFault: Fault | undefined;
  answer: Buffer | undefined = answer(0, 0);
  #onReadable = (): void => undefined;

  send(messages: Buffer): void {
    if (this.sendFault !== undefined) throw this.sendFault;
    this.sent.push(Buffer.from(messages));
    if (this.sent.length === 1 && this.answer !== undefined) this.incoming.push(this.answer);
  }

  receive(into: Buffer): number | undefined {
    const next = this.incoming.shift();
    if (next instanceof Fault) throw next;
    next?.copy(into);
    return next?.length;
  }

  lost(): number {
    return this.lostCount;
  }

  waiting(): number {
    return this.incoming.length;
  }

  watch(onReadable: () => void): void {
    this.#onReadable = onReadable;
  }

  close(): void {
    this.closed = true;
  }

  /** One turn of the event loop. */
  turn(): void {
    if (this.incoming.length > 0 && !this.closed) this.#onReadable();
  }
}

function message(type: number, sequence: number, write: (writer: MessageWriter) => void): Buffer {
  const writer = new MessageWriter(Buffer.alloc(512));
  writer.begin(type, 0, sequence);
  write(writer);
  return Buffer.from(writer.written);
}

function answer(sequence: number, errno: number): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  return message(2, sequence, (writer) => {
    writer.fixed([...code]);
  });
}

function packet(id: number, payload: readonly number[] = [0x45]): Buffer {
  return message(0x0300, 0, (writer) => {
    writer.fixed([0, 0, ...be16(5)]);
    writer.attribute(1, [...be32(id), ...be16(0x0800), 0]);
    writer.attribute(10, payload);
  });
}

/** A packet message from which the payload is missing. */
function withoutPayload(id: number): Buffer {
  const whole = packet(id, []);
  whole.writeUInt32LE(whole.length - 4);
  return whole.subarray(0, whole.length - 4);
}

interface Opened {
  readonly queue: KernelQueue;
  readonly socket: FakeSocket;
  readonly packets: number[];
  readonly overruns: number[];
  readonly faults: Fault[];
}

function opened(prepare: (socket: FakeSocket) => void = () => undefined, onPacket?: (queued: QueuedPacket) => void): Opened {
  const socket = new FakeSocket();
  prepare(socket);
  const packets: number[] = [];
  const overruns: number[] = [];
  const faults: Fault[] = [];
  const callbacks = {
    onPacket: (queued: QueuedPacket): void => {
      packets.push(queued.id);
      onPacket?.(queued);
    },
    onOverrun: (count: number): void => {
      overruns.push(count);
    },
    onError: (fault: Fault): void => {
      faults.push(fault);
    },
  };
  const queue = new KernelQueue(socket, PARAMETERS, callbacks, () => ({ number: 5, port: 1, held: 3, overflowed: 4 }));
  queue.start();
  return { queue, socket, packets, overruns, faults };
}

/** Verdicts among what was sent after the configuration: id, 0 for drop or 1 for accept. */
function verdicts(socket: FakeSocket): [number, number][] {
  const found: [number, number][] = [];
  for (const data of socket.sent.slice(1)) {
    for (let offset = 0; offset < data.length; offset += data.readUInt32LE(offset)) {
      found.push([data.readUInt32BE(offset + 28), data.readUInt32BE(offset + 24)]);
    }
  }
  return found;
}

describe("start", () => {
  it("fails with the kernel's error", () => {
    expect(() => opened((socket) => (socket.answer = answer(0, 1)))).toThrow(expect.objectContaining({ code: "EPERM" }) as Error);
  });

  it("fails without an answer", () => {
    expect(() => opened((socket) => (socket.answer = undefined))).toThrow(
      expect.objectContaining({ code: "QUEUE_FAILED" }) as Error,
    );
  });

  it("fails by throwing only", () => {
    const unreadable = (socket: FakeSocket): void => void socket.incoming.push(new Fault("EBADF", "recv: bad file descriptor"));
    expect(() => opened(unreadable)).toThrow(expect.objectContaining({ code: "QUEUE_FAILED" }) as Error);
  });

  it("drops packets that come before anyone could decide on them", () => {
    const { socket, packets } = opened((fake) => fake.incoming.push(packet(1), packet(2)));
    expect(packets).toEqual([]);
    expect(verdicts(socket)).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });
});

describe("receiving", () => {
  it("hands over packets in order, several to a datagram too", () => {
    const { socket, packets, queue } = opened();
    socket.incoming.push(packet(1), Buffer.concat([packet(2), packet(3)]));
    socket.turn();
    expect(packets).toEqual([1, 2, 3]);
    expect(queue.stats()).toEqual({ packets: 3, malformed: 0, overruns: 0, gone: 0, held: 3, overflows: 4 });
  });

  it("leaves the event loop its turn in a flood", () => {
    const { socket, packets } = opened();
    for (let id = 1; id <= 150; id++) socket.incoming.push(packet(id));
    socket.turn();
    expect(packets.length).toBe(64);
    socket.turn();
    socket.turn();
    expect(packets.length).toBe(150);
  });

  it("counts what it does not understand and drops the packet where it can be told", () => {
    const { socket, packets, queue, faults } = opened();
    const longer = packet(8);
    longer.writeUInt32LE(400);
    socket.incoming.push(
      Buffer.from("junk"),
      message(0x7777, 0, () => undefined),
      withoutPayload(7),
      longer,
      packet(9),
    );
    socket.turn();
    expect(queue.stats().malformed).toBe(4);
    expect(verdicts(socket)).toEqual([[7, 0]]);
    expect(packets).toEqual([9]);
    expect(faults).toEqual([]);
  });

  it("passes over messages that mean nothing here", () => {
    const { socket, queue } = opened();
    for (const type of [1, 3, 4]) socket.incoming.push(message(type, 0, () => undefined));
    socket.turn();
    expect(queue.stats().malformed).toBe(0);
  });

  it("counts lost packets, each once, and across the counter's end", () => {
    const { socket, overruns, queue } = opened();
    for (const lost of [0, 10, 10, 0xffff_fff0, 4]) {
      socket.lostCount = lost;
      socket.incoming.push(packet(1));
      socket.turn();
    }
    expect(overruns).toEqual([10, 0xffff_ffe6, 20]);
    expect(queue.stats().overruns).toBe(2 ** 32 + 4);
  });

  it("survives a receive buffer that ran over", () => {
    const { socket, packets, faults } = opened();
    socket.incoming.push(new Fault("ENOBUFS", "recv: no buffer space available"), packet(1));
    socket.turn();
    expect(packets).toEqual([1]);
    expect(faults).toEqual([]);
  });

  it("fails when packets wait and are not read, and not before", () => {
    const { queue, socket, packets, faults } = opened();
    queue.check();
    socket.incoming.push(packet(1));
    queue.check();
    socket.turn();
    // as many as before wait, but others
    socket.incoming.push(packet(2));
    queue.check();
    expect(faults).toEqual([]);
    queue.check();
    expect(faults.map((each) => each.message)).toEqual(["packet queue 5: packets wait and are not read"]);
    expect(socket.closed).toBe(true);
    queue.check();
    expect(packets).toEqual([1]);
    expect(faults).toHaveLength(1);
  });

  it("fails once, and closes, when the socket does", () => {
    const { socket, faults, packets } = opened();
    socket.incoming.push(new Fault("EBADF", "recv: bad file descriptor"), packet(1));
    socket.turn();
    expect(faults.map((each) => each.code)).toEqual(["QUEUE_FAILED"]);
    expect(hasCode(faults[0]?.cause, "EBADF")).toBe(true);
    expect(socket.closed).toBe(true);
    expect(packets).toEqual([]);
  });

  it("leaves an exception of its user's to the user", () => {
    const { socket, packets, faults } = opened(undefined, () => {
      if (packets.length === 1) throw new Error("boom");
    });
    socket.incoming.push(packet(1), packet(2));
    expect(() => {
      socket.turn();
    }).toThrow("boom");
    socket.turn();
    expect(packets).toEqual([1, 2]);
    expect(faults).toEqual([]);
  });

  it("hands over nothing after close, from the same datagram either", () => {
    const { socket, packets, queue } = opened(undefined, () => {
      queue.close();
    });
    socket.incoming.push(Buffer.concat([packet(1), packet(2)]), packet(3));
    socket.turn();
    expect(packets).toEqual([1]);
    expect(socket.closed).toBe(true);
  });
});

describe("verdicts", () => {
  it("gives one, and many in few datagrams", () => {
    const { socket, queue } = opened();
    queue.accept(7);
    queue.drop(Array.from({ length: 600 }, (_, index) => index + 1));
    expect(socket.sent.length).toBe(1 + 1 + 3);
    const given = verdicts(socket);
    expect(given[0]).toEqual([7, 1]);
    expect(given.slice(1)).toEqual(Array.from({ length: 600 }, (_, index) => [index + 1, 0]));
  });

  it("counts those that came too late", () => {
    const { socket, queue, faults } = opened();
    socket.incoming.push(answer(7, 2), answer(8, 2));
    socket.turn();
    expect(queue.stats().gone).toBe(2);
    expect(faults).toEqual([]);
  });

  it("fails when the kernel no longer takes them", () => {
    const { socket, faults } = opened();
    socket.incoming.push(answer(7, 19));
    socket.turn();
    expect(faults.map((each) => each.code)).toEqual(["QUEUE_FAILED"]);
    expect(hasCode(faults[0]?.cause, "ENODEV")).toBe(true);
  });

  it("fails when they can't be sent", () => {
    const { socket, queue, faults } = opened();
    socket.sendFault = new Fault("ENOMEM", "send: not enough memory");
    queue.accept([1, 2]);
    queue.accept(3);
    expect(faults.map((each) => each.code)).toEqual(["QUEUE_FAILED"]);
    expect(socket.closed).toBe(true);
  });

  it("gives none after close", () => {
    const { socket, queue } = opened();
    queue.close();
    queue.close();
    queue.accept(1);
    queue.drop([2]);
    expect(verdicts(socket)).toEqual([]);
    expect(queue.stats()).toMatchObject({ held: 0, overflows: 0 });
  });
});
