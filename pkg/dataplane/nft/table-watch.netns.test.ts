/** What others can do to the table, on the real kernel, in a network namespace made for the test run (`make test` does that). */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newNftDataplane, ownNamespace } from "../../../test/fixture/nft.ts";
import { paced } from "../../../test/pace.ts";
import { type CollectingLog, collectingLog } from "../../log/collecting-log.ts";
import { systemTools } from "../../process/runner.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { parseCidr } from "../../value/cidr.ts";
import type { Group } from "../dataplane.ts";
import { NftDataplane } from "./driver.ts";

const TABLE = "watched";
/** Somebody else's. */
const OTHER =
  "table ip other {\nset s {\ntype ipv4_addr\nelements = { 192.0.2.1 }\n}\nchain c {\ntype filter hook input priority filter + 5; policy accept;\nip saddr @s drop\n}\n}\n";
const tools = systemTools();

describe("table watch", () => {
  let directory: string;
  let dataplane: NftDataplane;
  let group: Group;
  let log: CollectingLog;

  beforeEach(async () => {
    await ownNamespace();
    await nft(OTHER);
    directory = await mkdtemp(join(tmpdir(), "proxygw-watch-"));
    log = collectingLog();
    dataplane = newNftDataplane({ runtimeDir: directory, log }, { table: TABLE });
    await dataplane.start({ routeLocalnet: true, forwardIPv4: true, forwardIPv6: true, hold: true });
    await dataplane.commit();
    const endpoints = ["127.0.0.2:80", "[::1]:80"].map((each) => parseAddrPort(each));
    group = dataplane.createGroup({ name: "t", endpoints: [{ name: "e", protocol: "tcp", addresses: endpoints }] });
    for (const [name, ...listens] of [
      ["specific", "127.0.0.10:80", "[2001:db8::1]:80"],
      ["wildcard", "0.0.0.0:81", "[::]:81"],
    ]) {
      await group
        .createMapping({
          name: name ?? "",
          protocol: "tcp",
          routes: listens.map((text) => {
            const listen = parseAddrPort(text);
            return { listen, endpoint: parseAddrPort(listen.family === "ipv4" ? "127.0.0.2:80" : "[::1]:80") };
          }),
          flowTimeoutMs: 60_000,
          // with an element in each of the sets
          masquerade: "always",
          whenCold: "hold",
          hold: { timeoutMs: 30_000, maxFlows: 1024 },
          gates: {
            allow: [parseCidr("127.0.0.0/8"), parseCidr("2001:db8::/32")],
            deny: [parseCidr("127.0.0.9"), parseCidr("2001:db8::9")],
            ignore: [parseCidr("127.1.0.0/16"), parseCidr("2001:db8:1::/48")],
            wakeLimit: { count: 5, perMs: 60_000 },
          },
        })
        .enable();
    }
    await settled();
  });
  afterEach(async () => {
    await dataplane.close();
    expect(await listing()).toEqual(blocks(OTHER));
    await nft("delete table ip other\n");
    await rm(directory, { recursive: true });
  });

  async function nft(input: string): Promise<void> {
    const { stderr } = await tools.run("nft", ["-f", "-"], { input });
    expect(stderr).toBe("");
  }

  /** All that is there, in an order that does not depend on when it was made, without idle clocks. */
  async function listing(): Promise<string[]> {
    return blocks((await tools.run("nft", ["-s", "list", "ruleset"])).stdout);
  }

  function blocks(text: string): string[] {
    const all = text
      .replaceAll(/(set (?:active|counted)[^}]*?)elements = {[^}]*}/g, "$1")
      .replaceAll(/^table .*$/gm, "$&\n}")
      .split("\n")
      .map((line) =>
        line
          .trim()
          .replace("elements = { ", "")
          .replace(/(,| })$/, ""),
      )
      .filter((line) => line !== "")
      .join("\n");
    // the order of a chain's rules means something, that of elements does not
    const ordered = (block: string): string => (block.includes("chain ") ? block : block.split("\n").sort().join("\n"));
    return all
      .split(/(?<=^}\n)/m)
      .map(ordered)
      .sort();
  }

  /** The watch has seen everything that was done so far. */
  async function settled(): Promise<void> {
    await dataplane.verify();
    await dataplane.verify();
  }

  function warnings(): string[] {
    return log.messages("warn");
  }

  it("says nothing as long as nobody else changes anything", async () => {
    const before = await listing();
    await group.activate();
    await settled();
    await group.deactivate();
    await settled();
    await nft("add element ip other s { 192.0.2.2 }\n");
    await settled();
    await nft("delete element ip other s { 192.0.2.2 }\n");
    await settled();
    expect(warnings()).toEqual([]);
    expect(await listing()).toEqual(before);
  });

  it(
    "adds any rule again that was removed",
    async () => {
      const before = await listing();
      const { stdout } = await tools.run("nft", ["-a", "list", "table", "inet", TABLE]);
      let chain = "";
      let count = 0;
      for (const line of stdout.split("\n")) {
        chain = /^\tchain (\S+) {/.exec(line)?.[1] ?? chain;
        const handle = /^\t\t.* # handle (\d+)$/.exec(line)?.[1];
        if (handle === undefined) continue;
        // an earlier repair has given the rules of this chain new handles: take the first one of now
        const now = (await tools.run("nft", ["-a", "list", "chain", "inet", TABLE, chain])).stdout;
        const rules = [...now.matchAll(/^\t\t.* # handle (\d+)$/gm)].map((each) => each[1] ?? "");
        await nft(`delete rule inet ${TABLE} ${chain} handle ${rules[count % rules.length] ?? ""}\n`);
        await settled();
        expect(await listing()).toEqual(before);
        count++;
      }
      expect(count).toBeGreaterThan(80);
      expect(warnings()).toHaveLength(count);
      expect(new Set(warnings())).toEqual(new Set(["somebody else had changed the table; put it right"]));
    },
    paced(120_000),
  );

  it(
    "adds any element again that was removed, from each set",
    async () => {
      const before = await listing();
      let count = 0;
      for (const { kind, name, elements } of await setsWithElements()) {
        const [element = ""] = elements;
        await nft(`delete element inet ${TABLE} ${name} { ${element} }\n`);
        await settled();
        expect(await listing(), `${name} { ${element} }`).toEqual(before);
        count++;
        await nft(`flush ${kind} inet ${TABLE} ${name}\n`);
        await settled();
        expect(await listing(), name).toEqual(before);
        count++;
      }
      expect(count).toBeGreaterThan(50);
      expect(warnings()).toHaveLength(count);
    },
    paced(120_000),
  );

  /** Names and, of each element, the key. */
  async function setsWithElements(): Promise<{ kind: string; name: string; elements: string[] }[]> {
    const { stdout } = await tools.run("nft", ["-s", "list", "table", "inet", TABLE]);
    const sets = stdout.matchAll(/^\t(set|map) (\S+) {\n((?:\t\t.*\n)*)\t}/gm);
    return [...sets].flatMap(([, kind = "", name = "", body = ""]) => {
      const elements = /elements = { ([^}]*) }/.exec(body)?.[1];
      if (elements === undefined || body.includes("dynamic")) return [];
      return [{ kind, name, elements: elements.split(/,\s+/).map((each) => each.replace(/ counter.*| : .*/, "").trim()) }];
    });
  }

  it.each([
    ["a rule put into one of its chains", "insert rule inet watched dnat_prerouting drop"],
    [
      "a rule replaced by another",
      "flush chain inet watched denied\nadd rule inet watched denied accept\nadd rule inet watched denied accept\nadd rule inet watched denied accept\nadd rule inet watched denied accept\nadd rule inet watched denied accept",
    ],
    ["a chain that drops all", "add chain inet watched evil { type filter hook input priority 0; policy drop; }"],
    [
      "a chain beside its own, and a rule that leads there",
      "add chain inet watched aside\nadd rule inet watched aside drop\ninsert rule inet watched hold jump aside",
    ],
    ["a policy", "add chain inet watched sources { type nat hook postrouting priority srcnat; policy drop; }"],
    ["a base chain that was deleted", "flush chain inet watched hold_prerouting\ndelete chain inet watched hold_prerouting"],
    [
      "a base chain made anew elsewhere",
      "flush chain inet watched hold_prerouting\ndelete chain inet watched hold_prerouting\nadd chain inet watched hold_prerouting { type filter hook prerouting priority 7; }",
    ],
    [
      "a way that leads elsewhere",
      "delete element inet watched dnat4 { tcp . 127.0.0.10 . 80 }\nadd element inet watched dnat4 { tcp . 127.0.0.10 . 80 : 127.0.0.3 . 81 }",
    ],
    [
      "a verdict that leads elsewhere",
      "delete element inet watched masquerade6 { tcp . 2001:db8::1 . 80 }\nadd element inet watched masquerade6 { tcp . 2001:db8::1 . 80 : drop }",
    ],
    [
      "elements of others",
      "add element inet watched hold4 { udp . 192.0.2.1 . 53, 132 . 192.0.2.1 . 9 }\nadd element inet watched deny_any6 { tcp . 9 . 2001:db8::/32, tcp . 9-10 . 2001:db9::1 }",
    ],
    [
      "a set that was deleted",
      "flush chain inet watched hold\nflush chain inet watched new_flows\nflush chain inet watched invalid\ndelete set inet watched hold4",
    ],
    [
      "a set of another type",
      "flush chain inet watched hold\nflush chain inet watched new_flows\nflush chain inet watched invalid\ndelete set inet watched hold4\nadd set inet watched hold4 { type ipv4_addr; }\nadd element inet watched hold4 { 192.0.2.1 }",
    ],
    ["a policy of timeouts that was deleted", "flush chain inet watched flow_60s\ndelete ct timeout inet watched flow_60s_tcp"],
    ["rules that were all flushed", "flush table inet watched"],
    ["the table deleted", "delete table inet watched"],
    [
      "a table in its place",
      "delete table inet watched\nadd table inet watched\nadd chain inet watched x { type filter hook input priority 0; policy drop; }",
    ],
  ])("puts right %s", async (_what, text) => {
    const before = await listing();
    await nft(`${text}\n`);
    await settled();
    expect(await listing()).toEqual(before);
    expect(warnings()).toHaveLength(1);
    expect(await group.quietFor().then(() => "reads")).toBe("reads");
  });

  it("finds its transaction done where what it deletes has been removed, and the rest put right", async () => {
    await nft(`delete element inet ${TABLE} hold4 { tcp . 127.0.0.10 . 80 }\n`);
    await group.activate();
    const active = await listing();
    expect(active.join("\n")).toContain("127.0.0.2 . 80");
    await group.deactivate();
    await group.activate();
    await settled();
    expect(await listing()).toEqual(active);
    await nft("flush ruleset\n");
    await nft(OTHER);
    await group.deactivate();
    await group.activate();
    await settled();
    expect(await listing()).toEqual(active);
  });

  it("counts idle time anew where the clock was flushed with the table", async () => {
    await group.activate();
    expect(await group.quietFor()).toBeUndefined();
    await nft(`delete table inet ${TABLE}\n`);
    await settled();
    expect(await group.quietFor()).toBeLessThan(5000);
  });
});
