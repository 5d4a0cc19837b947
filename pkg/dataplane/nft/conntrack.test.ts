import { describe, expect, it } from "vitest";
import { Fault } from "../../fault/fault.ts";
import type { FlowFilter, FlowTable, KernelFlow } from "../../netlink/netlink.ts";
import { formatAddrPort, parseAddrPort, sameAddrPort } from "../../value/addr-port.ts";
import type { Flow } from "../dataplane.ts";
import { Conntrack, type FastFlows } from "./conntrack.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const IGNORE = 0x40000000;

/** The kernel's end. */
class FakeFlows implements FlowTable {
  readonly asked: FlowFilter[] = [];
  flows: KernelFlow[];
  failure: Fault | undefined;

  constructor(...flows: KernelFlow[]) {
    this.flows = flows;
  }

  each(filter: FlowFilter, visit: (flow: KernelFlow) => void): Promise<void> {
    this.asked.push(filter);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    for (const flow of this.flows) if (isOf(flow, filter)) visit(flow);
    return Promise.resolve();
  }

  delete(filter: FlowFilter, which: (flow: KernelFlow) => boolean): Promise<number> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const before = this.flows.length;
    this.flows = this.flows.filter((flow) => !isOf(flow, filter) || !which(flow));
    return Promise.resolve(before - this.flows.length);
  }

  close(): void {
    this.flows = [];
  }
}

function isOf({ protocol, endpoint }: KernelFlow, filter: FlowFilter): boolean {
  if (endpoint.family !== filter.family || (filter.protocol ?? protocol) !== protocol) return false;
  return filter.replySource === undefined || sameAddrPort(endpoint, filter.replySource);
}

let port = 51_000;
function flow(change: Partial<KernelFlow> = {}): KernelFlow {
  return {
    protocol: "tcp",
    source: parseAddrPort(`10.77.1.2:${String(port++)}`),
    destination: parseAddrPort("10.77.1.1:8088"),
    endpoint: ENDPOINT,
    state: "ESTABLISHED",
    timeoutSeconds: 54,
    mark: 0,
    offloaded: false,
    ...change,
  };
}

const OFFLOADED = { offloaded: true, state: undefined, timeoutSeconds: undefined } as const;

function conntrackOf(table: FlowTable): Conntrack {
  const conntrack = new Conntrack(IGNORE);
  conntrack.open(table);
  return conntrack;
}

async function listed(flows: readonly KernelFlow[], fast?: FastFlows): Promise<string[]> {
  const found: string[] = [];
  await conntrackOf(new FakeFlows(...flows)).eachFlow([{ protocol: "tcp", address: ENDPOINT, fast }], (each: Flow) => {
    const { destination, endpoint, state = "-", remainingMs, ignored } = each;
    found.push([...[destination, endpoint].map(formatAddrPort), state, remainingMs, ignored].join(" "));
  });
  return found;
}

describe("listing flows", () => {
  it("takes those to the endpoints, alive, in one pass for each family", async () => {
    const flows = [
      flow(),
      flow({ state: "TIME_WAIT" }),
      flow({ state: "CLOSE" }),
      flow({ state: "SYN_SENT", timeoutSeconds: 30, mark: IGNORE | 1 }),
      flow({ protocol: "udp", state: undefined }),
      flow({ endpoint: parseAddrPort("127.0.0.1:8081") }),
    ];
    expect(await listed(flows)).toEqual([
      "10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 54000 false",
      "10.77.1.1:8088 127.0.0.1:8080 SYN_SENT 30000 true",
    ]);
    const table = new FakeFlows();
    const endpoints = ["10.0.0.1:1", "[::1]:1", "10.0.0.2:1"].map((address) => parseAddrPort(address));
    await conntrackOf(table).eachFlow(
      endpoints.map((address) => ({ protocol: "tcp", address, fast: undefined })),
      () => undefined,
    );
    expect(table.asked).toEqual([{ family: "ipv4" }, { family: "ipv6" }]);
  });

  it("knows how long a flow of the fast path lives by the idle clock, which it asks once", async () => {
    let asked = 0;
    const fast = (quietMs: number): FastFlows => ({
      timeoutMs: 60_000,
      quietFor: () => {
        asked++;
        return Promise.resolve(quietMs);
      },
    });
    const flows = [flow(OFFLOADED), flow({ timeoutSeconds: 86_366 }), flow({ timeoutSeconds: 50 })];
    expect(await listed(flows, fast(12_500))).toEqual([
      "10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 50000 false",
      "10.77.1.1:8088 127.0.0.1:8080 - 47500 false",
      "10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 47500 false",
    ]);
    expect(asked).toBe(1);
    expect(await listed(flows, fast(60_000))).toHaveLength(1);
  });
});

