/** Rules of iptables on the real kernel, in a network namespace made for the test run (`make test` does that). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownNamespace } from "../../../test/fixture/nft.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import { openRuleset } from "../../netlink/ruleset.ts";
import { systemTools } from "../../process/runner.ts";
import { Nft } from "./nft.ts";
import { QueueRules } from "./queue-rules.ts";

const TABLE = "queued";
const MARK = 0x20000000;
const PROGRAMS = ["iptables", "ip6tables"];
const tools = systemTools();

describe("rules of iptables", () => {
  const made: QueueRules[] = [];
  let reader: RulesetReader;

  beforeEach(async () => {
    await ownNamespace();
    reader = await openRuleset();
  });
  afterEach(async () => {
    for (const rules of made.splice(0)) await rules.remove();
    reader.close();
  });

  function rulesOf(table: string, queue: number, mark = MARK): QueueRules {
    const rules = new QueueRules({ nft: new Nft(tools), tools, table, queue, mark });
    made.push(rules);
    return rules;
  }

  async function listed(program: string): Promise<string[]> {
    const { stdout } = await tools.run(program, ["-w", "-t", "raw", "-S"]);
    return stdout.split("\n").filter((line) => line.startsWith("-A"));
  }

  it("are added again, whichever of them was removed", async () => {
    await rulesOf(`${TABLE}2`, 8, 0x40000000).add();
    const rules = rulesOf(TABLE, 7);
    expect(await rules.restore(reader)).toBe(4);
    expect(await rules.restore(reader)).toBe(0);
    for (const program of PROGRAMS) {
      for (const chain of ["PREROUTING", "OUTPUT"]) {
        // the neighbour's is the first
        await tools.run(program, ["-w", "-t", "raw", "-D", chain, "2"]);
        expect(await rules.restore(reader)).toBe(1);
      }
      await tools.run(program, ["-w", "-t", "raw", "-F"]);
      expect(await rules.restore(reader)).toBe(2);
    }
    expect(rules.legacy).toBe(false);
  });

  it("of a dead daemon are used where they are the same, and go where they lead to another queue", async () => {
    await rulesOf(TABLE, 7).add();
    expect(await rulesOf(TABLE, 7).add()).toBe(0);
    const rules = rulesOf(TABLE, 9);
    expect(await rules.add()).toBe(4);
    for (const program of PROGRAMS) {
      const rule = `-m mark --mark 0x20000000/0x20000000 -m comment --comment "proxygw ${TABLE}" -j NFQUEUE --queue-num 9`;
      expect(await listed(program)).toEqual([`-A PREROUTING ${rule}`, `-A OUTPUT ${rule}`]);
    }
  });

  it("are removed with what was made for them, and nothing else", async () => {
    const rules = rulesOf(TABLE, 7);
    await rules.add();
    await tools.run("iptables", ["-w", "-t", "raw", "-A", "OUTPUT", "-d", "192.0.2.9", "-j", "ACCEPT"]);
    await rules.remove();
    await rules.remove();
    expect(await listed("iptables")).toEqual(["-A OUTPUT -d 192.0.2.9/32 -j ACCEPT"]);
    await tools.run("iptables", ["-w", "-t", "raw", "-F"]);
    await rules.remove();
    expect((await tools.run("nft", ["list", "tables"])).stdout).toBe("");
  });
});
