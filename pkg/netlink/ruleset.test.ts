import { describe, expect, it } from "vitest";
import { type Answer, FakeSocket } from "./fake-socket.ts";
import { attributeBytes, eachMessage, MessageWriter, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from "./message.ts";
import { TYPE_CHAIN, TYPE_ELEMENTS, TYPE_FLOWTABLE, TYPE_GENERATION } from "./ruleset-message.ts";
import { KernelRuleset } from "./ruleset.ts";

function message(
  type: number,
  flags: number,
  sequence: number,
  fixed: number[],
  ...attributes: [number, string | number[]][]
): Buffer {
  const writer = new MessageWriter(Buffer.alloc(512));
  writer.begin(type, flags, sequence);
  writer.fixed(fixed);
  for (const [name, value] of attributes)
    writer.attribute(name, typeof value === "string" ? [...Buffer.from(`${value}\0`)] : value);
  return Buffer.from(writer.written);
}

const INET = [1, 0, 0, 0];
const done: Answer = (sequence) => [message(NLMSG_DONE, 0, sequence, [0, 0, 0, 0])];
const chain = (sequence: number, table: string, name: string, flags = 0, family = INET): Buffer =>
  message(TYPE_CHAIN, flags, sequence, family, [1, table], [3, name], [5, [0, 0, 0, 1]], [6, [0, 0, 0, 9]]);
const error =
  (errno: number): Answer =>
  (sequence) => {
    const code = Buffer.alloc(4);
    code.writeInt32LE(-errno);
    return [message(NLMSG_ERROR, 0, sequence, [...code])];
  };

const expression = (name: string, data: number[]): number[] =>
  attributeBytes(7, [...attributeBytes(1, [...Buffer.from(name)]), ...attributeBytes(2, data)]);

describe("KernelRuleset", () => {
  it("reads the generation, past answers to older questions", () => {
    const answer: Answer = (sequence) =>
      [sequence - 1, sequence].map((each) => message(TYPE_GENERATION, 0, each, INET, [1, [0, 0, 1, each & 0xff]]));
    expect(new KernelRuleset(new FakeSocket(answer), new FakeSocket()).generation()).toBe(257);
    expect(() => new KernelRuleset(new FakeSocket(error(1)), new FakeSocket()).generation()).toThrow("generation");
  });

  it("gives the parts of one table of one family, in several pieces", async () => {
    const socket = new FakeSocket(
      (sequence) => [
        Buffer.concat([chain(sequence, "other", "a"), chain(sequence, "t", "b")]),
        Buffer.concat([chain(sequence, "t", "c", 0, [2, 0, 0, 0]), chain(sequence, "t", "d"), ...done(sequence)]),
      ],
      error(2),
      done,
      done,
      (sequence) => [
        message(TYPE_FLOWTABLE, 0, sequence, INET, [1, "t"], [2, "f"], [3, "eth0"], [7, [0, 0, 0, 1]]),
        ...done(sequence),
      ],
    );
    const parts = await new KernelRuleset(new FakeSocket(), socket).parts("inet", "t");
    expect(parts.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["chain b", "chain d", "flowtable f"]);
    // uses are no part of it
    expect(parts[0]?.identity).toBe("5 \0\0\0\x01\n");
    expect(parts[2]?.identity).toBe("3 eth0\0\n");
  });

  it("reads what elements have counted", async () => {
    const eight = (value: number): number[] => [0, 0, 0, 0, 0, 0, value >>> 8, value & 0xff];
    const counter = expression("counter\0", [...attributeBytes(1, eight(1500)), ...attributeBytes(2, eight(3))]);
    const key = (byte: number): number[] => attributeBytes(1, attributeBytes(1, [byte, 0, 0, 0]));
    const elements = [...attributeBytes(1, [...key(6), ...counter]), ...attributeBytes(1, key(17))];
    const socket = new FakeSocket((sequence) => [
      message(TYPE_ELEMENTS, 0, sequence, INET, [1, "t"], [3, elements]),
      ...done(sequence),
    ]);
    const found: unknown[] = [];
    await new KernelRuleset(new FakeSocket(), socket).elements("t", "s", ({ key: bytes, counter: count }) => {
      found.push([bytes?.[0], count]);
    });
    expect(found).toEqual([
      [6, { packets: 3, bytes: 1500 }],
      [17, undefined],
    ]);
  });

  it("asks one question after another, whoever asks", async () => {
    // more than is read in one turn
    const pieces = 50;
    const element = (sequence: number): Buffer =>
      message(
        TYPE_ELEMENTS,
        0,
        sequence,
        INET,
        [1, "t"],
        [3, attributeBytes(1, attributeBytes(1, attributeBytes(1, [6, 0, 0, 0])))],
      );
    const answer: Answer = (sequence) => [...Array.from({ length: pieces }, () => element(sequence)), ...done(sequence)];
    const reader = new KernelRuleset(new FakeSocket(), new FakeSocket(answer, answer));
    const order: string[] = [];
    await Promise.all(["a", "b"].map((set) => reader.elements("t", set, () => order.push(set))));
    expect(order.join("")).toBe("a".repeat(pieces) + "b".repeat(pieces));
  });

  it("reads an answer that was interrupted to its end, so that the next question is taken", async () => {
    const interrupted: Answer = (sequence) => [chain(sequence, "t", "b", NLM_F_DUMP_INTR), ...done(sequence)];
    const reader = new KernelRuleset(new FakeSocket(), new FakeSocket(interrupted, done, done, done, done, done));
    await expect(reader.parts("inet", "t")).rejects.toMatchObject({ code: "RULESET_CHANGED" });
    expect(await reader.parts("inet", "t")).toEqual([]);
  });

  it.each([
    ["a refusal", error(1)],
    ["no answer", (): Buffer[] => []],
    ["rubbish", (): Buffer[] => [Buffer.from("rubbish rubbish rubbish")]],
  ])("says so when it gets %s", async (_what, answer) => {
    const reader = new KernelRuleset(new FakeSocket(), new FakeSocket(answer));
    await expect(reader.elements("t", "s", () => undefined)).rejects.toMatchObject({ code: "RULESET_FAILED" });
  });

  it.each([
    ["a lifetime", attributeBytes(5, [0, 0, 0, 0, 0, 1, 0, 7]), { expiresMs: 65_543, packets: undefined }],
    ["a counter", expression("counter\0", attributeBytes(2, [0, 0, 0, 0, 0, 0, 1, 2])), { packets: 258, bytes: 0 }],
    ["another expression", expression("limit\0\0\0", attributeBytes(2, [0, 0, 0, 0, 0, 0, 1, 2])), {}],
    ["a lifetime cut short", attributeBytes(5, [0, 0, 0, 0]), {}],
  ])("reads the state of an element that has %s", (_what, attribute, state) => {
    const short = new FakeSocket((sequence) => [
      message(TYPE_ELEMENTS, 0, sequence, INET, [1, "t"], [3, attributeBytes(1, attribute)]),
    ]);
    expect(new KernelRuleset(short, new FakeSocket()).element("t", "s", Buffer.from([6, 0, 0, 0]))).toEqual(state);
    // table, set, and a list of one element that has a key that has a value
    expect(short.questions[0]?.subarray(20).toString("latin1")).toBe(
      "\x06\0\x01\0t\0\0\0\x06\0\x02\0s\0\0\0\x14\0\x03\x80\x10\0\x01\x80\x0c\0\x01\x80\x08\0\x01\0\x06\0\0\0",
    );
  });

  it("tells an element that is not there from one that cannot be read", () => {
    const ask = (answer: Answer): unknown =>
      new KernelRuleset(new FakeSocket(answer), new FakeSocket()).element("t", "s", Buffer.alloc(4));
    expect(ask(error(2))).toBeUndefined();
    for (const answer of [error(1), (): Buffer[] => []])
      expect(() => ask(answer)).toThrow(expect.objectContaining({ code: "RULESET_FAILED" }) as Error);
  });

  const EDITS = [
    { add: false, set: "s", key: Buffer.from([6, 0, 0, 0]) },
    { add: true, set: "s", key: Buffer.from([17, 0, 0, 0]) },
  ];
  const answers =
    (...errnos: number[]): Answer =>
    (sequence) =>
      errnos.flatMap((errno, at) => error(errno)(sequence + at));

  it("changes elements within a frame, each answered by itself", () => {
    const short = new FakeSocket(answers(0, 0), (sequence) => [message(TYPE_GENERATION, 0, sequence, INET, [1, [0, 0, 0, 9]])]);
    const reader = new KernelRuleset(short, new FakeSocket());
    reader.edit("t", EDITS);
    const messages: number[][] = [];
    eachMessage(short.questions[0] ?? Buffer.alloc(0), ({ type, flags, sequence }) => messages.push([type, flags, sequence]));
    // the frame's are not to be answered; NLM_F_REQUEST, _ACK, _CREATE
    expect(messages).toEqual([
      [16, 1, 1],
      [0xa0e, 1 | 4, 1],
      [0xa0c, 1 | 4 | 0x400, 2],
      [17, 1, 1],
    ]);
    expect(reader.generation()).toBe(9);
  });

  it.each([
    ["refuses one of them", answers(0, 2)],
    ["answers one of them only", answers(0)],
    ["says nothing", (): Buffer[] => []],
  ])("says that elements were not changed when the kernel %s", (_what, answer) => {
    const reader = new KernelRuleset(new FakeSocket(answer), new FakeSocket());
    expect(() => {
      reader.edit("t", EDITS);
    }).toThrow(expect.objectContaining({ code: "RULESET_FAILED" }) as Error);
  });

  it("touches no descriptor after close()", async () => {
    const sockets = [new FakeSocket(), new FakeSocket()] as const;
    const reader = new KernelRuleset(...sockets);
    reader.close();
    expect(() => reader.generation()).toThrow(expect.objectContaining({ code: "RULESET_FAILED" }) as Error);
    await expect(reader.parts("inet", "t")).rejects.toMatchObject({ code: "RULESET_FAILED" });
    expect(sockets.flatMap(({ questions }) => questions)).toEqual([]);
  });
});
