import { describe, expect, it } from "vitest";
import type { ToolResult } from "../../process/process.ts";
import { formatAddrPort, parseAddrPort } from "../../value/addr-port.ts";
import type { Flow } from "../dataplane.ts";
import { Conntrack, type FastFlows } from "./conntrack.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const MESSAGE = "conntrack v1.4.7 (conntrack-tools): ";
const DONE = { exitCode: 0, stdout: "", stderr: "" };
const NONE = { exitCode: 1, stdout: "", stderr: `${MESSAGE}0 flow entries have been deleted.\n` };
const KILLED = { exitCode: null, stdout: "", stderr: "" };
const GONE = { exitCode: 1, stdout: "", stderr: `${MESSAGE}Operation failed: such conntrack doesn't exist\n` };
const REFUSED = { exitCode: 1, stdout: "", stderr: `${MESSAGE}Operation failed: Operation not permitted\n` };

/** What comes of cutting flows with a conntrack that ends as told, and how often it was run. */
async function cut(...results: ToolResult[]): Promise<[outcome: string, runs: number]> {
  let runs = 0;
  const conntrack = new Conntrack({ run: () => Promise.resolve(results[runs++] ?? DONE) }, 1);
  const outcome = await conntrack.cut("tcp", ENDPOINT).then(
    () => "done",
    (error: unknown) => String(error),
  );
  return [outcome, runs];
}

/** What is found of flows to ENDPOINT, in short, and the arguments that conntrack was run with. */
async function listed(lines: readonly string[], fast?: FastFlows): Promise<{ flows: string[]; runs: string[] }> {
  const runs: string[] = [];
  const conntrack = new Conntrack(
    {
      run: (_file, args, options) => {
        runs.push(args.join(" "));
        for (const line of lines) options?.onLine?.(line);
        return Promise.resolve(DONE);
      },
    },
    0x40,
  );
  const flows: string[] = [];
  await conntrack.eachFlow([{ protocol: "tcp", address: ENDPOINT, fast }], (flow: Flow) => {
    const { source, destination, endpoint, state = "-", remainingMs, ignored } = flow;
    flows.push([...[source, destination, endpoint].map(formatAddrPort), state, remainingMs, ignored].join(" "));
  });
  return { flows, runs };
}

const WAY = "src=10.77.1.2 dst=10.77.1.1 sport=51000 dport=8088 src=127.0.0.1 dst=10.77.1.2 sport=8080 dport=51000";

describe("listing flows", () => {
  it("takes those to the endpoints, alive, in one pass", async () => {
    const lines = [
      `tcp      6 54 ESTABLISHED ${WAY} [ASSURED] mark=0 use=1`,
      `tcp      6 1 TIME_WAIT ${WAY.replace("51000", "51001")} [ASSURED] mark=0 use=1`,
      `tcp      6 30 SYN_SENT ${WAY.replace("dport=8088 ", "dport=8088 [UNREPLIED] ").replace("51000", "51002")} mark=64 use=1`,
      `tcp      6 54 ESTABLISHED src=10.77.1.2 dst=10.77.1.1 sport=51003 dport=8088 packets=3 bytes=180 src=127.0.0.1 dst=10.77.1.2 sport=8080 dport=51003 packets=1 bytes=60 [ASSURED] mark=0 use=1`,
      `udp      17 29 ${WAY} mark=0 use=1`,
      `tcp      6 54 ESTABLISHED ${WAY.replace("sport=8080", "sport=8081")} [ASSURED] mark=0 use=1`,
      "icmp     1 29 src=10.77.1.2 dst=10.77.1.1 type=8 code=0 id=1 src=10.77.1.1 dst=10.77.1.2 type=0 code=0 id=1 mark=0 use=1",
      "nonsense",
    ];
    const { flows, runs } = await listed(lines);
    expect(flows).toEqual([
      "10.77.1.2:51000 10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 54000 false",
      "10.77.1.2:51002 10.77.1.1:8088 127.0.0.1:8080 SYN_SENT 30000 true",
      "10.77.1.2:51003 10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 54000 false",
    ]);
    expect(runs).toEqual(["-L -f ipv4"]);
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
    const lines = [
      `tcp      6 ${WAY} [OFFLOAD] mark=0 use=2`,
      `tcp      6 86366 ESTABLISHED ${WAY.replace("51000", "51001")} [ASSURED] mark=0 use=1`,
      `tcp      6 50 ESTABLISHED ${WAY.replace("51000", "51002")} [ASSURED] mark=0 use=1`,
    ];
    const { flows } = await listed(lines, fast(12_500));
    expect(flows).toEqual([
      "10.77.1.2:51002 10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 50000 false",
      "10.77.1.2:51000 10.77.1.1:8088 127.0.0.1:8080 - 47500 false",
      "10.77.1.2:51001 10.77.1.1:8088 127.0.0.1:8080 ESTABLISHED 47500 false",
    ]);
    expect(asked).toBe(1);
    expect((await listed(lines, fast(60_000))).flows).toHaveLength(1);
  });
});

describe("cutting flows", () => {
  it("is done when there are none, and when conntrack was let finish", async () => {
    expect(await cut(DONE)).toEqual(["done", 1]);
    expect(await cut(NONE)).toEqual(["done", 1]);
  });

  it("goes on where conntrack was killed, or stopped at a flow that had just ended by itself", async () => {
    expect(await cut(KILLED, GONE, GONE, NONE)).toEqual(["done", 4]);
  });

  it("fails where it can't be done, and where it never is", async () => {
    expect(await cut(REFUSED)).toEqual([expect.stringContaining("Operation not permitted"), 1]);
    expect(await cut(...Array.from({ length: 60 }, () => KILLED))).toEqual([expect.stringContaining("it was killed"), 50]);
  });
});
