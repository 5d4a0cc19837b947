import { describe, expect, it } from "vitest";
import { describeMethod, Method, responseTo } from "./method.ts";
import { idOf, parsePacket } from "./packet.ts";

describe("parsePacket", () => {
  it("takes the whole range of both numbers, with or without a body", () => {
    expect(parsePacket({ id: 0, method: 0 })).toEqual({ id: 0, method: 0 });
    expect(parsePacket({ id: 0xffff_ffff, method: 0xffff, body: { name: "a" }, more: 1 })).toEqual({
      id: 0xffff_ffff,
      method: 0xffff,
      body: { name: "a" },
    });
  });

  it.each([
    [{ method: 2 }, 'the packet has no "id"'],
    [{ id: 1 }, 'the packet has no "method"'],
    [{ id: "1", method: 2 }, '"id" of the packet is not a whole number from 0 to 4294967295'],
    [{ id: 2 ** 32, method: 2 }, '"id" of the packet is not a whole number from 0 to 4294967295'],
    [{ id: -1, method: 2 }, '"id" of the packet is not a whole number from 0 to 4294967295'],
    [{ id: 1.5, method: 2 }, '"id" of the packet is not a whole number from 0 to 4294967295'],
    [{ id: 1, method: 65536 }, '"method" of the packet is not a whole number from 0 to 65535'],
    [{ id: 1, method: null }, '"method" of the packet is not a whole number from 0 to 65535'],
  ])("refuses %j", (raw, message) => {
    expect(() => parsePacket(raw)).toThrow(expect.objectContaining({ code: "CTL_PACKET_INVALID", message }) as Error);
  });

  it("does not take fields from a prototype", () => {
    const raw = JSON.parse('{"__proto__": {"id": 1, "method": 2}}') as Record<string, unknown>;
    expect(() => parsePacket(raw)).toThrow('no "id"');
    expect(idOf(Object.create({ id: 7 }) as Record<string, unknown>)).toBe(0);
  });

  it("finds the id to answer with, 0 for anything that is none", () => {
    const ids = [9, 0xffff_ffff, 2 ** 32, -1, 1.5, NaN, "9", null, [9], undefined];
    expect(ids.map((id) => idOf({ id, method: "x" }))).toEqual([9, 0xffff_ffff, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe("Method", () => {
  it("pairs each request with the odd number after it", () => {
    const names = Object.keys(Method).filter((name) => name.endsWith("Request")) as (keyof typeof Method)[];
    expect(names).toHaveLength(13);
    for (const name of names) {
      const response = name.replace("Request", "Response") as keyof typeof Method;
      expect(responseTo(Method[name])).toBe(Method[response]);
    }
    expect(responseTo(Method.empty)).toBe(Method.empty);
  });

  it("is described for people", () => {
    expect(describeMethod(6)).toBe("new target request (6)");
    expect(describeMethod(32768)).toBe("frontend should warm notification (32768)");
    expect(describeMethod(28)).toBe("unknown method 28");
  });
});