describe("flows of an endpoint that are alive", () => {
  it("are neither closed nor to be ignored", async () => {
    const table = new FakeFlows(
      flow({ timeoutSeconds: 299 }),
      flow({ state: "TIME_WAIT" }),
      flow({ state: "CLOSE" }),
      flow({ timeoutSeconds: 400, mark: IGNORE | 1 }),
      flow({ state: "CLOSE_WAIT", mark: 1 }),
      flow({ endpoint: parseAddrPort("127.0.0.1:8081") }),
    );
    expect(await conntrackOf(table).aliveFlows("tcp", ENDPOINT)).toEqual({ count: 2, longestMs: 299_000 });
    expect(table.asked).toEqual([{ family: "ipv4", protocol: "tcp", replySource: ENDPOINT }]);
  });

  it("of the fast path live as the endpoint's clock says, and so do those that have left it", async () => {
    const flows = [
      flow(OFFLOADED),
      flow({ timeoutSeconds: 86_366 }),
      flow({ timeoutSeconds: 2 }),
      // not of a mapping, so with no policy of one
      flow({ destination: ENDPOINT, timeoutSeconds: 431_999 }),
    ];
    const alive = (some: KernelFlow[], quietMs: number): Promise<unknown> =>
      conntrackOf(new FakeFlows(...some)).aliveFlows("tcp", ENDPOINT, {
        timeoutMs: 5000,
        quietFor: () => Promise.resolve(quietMs),
      });
    expect(await alive(flows.slice(0, 3), 1250.5)).toEqual({ count: 3, longestMs: 3750 });
    expect(await alive(flows.slice(0, 3), 4999)).toEqual({ count: 3, longestMs: 2000 });
    expect(await alive(flows.slice(0, 3), 5000)).toEqual({ count: 1, longestMs: 2000 });
    expect(await alive(flows, 5000)).toEqual({ count: 2, longestMs: 431_999_000 });
  });

  it("are unknown, not none, where the kernel does not tell", async () => {
    const table = new FakeFlows(flow());
    table.failure = new Fault("FLOWS_FAILED", "no");
    await expect(conntrackOf(table).aliveFlows("tcp", ENDPOINT)).rejects.toMatchObject({ code: "FLOWS_FAILED" });
    await expect(new Conntrack(IGNORE).aliveFlows("tcp", ENDPOINT)).rejects.toMatchObject({ code: "FLOWS_FAILED" });
  });
});

describe("cutting flows", () => {
  it("takes those of the endpoint, in whatever state", async () => {
    const other = [flow({ protocol: "udp", state: undefined }), flow({ endpoint: parseAddrPort("127.0.0.1:8081") })];
    const table = new FakeFlows(flow(), flow({ state: "TIME_WAIT" }), flow({ mark: IGNORE }), ...other);
    await conntrackOf(table).cut("tcp", ENDPOINT);
    expect(table.flows).toEqual(other);
  });

  it("of clients that were here before takes what is not translated, of all that is asked for in one pass", async () => {
    const datagrams = (destination: string, endpoint = destination, change: Partial<KernelFlow> = {}): KernelFlow =>
      flow({
        protocol: "udp",
        state: undefined,
        destination: parseAddrPort(destination),
        endpoint: parseAddrPort(endpoint),
        ...change,
      });
    const others = [
      datagrams("192.0.2.1:53", "10.0.0.9:53"),
      datagrams("192.0.2.9:54"),
      datagrams("192.0.2.1:53", "192.0.2.1:53", { protocol: "tcp" }),
      datagrams("192.0.2.1:55"),
    ];
    // the loopback address is one of this machine's own
    const table = new FakeFlows(datagrams("192.0.2.1:53"), datagrams("127.0.0.1:54"), datagrams("[::1]:54"), ...others);
    const conntrack = conntrackOf(table);
    const passes = ["192.0.2.1:53", "0.0.0.0:54", "[::]:54"].map((each) => conntrack.cutUntranslated([parseAddrPort(each)]));
    await Promise.all(passes);
    expect(new Set(passes).size).toBe(1);
    expect(table.flows).toEqual(others);
  });
});
