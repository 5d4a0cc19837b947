import { describe, expect, it } from "vitest";
import { restructureLines, tableParts, type TableSpec } from "./ruleset.ts";

const BEFORE: TableSpec = {
  table: "t",
  marks: { masquerade: 1, queue: 2, refuse: 4, ignore: 1 },
  queue: { way: "none" },
  loopbackGuard: false,
  forwardGuard: [],
};
const AFTER: TableSpec = { ...BEFORE, queue: { way: "mark" }, loopbackGuard: true, forwardGuard: ["ipv4", "ipv6"] };

interface ChainState {
  head: string;
  rules: string[];
}

/** The chains of a table, as far as lines like ours make and change them. */
class Chains {
  readonly all = new Map<string, ChainState>();

  static of(spec: TableSpec): Chains {
    const chains = new Chains();
    for (const { kind, name, body, rules } of tableParts(spec)) {
      if (kind === "chain") chains.all.set(name, { head: body.join(""), rules: [...rules] });
    }
    return chains;
  }

  take(lines: readonly string[]): this {
    for (const line of lines) {
      const [, verb = "", name = "", rest = ""] =
        /^(delete chain|add chain|flush chain|add rule) inet t (\w+) ?(.*)$/s.exec(line) ?? [];
      const chain = this.all.get(name);
      if (verb === "delete chain") this.all.delete(name);
      else if (verb === "add chain") this.#add(name, rest.replace(/^\{\n|\n\}$/g, "").trim());
      else if (chain === undefined) throw new Error(`not there: ${line}`);
      else if (verb === "flush chain") chain.rules = [];
      else if (verb === "add rule") chain.rules.push(rest);
      else throw new Error(`not understood: ${line}`);
    }
    return this;
  }

  /** The kernel takes a chain that is there already, but only as it is. */
  #add(name: string, head: string): void {
    const former = this.all.get(name);
    if (former === undefined) this.all.set(name, { head, rules: [] });
    else if (former.head !== head) throw new Error(`${name} has another hook`);
  }
}

describe("restructureLines", () => {
  it("has nothing to say where nothing changes", () => {
    expect(restructureLines(AFTER, structuredClone(AFTER))).toEqual([]);
    expect(restructureLines(BEFORE, { ...BEFORE })).toEqual([]);
  });

  it.each<[string, TableSpec, TableSpec]>([
    ["a guard of loopback", BEFORE, { ...BEFORE, loopbackGuard: true }],
    ["a guard of forwarding", BEFORE, { ...BEFORE, forwardGuard: ["ipv4"] }],
    ["a guard of another family", { ...BEFORE, forwardGuard: ["ipv4"] }, { ...BEFORE, forwardGuard: ["ipv4", "ipv6"] }],
    ["a queue by the kernel's statement", BEFORE, { ...BEFORE, queue: { way: "statement", queue: 7 } }],
    ["a queue by a mark, which moves the hold chains", BEFORE, { ...BEFORE, queue: { way: "mark" } }],
    ["endpoints that are shared", BEFORE, { ...BEFORE, shared: true }],
    ["all at once", BEFORE, { ...AFTER, shared: true }],
  ])("brings the chains to where a new table would have them: %s", (_what, before, after) => {
    const lines = restructureLines(before, after);
    const expected = Chains.of(after).all;
    const chains = Chains.of(before).take(lines);
    expect(new Map([...chains.all].sort())).toEqual(new Map([...expected].sort()));
    // an nft that was killed leaves open whether the kernel has it
    expect(new Map([...chains.take(lines).all].sort())).toEqual(new Map([...expected].sort()));
  });

  it("touches only the chains that differ", () => {
    const lines = restructureLines(BEFORE, { ...BEFORE, loopbackGuard: true });
    expect(lines.every((line) => line.includes("inet t loopback_guard"))).toBe(true);
    expect(lines.filter((line) => line.startsWith("delete"))).toEqual([]);
  });

  it("makes a chain again only where its hook or priority changes: that discards what the queue has", () => {
    const deleted = (after: Partial<TableSpec>): string[] =>
      restructureLines(BEFORE, { ...BEFORE, ...after }).filter((line) => line.startsWith("delete"));
    expect(deleted({ queue: { way: "mark" } })).toEqual([
      "delete chain inet t hold_prerouting",
      "delete chain inet t hold_output",
    ]);
    expect(deleted({ queue: { way: "statement", queue: 7 }, loopbackGuard: true, forwardGuard: ["ipv4", "ipv6"] })).toEqual([]);
  });

  it("never takes a chain away", () => {
    const chains = Chains.of(AFTER).take(restructureLines(AFTER, BEFORE));
    expect([...chains.all.keys()]).toEqual(expect.arrayContaining(["loopback_guard", "forward", "forward_guard4"]));
  });
});
