import { describe, expect, it } from "vitest";
import { parseAddrPort } from "../value/addr-port.ts";
import { FakeSocket } from "./fake-socket.ts";
import { flowSample as flow, tupleSample as tuple } from "./flow-sample.ts";
import { KernelFlows } from "./flows.ts";
import { attributeBytes, be32, MessageWriter, NLMSG_DONE, NLMSG_ERROR } from "./message.ts";

const ENOENT = 2;
const EBUSY = 16;
const EINVAL = 22;

const FILTER = { family: "ipv4", protocol: "tcp", replySource: parseAddrPort("10.0.0.2:80") } as const;

function end(sequence: number, type: number, errno = 0): Buffer {
  const writer = new MessageWriter(Buffer.alloc(64));
  writer.begin(type, 0, sequence);
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  writer.fixed([...code]);
  return Buffer.from(writer.written);
}

const twoFlows = (sequence: number): Buffer[] => [
  Buffer.concat([flow(sequence, 1000), flow(sequence, 1001)]),
  end(sequence, NLMSG_DONE),
];

describe("KernelFlows", () => {
  it("tells of flows", async () => {
    const table = new KernelFlows(new FakeSocket(), new FakeSocket(twoFlows));
    const found: unknown[] = [];
    await table.each(FILTER, (each) => found.push(each));
    expect(found).toHaveLength(2);
    expect(found[0]).toEqual({
      protocol: "tcp",
      source: parseAddrPort("192.0.2.1:1000"),
      destination: parseAddrPort("192.0.2.9:8080"),
      endpoint: parseAddrPort("10.0.0.2:80"),
      state: "ESTABLISHED",
      timeoutSeconds: 299,
      mark: 0,
      offloaded: false,
    });
  });

  it("leaves out what was not asked for, should the kernel tell of it", async () => {
    const table = new KernelFlows(new FakeSocket(), new FakeSocket(twoFlows, twoFlows));
    const found: unknown[] = [];
    await table.each({ ...FILTER, replySource: parseAddrPort("10.0.0.3:80") }, (each) => found.push(each));
    await table.each({ ...FILTER, protocol: "udp" }, (each) => found.push(each));
    expect(found).toEqual([]);
  });

  it("deletes each by its first direction and its id", async () => {
    const done = (sequence: number): Buffer[] => [end(sequence, NLMSG_ERROR)];
    const short = new FakeSocket(done, done);
    expect(await new KernelFlows(short, new FakeSocket(twoFlows)).delete(FILTER, () => true)).toBe(2);
    const original = flow(1, 1001).subarray(20, 20 + 4 + tuple("192.0.2.1:1001", "192.0.2.9:8080").length);
    const id = attributeBytes(12, be32(1001));
    expect(short.questions[1]?.subarray(20)).toEqual(Buffer.from([...original, ...id]));
  });

  it("takes one that has ended for done, and tries all when one cannot be deleted", async () => {
    const answer = (errno: number) => (sequence: number) => [end(sequence, NLMSG_ERROR, errno)];
    const gone = new KernelFlows(new FakeSocket(answer(ENOENT), answer(0)), new FakeSocket(twoFlows));
    expect(await gone.delete(FILTER, () => true)).toBe(1);
    const short = new FakeSocket(answer(EBUSY), answer(0));
    await expect(new KernelFlows(short, new FakeSocket(twoFlows)).delete(FILTER, () => true)).rejects.toMatchObject({
      code: "FLOWS_FAILED",
      cause: { code: "EBUSY" },
    });
    expect(short.questions).toHaveLength(2);
  });

  it("fails where the kernel does not tell of connections, or gives no answer", async () => {
    const refused = new FakeSocket((sequence) => [end(sequence, NLMSG_ERROR, EINVAL)]);
    const failure = { code: "FLOWS_FAILED", cause: { code: "EINVAL" } };
    await expect(new KernelFlows(new FakeSocket(), refused).each(FILTER, () => undefined)).rejects.toMatchObject(failure);
    const silent = new KernelFlows(new FakeSocket(), new FakeSocket(twoFlows));
    await expect(silent.delete(FILTER, () => true)).rejects.toMatchObject({ code: "FLOWS_FAILED" });
  });
});
