/**
 * Run by queue.netns.test.ts as a process of its own inside a network namespace (the queue a process opens is that of
 * its own namespace), with the name of a scenario as argument. Its result is JSON on the last line it prints. Rules there
 * send TCP connections to port 8080 to queue 5 before routing, and datagrams to port 9000 to queue 5 on their way out.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { systemClock } from "../clock/clock.ts";
import { Fault } from "../fault/fault.ts";
import type { PacketQueue, QueuedPacket, QueueOptions, QueueStats } from "./netlink.ts";
import { openQueue } from "./open-queue.ts";
import { type FlowPacket, parsePacket } from "./packet.ts";

const QUEUE = 5;
const TCP_PORT = 8080;
const UDP_PORT = 9000;

interface Seen {
  readonly packet: Omit<QueuedPacket, "payload">;
  readonly copied: number;
  readonly flow: FlowPacket | undefined;
}

interface Connected {
  readonly milliseconds: number;
  /** Error code when there was no connection. */
  readonly error: string | undefined;
  readonly seen: readonly Seen[];
}

/** A queue whose packets are collected, and handed to `decide` as they come. */
async function collecting(
  decide: (queue: PacketQueue, id: number, index: number) => void,
  options: Partial<QueueOptions> = {},
): Promise<{ queue: PacketQueue; seen: Seen[]; overruns: number[] }> {
  const seen: Seen[] = [];
  const overruns: number[] = [];
  const queue: PacketQueue = await openQueue({
    number: QUEUE,
    onPacket: ({ payload, ...packet }) => {
      seen.push({ packet, copied: payload.length, flow: parsePacket(payload).packet });
      decide(queue, packet.id, seen.length - 1);
    },
    onOverrun: (count) => overruns.push(count),
    onError: (fault) => {
      throw fault;
    },
    ...options,
  });
  return { queue, seen, overruns };
}

async function serve(): Promise<Server> {
  const server = createServer((socket) => socket.end());
  server.listen(TCP_PORT, "::");
  await once(server, "listening");
  return server;
}

