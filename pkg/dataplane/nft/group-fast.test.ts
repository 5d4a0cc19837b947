/** Which of a group's endpoints take the fast path; the contract suite has the rest. */
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../clock/fake-clock.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import type { Mapping, MappingSpec } from "../dataplane.ts";
import { MappingClaims } from "../mapping-claims.ts";
import { Conntrack } from "./conntrack.ts";
import { ElementStates } from "./element-states.ts";
import { EndpointCounters } from "./endpoint-counters.ts";
import { GateCounters } from "./gate-counters.ts";
import { NftGroup } from "./group.ts";
import { HoldQueue } from "./hold-queue.ts";
import { Nft } from "./nft.ts";
import { TrafficCounters } from "./traffic-counters.ts";
import { Transactor } from "./transactor.ts";
import { WholeTable } from "./whole-table.ts";

const ENDPOINT = parseAddrPort("10.2.0.2:80");
const marks = { masquerade: 1, queue: 2, refuse: 4, ignore: 1 };

class Setting {
  readonly whole = new WholeTable("t");
  readonly group: NftGroup;

  constructor(longestFastMs?: number) {
    const tools = { run: () => Promise.resolve({ exitCode: 0, stdout: "", stderr: "" }) };
    const nft = new Nft(tools);
    const states = new ElementStates("t", nft);
    const transactor = new Transactor(nft, "t", () => Promise.resolve());
    void transactor.begin(() => Promise.resolve());
    const open = (): never => {
      throw new Error("not to be opened");
    };
    this.group = new NftGroup(
      { name: "g", endpoints: [{ name: "e", protocol: "tcp", addresses: [ENDPOINT] }] },
      {
        table: "t",
        claims: new MappingClaims("refuse"),
        states,
        conntrack: new Conntrack(marks.ignore),
        transactor,
        content: this.whole.content,
        queue: new HoldQueue({ number: 1, marks, clock: new FakeClock(), log: collectingLog(), open }),
        gateCounters: new GateCounters(states),
        endpointCounters: new EndpointCounters(this.whole, new TrafficCounters("t")),
        longestFastMs,
        countedForMs: () => 0,
        forget: () => undefined,
      },
    );
  }

  mapping(name: string, flowTimeoutMs: number): Mapping {
    const spec: MappingSpec = {
      name,
      protocol: "tcp",
      routes: [{ listen: parseAddrPort(`10.1.0.1:${name}`), endpoint: ENDPOINT }],
      flowTimeoutMs,
      masquerade: "auto",
      whenCold: "pass",
      hold: { timeoutMs: 1000, maxFlows: 1 },
      gates: { allow: [], deny: [], ignore: [] },
    };
    return this.group.createMapping(spec);
  }

  get fast(): string[] {
    return [...this.whole.content.elementsOf("fast4")].map(({ key }) => key);
  }
}

describe("an endpoint", () => {
  it("takes the fast path while all mappings that lead to it may", async () => {
    const setting = new Setting(60_000);
    await setting.group.open();
    const one = setting.mapping("1", 60_000);
    expect(setting.fast).toEqual([]);
    await one.enable();
    expect(setting.fast).toEqual(["tcp . 10.2.0.2 . 80"]);
    const other = setting.mapping("2", 60_001);
    expect(setting.fast).toHaveLength(1);
    await other.enable();
    expect(setting.fast).toEqual([]);
    await other.close();
    expect(setting.fast).toHaveLength(1);
    await setting.group.close();
    expect(setting.fast).toEqual([]);
  });

  it("takes none where there is none", async () => {
    const setting = new Setting();
    await setting.mapping("1", 1000).enable();
    expect(setting.fast).toEqual([]);
  });
});
