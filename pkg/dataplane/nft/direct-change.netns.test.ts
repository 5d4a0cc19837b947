/** Sets changed by netlink, as nft shows them, in a network namespace made for the test run (`make test` does that). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownNamespace } from "../../../test/fixture/nft.ts";
import { systemClock } from "../../clock/clock.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import { openRuleset } from "../../netlink/ruleset.ts";
import { systemTools } from "../../process/runner.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { DirectChange } from "./direct-change.ts";
import type { Element } from "./elements.ts";
import { Generation } from "./generation.ts";
import { keyOf, KEYS, keyText } from "./key.ts";
import { Nft } from "./nft.ts";
import { TransactionReport } from "./transaction-report.ts";

const TABLE = "direct";
const tools = systemTools();
const nft = new Nft(tools);
const ELEMENTS: readonly Element[] = ["192.0.2.17:80", "0.0.0.0:65535", "[2001:db8::a00:1]:443", "[::]:258"]
  .map((each) => parseAddrPort(each))
  .flatMap((address) =>
    (["tcp", "udp"] as const).map((protocol) => ({ set: `hold${keyOf(address).suffix}`, key: keyText(protocol, address) })),
  );
const [ONE, OTHER] = ELEMENTS as [Element, Element];

describe("DirectChange", () => {
  let reader: RulesetReader;
  let generation: Generation;
  let direct: DirectChange;

  beforeEach(async () => {
    await ownNamespace();
    const sets = KEYS.flatMap(({ suffix, type }) =>
      ["hold", "exact"].map((name) => `add set inet ${TABLE} ${name}${suffix} { type ${type}; }`),
    );
    await nft.apply([`add table inet ${TABLE}`, ...sets, ""].join("\n"), "make a table");
    reader = await openRuleset();
    generation = new Generation();
    generation.open(reader);
    generation.looked(generation.now());
    direct = new DirectChange(TABLE, new TransactionReport(systemClock, generation));
    direct.open(reader);
  });

  afterEach(async () => {
    reader.close();
    await nft.apply(`add table inet ${TABLE}\ndelete table inet ${TABLE}\n`, "delete the table");
  });

  /** As nft shows them; some ports it shows by name, unless told not to. */
  async function shown(): Promise<string[]> {
    const { stdout } = await tools.run("nft", ["--json", "--numeric", "list", "table", "inet", TABLE]);
    const { nftables } = JSON.parse(stdout) as { nftables: { set?: { name: string; elem?: { concat: unknown[] }[] } }[] };
    const texts = nftables.flatMap(({ set }) =>
      (set?.elem ?? []).map(({ concat }) => `${set?.name ?? ""} ${concat.join(" . ")}`),
    );
    return texts.map((text) => text.replace(/ 6 /, " tcp ").replace(/ 17 /, " udp ")).sort();
  }

  it("adds and deletes elements of each kind of key as nft does, in one transaction that is known for an own one", async () => {
    expect(await direct.apply([], ELEMENTS)).toBe(true);
    expect(generation.isForeign()).toBe(false);
    expect(await shown()).toEqual(ELEMENTS.map(({ set, key }) => `${set} ${key}`).sort());
    expect(await direct.apply(ELEMENTS.slice(1), [])).toBe(true);
    expect(generation.isForeign()).toBe(false);
    expect(await shown()).toEqual([`${ONE.set} ${ONE.key}`]);
    // nft takes away what was added by netlink, and the other way round
    await nft.apply(
      `delete element inet ${TABLE} ${ONE.set} { ${ONE.key} }\nadd element inet ${TABLE} ${OTHER.set} { ${OTHER.key} }\n`,
      "change it",
    );
    expect(await direct.apply([OTHER], [ONE])).toBe(true);
    expect(await shown()).toEqual([`${ONE.set} ${ONE.key}`]);
  });

  it("changes all or nothing", async () => {
    expect(await direct.apply([], [ONE])).toBe(true);
    // to delete what is not there is nft's to complain of
    expect(await direct.apply([ONE, OTHER], [])).toBe(false);
    expect(await direct.apply([OTHER], [ONE])).toBe(false);
    expect(generation.isForeign()).toBe(false);
    expect(await shown()).toEqual([`${ONE.set} ${ONE.key}`]);
    expect(await direct.apply([], [ONE])).toBe(true);
  });

  it("leaves to nft what is not for it", async () => {
    const many = Array.from({ length: 101 }, (_, port) => ({ set: "hold4", key: `tcp . 192.0.2.1 . ${String(port + 1)}` }));
    expect(await direct.apply([], [ONE, { set: "exact4", key: ONE.key }])).toBe(false);
    expect(await direct.apply([], many)).toBe(false);
    expect(await direct.apply([], [])).toBe(false);
    expect(await direct.apply([], many.slice(1))).toBe(true);
    reader.close();
    expect(await direct.apply([], [ONE])).toBe(false);
    expect(await shown()).toHaveLength(100);
  });
});