/** Connects to the TCP port; the error's code when that fails. */
async function connecting(host: string): Promise<string | undefined> {
  const socket = connect(TCP_PORT, host);
  try {
    await once(socket, "connect");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

async function connection(host: string, decide: (queue: PacketQueue, id: number, index: number) => void): Promise<Connected> {
  const server = await serve();
  const { queue, seen } = await collecting(decide);
  const start = systemClock.now();
  const error = await connecting(host);
  const milliseconds = systemClock.now() - start;
  queue.close();
  server.close();
  return { milliseconds, error, seen };
}

function held(host: string): Promise<Connected> {
  return connection(host, (queue, id) => {
    void systemClock.sleep(200).then(() => {
      queue.accept(id);
    });
  });
}

function sendAll(socket: Socket, count: number, port: number): Promise<unknown> {
  const sending = Array.from(
    { length: count },
    (_, index) =>
      new Promise((resolve) => {
        socket.send(Buffer.from(String(index)), port, "127.0.0.1", resolve);
      }),
  );
  return Promise.all(sending);
}

/** Waits, for at most ten seconds. */
async function until(condition: () => boolean): Promise<void> {
  for (let left = 1000; left > 0 && !condition(); left--) await systemClock.sleep(10);
}

/** Many datagrams, each let go at once. */
async function burst(count: number): Promise<{ seen: number; stats: QueueStats; loopDelayMs: number }> {
  const { queue, seen } = await collecting((open, id) => {
    open.accept(id);
  });
  const sender = createSocket("udp4");
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  for (let sent = 0; sent < count; sent += 100) await sendAll(sender, 100, UDP_PORT);
  await until(() => seen.length === count);
  delay.disable();
  const stats = queue.stats();
  queue.close();
  sender.close();
  return { seen: seen.length, stats, loopDelayMs: delay.percentile(50) / 1e6 };
}

/** Datagrams held together and let go in one batch; what the receiver got, in its order. */
async function batch(count: number): Promise<{ held: number; received: number[]; heldAfter: number }> {
  const receiver = createSocket("udp4");
  const received: number[] = [];
  receiver.on("message", (message) => received.push(Number(message)));
  receiver.bind(UDP_PORT, "127.0.0.1");
  await once(receiver, "listening");
  const { queue, seen } = await collecting(() => undefined);
  const sender = createSocket("udp4");
  await sendAll(sender, count, UDP_PORT);
  await until(() => seen.length === count);
  const before = queue.stats().held;
  queue.accept(seen.map(({ packet }) => packet.id));
  const after = queue.stats().held;
  await until(() => received.length === count);
  for (const each of [queue, sender, receiver]) each.close();
  return { held: before, received, heldAfter: after };
}

/** More datagrams in one turn of the event loop than a tiny receive buffer takes, then one more. */
async function overrun(count: number): Promise<{ stats: QueueStats; reported: number; seenAfter: number }> {
  const accept = (open: PacketQueue, id: number): void => {
    open.accept(id);
  };
  const { queue, seen, overruns } = await collecting(accept, { receiveBufferBytes: 1 });
  const sender = createSocket("udp4");
  // libuv sends at once where it can, so that all of these are on their way before the queue is read
  await sendAll(sender, count, UDP_PORT);
  await systemClock.sleep(100);
  const before = seen.length;
  await sendAll(sender, 1, UDP_PORT);
  await until(() => seen.length > before);
  const stats = queue.stats();
  queue.close();
  sender.close();
  return { stats, reported: overruns.reduce((sum, each) => sum + each, 0), seenAfter: seen.length - before };
}

/** More held packets than the queue is long. */
async function overflow(): Promise<QueueStats> {
  const { queue, seen } = await collecting(() => undefined, { maxLength: 10 });
  const sender = createSocket("udp4");
  await sendAll(sender, 15, UDP_PORT);
  await until(() => seen.length === 10);
  const stats = queue.stats();
  queue.close();
  sender.close();
  return stats;
}

async function twice(): Promise<QueueStats> {
  const { queue, seen } = await collecting((open, id) => {
    open.accept(id);
    open.accept(id, 1);
    open.drop([id, 4_000_000_000]);
  });
  const sender = createSocket("udp4");
  await sendAll(sender, 1, UDP_PORT);
  await until(() => seen.length === 1 && queue.stats().gone === 3);
  const stats = queue.stats();
  queue.close();
  sender.close();
  return stats;
}

/** A connection that is held when the queue is closed; its SYN is sent again and served by a queue opened anew. */
async function reopened(): Promise<{ error: string | undefined; first: number; second: number; heldAfterClose: number }> {
  const server = await serve();
  const first = await collecting(() => undefined);
  const connected = connecting("127.0.0.1");
  await until(() => first.seen.length === 1);
  first.queue.close();
  const second = await collecting((queue, id) => {
    queue.accept(id);
  });
  const heldAfterClose = second.queue.stats().held;
  const error = await connected;
  second.queue.close();
  server.close();
  return { error, first: first.seen.length, second: second.seen.length, heldAfterClose };
}

/** The check of a queue, with and without turns of the event loop in between. Gives the failures after each part. */
async function unread(): Promise<number[]> {
  const faults: Fault[] = [];
  const accept = (open: PacketQueue, id: number): void => {
    open.accept(id);
  };
  const { queue, seen } = await collecting(accept, { onError: (fault) => faults.push(fault) });
  const receiver = createSocket("udp4");
  receiver.bind(UDP_PORT, "127.0.0.1");
  await once(receiver, "listening");
  const sender = createSocket("udp4");
  sender.connect(UDP_PORT, "127.0.0.1");
  await once(sender, "connect");
  const counts: number[] = [];
  const part = async (wait: () => Promise<void>): Promise<void> => {
    sender.send("x");
    queue.check();
    await wait();
    queue.check();
    counts.push(faults.length);
  };
  await part(() => until(() => seen.length === 1));
  // a microtask: no turn of the loop
  await part(() => Promise.resolve());
  queue.close();
  sender.close();
  receiver.close();
  return counts;
}

/** What an open queue costs while nothing comes, and how long after closing it the process is done. */
async function idle(): Promise<{ cpuMs: number }> {
  const { queue } = await collecting(() => undefined);
  await systemClock.sleep(200);
  const start = process.cpuUsage();
  await systemClock.sleep(2000);
  const { user, system } = process.cpuUsage(start);
  queue.close();
  const closed = systemClock.now();
  process.on("exit", () => {
    console.log(JSON.stringify(systemClock.now() - closed));
  });
  return { cpuMs: (user + system) / 1000 };
}

/** Keeps the queue until standard input ends. */
async function holder(): Promise<string> {
  const { queue } = await collecting(() => undefined);
  console.log("open");
  process.stdin.resume();
  await once(process.stdin, "end");
  queue.close();
  return "closed";
}

/** The code of the error that opening ends in. */
async function opening(): Promise<string> {
  try {
    const { queue } = await collecting(() => undefined);
    queue.close();
    return "opened";
  } catch (error) {
    return error instanceof Fault ? error.code : String(error);
  }
}

/** An exception of the user's own ends the process, as everywhere in Node. */
async function throwing(): Promise<void> {
  await collecting(() => {
    throw new Error("thrown by the user");
  });
  const sender = createSocket("udp4");
  await sendAll(sender, 1, UDP_PORT);
  await systemClock.sleep(5000);
}

const scenarios = {
  held4: () => held("127.0.0.1"),
  held6: () => held("::1"),
  dropped: () =>
    connection("127.0.0.1", (queue, id, index) => {
      if (index === 0) queue.drop(id);
      else queue.accept(id);
    }),
  marked: () =>
    connection("127.0.0.1", (queue, id) => {
      queue.accept(id, 0x8000_0007);
    }),
  burst: () => burst(20_000),
  batch: () => batch(100),
  overrun: () => overrun(200),
  overflow,
  twice,
  reopened,
  unread,
  idle,
  holder,
  opening,
  throwing,
};

export type Scenario = keyof typeof scenarios;
export type Result<Name extends Scenario> = Awaited<ReturnType<(typeof scenarios)[Name]>>;

const scenario = scenarios[process.argv[2] as Scenario];
console.log(JSON.stringify(await scenario()));
