import { describe, expect, it } from "vitest";
import type { Route } from "../../config/types.ts";
import { type AddrPort, formatAddrPort, parseAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import { mappingSpec } from "../contract-given.ts";
import type { MappingSpec } from "../dataplane.ts";
import { EndpointCounters } from "./endpoint-counters.ts";
import { WholeTable } from "./whole-table.ts";

const ENDPOINT = parseAddrPort("10.0.0.1:80");
const ENDPOINT6 = parseAddrPort("[2001:db8::1]:80");
const ENDPOINTS = [{ name: "main", protocol: "tcp" as const, addresses: [ENDPOINT, ENDPOINT6] }];
const SOLE = ["received4 tcp . 10.0.0.1 . 80", "sent4 tcp . 10.0.0.1 . 80"];
const SHARED = ["received_shared4 tcp . 10.0.0.1 . 80", "sent_shared4 tcp . 10.0.0.1 . 80"];
const SOLE6 = ["received6 tcp . 2001:db8::1 . 80", "sent6 tcp . 2001:db8::1 . 80"];

function spec(name: string, ...listens: string[]): MappingSpec {
  const endpoint = (listen: AddrPort): AddrPort => (listen.family === "ipv4" ? ENDPOINT : ENDPOINT6);
  const routes = listens.map(parseAddrPort).map((listen) => ({ listen, endpoint: endpoint(listen) }));
  return { ...mappingSpec(name), routes };
}

const A = spec("a", "192.0.2.1:8080");
const B = spec("b", "0.0.0.0:81");
const BY_A = [
  "received_by_route4 tcp . 192.0.2.1 . 8080 . 10.0.0.1 . 80",
  "sent_by_route4 tcp . 192.0.2.1 . 8080 . 10.0.0.1 . 80",
];
const BY_B = ["received_by_route_any4 tcp . 81 . 10.0.0.1 . 80", "sent_by_route_any4 tcp . 81 . 10.0.0.1 . 80"];

class Setting {
  readonly whole = new WholeTable("t");
  readonly owners: string[] = [];
  readonly counters = new EndpointCounters(this.whole, {
    own: (_protocol: Protocol, { listen }: Route) => this.owners.push(formatAddrPort(listen)),
  });

  constructor() {
    // a group's endpoints are in the table
    this.place(1);
  }

  place(users = 0): ReturnType<EndpointCounters["place"]> {
    return this.counters.place(ENDPOINTS, users);
  }

  /** Of the IPv4 endpoint; of the IPv6 one where asked for. */
  elements(digit: "4" | "6" = "4"): string[] {
    const sets = ["received", "sent"].flatMap((name) =>
      ["", "_shared", "_by_route", "_by_route_any"].map((what) => `${name}${what}${digit}`),
    );
    return sets.flatMap((set) => [...this.whole.content.elementsOf(set)].map(({ key }) => `${set} ${key}`)).sort();
  }
}

describe("EndpointCounters", () => {
  it("count an endpoint once as long as one mapping leads there, by however many routes", () => {
    const setting = new Setting();
    expect(setting.elements()).toEqual(SOLE);
    setting.counters.lead(spec("both", "0.0.0.0:81", "192.0.2.1:8080", "[::]:81"));
    setting.place();
    expect(setting.elements()).toEqual(SOLE);
    expect(setting.elements("6")).toEqual(SOLE6);
    expect(setting.owners).toEqual(["0.0.0.0:81", "[::]:81"]);
    expect(setting.whole.needShared().lines).toEqual([]);
  });

  it("count by route from the second mapping on, and until flows have been cut", () => {
    const setting = new Setting();
    for (const each of [A, B]) setting.counters.lead(each);
    setting.place();
    expect(setting.elements()).toEqual([...SHARED, ...BY_A, ...BY_B].sort());
    expect(setting.elements("6")).toEqual(SOLE6);
    expect(setting.owners).toEqual([]);
    setting.counters.leave(A);
    setting.place();
    expect(setting.elements()).toEqual([...SHARED, ...BY_B].sort());
    setting.counters.cut(ENDPOINTS);
    expect(setting.elements()).toEqual([...SHARED, ...BY_B].sort());
    setting.place();
    expect(setting.elements()).toEqual(SOLE);
    expect(setting.owners).toEqual(["0.0.0.0:81"]);
  });

  it("know a mapping that is made again by its routes, and one that takes over by others", () => {
    const setting = new Setting();
    setting.counters.lead(A);
    setting.place();
    setting.counters.leave(A);
    setting.counters.lead({ ...A, name: "again" });
    setting.place();
    expect(setting.elements()).toEqual(SOLE);
    setting.counters.leave(A);
    setting.place();
    // of an endpoint that is not shared, what was counted is not to go to the next one
    setting.counters.cut(ENDPOINTS);
    setting.counters.lead(B);
    setting.place();
    expect(setting.elements()).toEqual([...SHARED, ...BY_B].sort());
  });

  it("have in the table what some group has there", () => {
    const setting = new Setting();
    for (const each of [A, B]) setting.counters.lead(each);
    setting.place(1);
    setting.place(-1);
    expect(setting.elements()).toHaveLength(6);
    setting.place(-1);
    expect([...setting.elements(), ...setting.elements("6")]).toEqual([]);
    setting.place(1);
    expect(setting.elements()).toHaveLength(6);
  });

  it("are as before when the change failed", () => {
    const setting = new Setting();
    setting.counters.lead(A);
    setting.place();
    const parts = setting.whole.parts().length;
    setting.counters.lead(B);
    const shared = setting.place();
    expect(setting.elements()).toHaveLength(6);
    shared.undo();
    expect(setting.elements()).toEqual(SOLE);
    expect(setting.whole.parts()).toHaveLength(parts);
    const closed = setting.place(-1);
    expect(setting.elements()).toEqual([]);
    closed.undo();
    expect(setting.elements()).toEqual(SOLE);
  });
});
