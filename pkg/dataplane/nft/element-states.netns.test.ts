/** What the kernel says of elements beside what nft says, in a network namespace made for the test run (`make test` does that). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownNamespace } from "../../../test/fixture/nft.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import { openRuleset } from "../../netlink/ruleset.ts";
import { systemTools } from "../../process/runner.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { ElementStates } from "./element-states.ts";
import { keyOf, KEYS, keyText } from "./key.ts";
import { Nft } from "./nft.ts";

const TABLE = "states";
const tools = systemTools();
const nft = new Nft(tools);
const ADDRESSES = ["192.0.2.17:80", "0.0.0.0:65535", "[2001:db8::a00:1]:443", "[::1]:1", "[::]:258"].map((each) =>
  parseAddrPort(each),
);
const PROTOCOLS = ["tcp", "udp"] as const;

describe("element states", () => {
  let reader: RulesetReader;
  let asked: ElementStates;

  beforeEach(async () => {
    await ownNamespace();
    const sets = KEYS.flatMap(({ suffix, type }) => [
      `add set inet ${TABLE} clock${suffix} { type ${type}; flags dynamic,timeout; timeout 1h; }`,
      `add set inet ${TABLE} counts${suffix} { type ${type}; counter; }`,
    ]);
    const elements = ADDRESSES.flatMap((address, at) =>
      PROTOCOLS.flatMap((protocol) => [
        `add element inet ${TABLE} clock${keyOf(address).suffix} { ${keyText(protocol, address)} expires ${String(at + 100)}s }`,
        `add element inet ${TABLE} counts${keyOf(address).suffix} { ${keyText(protocol, address)} counter packets ${String(at + 7)} bytes 1 }`,
      ]),
    );
    await nft.apply([`add table inet ${TABLE}`, ...sets, ...elements, ""].join("\n"), "make a table");
    reader = await openRuleset();
    asked = new ElementStates(TABLE, new Nft({ run: () => Promise.reject(new Error("nft is not to be asked")) }));
    asked.open(reader);
  });

  afterEach(async () => {
    reader.close();
    await nft.apply(`add table inet ${TABLE}\ndelete table inet ${TABLE}\n`, "delete the table");
  });

  it("are what nft reads, for each kind of key", async () => {
    const byNft = new ElementStates(TABLE, nft);
    for (const address of ADDRESSES) {
      for (const protocol of PROTOCOLS) {
        const { suffix } = keyOf(address);
        const before = await byNft.expires(`clock${suffix}`, protocol, address);
        const between = await asked.expires(`clock${suffix}`, protocol, address);
        const after = await byNft.expires(`clock${suffix}`, protocol, address);
        expect(between).toBeLessThanOrEqual(before ?? 0);
        expect(between).toBeGreaterThanOrEqual(after ?? Infinity);
        const packets = await asked.packets(`counts${suffix}`, protocol, address);
        expect(packets).toBe(ADDRESSES.indexOf(address) + 7);
        expect(packets).toBe(await byNft.packets(`counts${suffix}`, protocol, address));
      }
    }
  });

  it("are none of an element that is not there, of no set and of no table", async () => {
    const other = parseAddrPort("192.0.2.18:80");
    for (const [states, set] of [
      [asked, "clock4"],
      [asked, "none"],
      [elsewhere(), "clock4"],
    ] as const) {
      expect(await states.expires(set, "tcp", other)).toBeUndefined();
      expect(await states.packets(set, "tcp", other)).toBe(0);
    }
  });

  function elsewhere(): ElementStates {
    const states = new ElementStates("nowhere", new Nft({ run: () => Promise.reject(new Error("nft is not to be asked")) }));
    states.open(reader);
    return states;
  }

  it("are asked of nft where the kernel cannot be asked", async () => {
    const states = new ElementStates(TABLE, nft);
    states.open(reader);
    reader.close();
    expect(await states.expires("clock4", "tcp", parseAddrPort("192.0.2.17:80"))).toBeGreaterThan(1000);
    expect(await states.packets("counts4", "tcp", parseAddrPort("192.0.2.17:80"))).toBe(7);
  });
});
