import { describe, expect, it } from "vitest";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { Conntrack, parseFlowLine, parseUntranslated } from "./conntrack.ts";
import { Nft } from "./nft.ts";
import { nftFault, parseExpires, parseNftVersion, parsePackets } from "./nft-output.ts";

describe("what nft prints", () => {
  it.each([
    ["Error: Could not process rule: No such file or directory\nget element …", "NFT_NOT_FOUND"],
    ["Error: Could not process rule: File exists\n", "NFT_EXISTS"],
    ["Error: Could not process rule: Operation not permitted\n", "NFT_NOT_PERMITTED"],
    ["netlink: Error: cache initialization failed: Operation not permitted\n", "NFT_NOT_PERMITTED"],
    ["Error: Could not process rule: Operation not supported\n", "NFT_NOT_SUPPORTED"],
    ["Error: Could not process rule: Interrupted system call\n", "NFT_INTERRUPTED"],
    ["/dev/stdin:3:1-5: Error: syntax error, unexpected string\n", "NFT_FAILED"],
    ["", "NFT_FAILED"],
    ["netlink: Error:  \n", "NFT_FAILED"],
  ])("%j is %s", (stderr, code) => {
    expect(nftFault(stderr, "do it")).toMatchObject({
      code,
      message: expect.stringMatching(/^nft could not do it: ./) as string,
    });
  });

  it("tells versions apart", () => {
    expect(parseNftVersion("nftables v1.0.6 (Lester Gooch #5)\n")).toEqual([1, 0, 6]);
    expect(parseNftVersion("nftables v1.1 (x)")).toEqual([1, 1, 0]);
    expect(parseNftVersion("nft: unknown option")).toBeUndefined();
    expect(parseNftVersion(`nftables v${"9".repeat(400)}.0.6`)).toBeUndefined();
  });

  it.each([
    ["elements = { tcp . 10.0.0.1 . 80 expires 364d23h59m59s996ms }", 31_535_999_996],
    ["elements = { tcp . 10.0.0.1 . 80 timeout 2m expires 1m500ms }", 60_500],
    ["elements = { tcp . ::1 . 80 expires 8ms }", 8],
    ["elements = { tcp . ::1 . 80 }", undefined],
    [`elements = { tcp . ::1 . 80 expires ${"9".repeat(400)}d }`, undefined],
  ])("%s", (text, ms) => {
    expect(parseExpires(text)).toBe(ms);
  });

  it("reads counters", () => {
    expect(parsePackets("elements = { tcp . 80 counter packets 17 bytes 1020 }")).toBe(17);
    expect(parsePackets("")).toBe(0);
    expect(parsePackets("counter packets 18446744073709551615 bytes 1")).toBe(2 ** 64);
    expect(parsePackets(`counter packets ${"9".repeat(400)} bytes 1`)).toBeLessThan(Infinity);
  });

  it.each([
    [1, 2],
    [4, 5],
    [9, 5],
  ])("asks again when a transaction interrupted it %i times: %i questions", async (interruptions, questions) => {
    let asked = 0;
    const tools: ToolRunner = {
      run: () => {
        asked++;
        return Promise.resolve(
          asked <= interruptions
            ? { exitCode: 1, stdout: "", stderr: "Error: Could not process rule: Interrupted system call\n" }
            : { exitCode: 0, stdout: "elements = { tcp . ::1 . 80 expires 8ms }", stderr: "" },
        );
      },
    };
    const outcome = await new Nft(tools).expires("t", "active6", "tcp . ::1 . 80").catch((error: unknown) => error);
    expect(asked).toBe(questions);
    if (interruptions < questions) expect(outcome).toBe(8);
    else expect(outcome).toMatchObject({ code: "NFT_INTERRUPTED" });
  });
});

describe("what conntrack prints", () => {
  it.each([
    [
      "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 mark=0",
      { address: "10.0.0.2", port: 53 },
    ],
    [
      "udp      17 29 src=fd77:1::2 dst=fd77:1::1 sport=5 dport=53 packets=1 bytes=2 src=fd77:1::1 dst=fd77:1::2 sport=53 dport=5 [ASSURED]",
      { address: "fd77:1::1", port: 53 },
    ],
    ["udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 src=127.0.0.1 dst=10.0.0.1 sport=53 dport=5", undefined],
    ["udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 src=10.0.0.2 dst=10.0.0.1 sport=5300 dport=5", undefined],
    ["", undefined],
  ])("knows what is not translated: %s", (line, to) => {
    expect(parseUntranslated(line)).toEqual(to);
  });

  it.each([
    [
      "tcp      6 299 ESTABLISHED src=10.77.1.2 dst=10.77.1.1 sport=42 dport=8088 src=127.0.0.1 dst=10.77.1.2 sport=8080 dport=42 [ASSURED] mark=0 use=1",
      { remainingSeconds: 299, state: "ESTABLISHED", mark: 0 },
    ],
    [
      "tcp      6 1 TIME_WAIT src=::1 dst=::1 sport=1 dport=2 src=::1 dst=::1 sport=2 dport=1 [ASSURED] mark=1073741824 use=1",
      { remainingSeconds: 1, state: "TIME_WAIT", mark: 0x40000000 },
    ],
    ["tcp      6 3 SYN_SENT2 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2", { remainingSeconds: 3, state: "SYN_SENT2", mark: 0 }],
    [
      "tcp      6 src=10.141.10.2 dst=192.168.10.2 sport=52728 dport=5201 src=192.168.10.2 dst=192.168.10.1 sport=5201 dport=52728 [OFFLOAD] mark=0 use=2",
      { remainingSeconds: 30, mark: 0, offloaded: true },
    ],
    [
      "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 mark=0",
      { remainingSeconds: 29, mark: 0 },
    ],
    [
      `udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5 mark=${"9".repeat(400)}`,
      { remainingSeconds: 29, mark: 9_999_999_999 },
    ],
    [`udp      17 ${"9".repeat(400)} src=10.0.0.1 dst=10.0.0.2 sport=5 dport=53`, undefined],
    ["conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.", undefined],
    ["", undefined],
  ])("%s", (line, flow) => {
    expect(parseFlowLine(line)).toEqual(flow);
  });

  const ENDPOINT = parseAddrPort("127.0.0.1:8080");

  /** A runner that answers once. */
  function answering(result: Partial<ToolResult>, calls: string[][] = []): ToolRunner {
    return {
      run: (_file, args, options) => {
        calls.push([...args]);
        for (const line of (result.stdout ?? "").split("\n")) options?.onLine?.(line);
        return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...result });
      },
    };
  }

  it("counts flows that are alive: neither closed nor to be ignored", async () => {
    const stdout = [
      "tcp      6 299 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2 dst=1 mark=0",
      "tcp      6 9 TIME_WAIT src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2 dst=1 mark=0",
      "tcp      6 9 CLOSE src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2 dst=1 mark=0",
      "tcp      6 299 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=3 dport=2 src=2 dst=1 mark=1073741825",
      "tcp      6 50 CLOSE_WAIT src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2 dst=1 mark=1",
    ].join("\n");
    const calls: string[][] = [];
    const conntrack = new Conntrack(answering({ stdout }, calls), 0x40000000);
    expect(await conntrack.aliveFlows("tcp", ENDPOINT)).toEqual({ count: 2, longestMs: 299_000 });
    expect(calls).toEqual([["-L", "-f", "ipv4", "-p", "tcp", "--reply-src", "127.0.0.1", "--reply-port-src", "8080"]]);
  });

  it("knows by the endpoint's clock how long flows of the fast path live, and those that have left it", async () => {
    const addresses = "src=10.1.0.2 dst=10.1.0.1 sport=5 dport=80 src=10.2.0.2 dst=10.1.0.2 sport=80 dport=5";
    const stdout = [
      `tcp      6 ${addresses} [OFFLOAD] mark=0 use=2`,
      `tcp      6 86366 ESTABLISHED ${addresses} [ASSURED] mark=0 use=1`,
      `tcp      6 2 ESTABLISHED ${addresses} [ASSURED] mark=0 use=1`,
      // not of a mapping, so with no policy of one
      "tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=6 dport=80 src=10.2.0.2 dst=10.1.0.2 sport=80 dport=6 mark=0",
    ];
    const alive = (lines: string[], quietMs: number): Promise<unknown> =>
      new Conntrack(answering({ stdout: lines.join("\n") }), 0).aliveFlows("tcp", ENDPOINT, {
        timeoutMs: 5000,
        quietFor: () => Promise.resolve(quietMs),
      });
    expect(await alive(stdout.slice(0, 3), 1250.5)).toEqual({ count: 3, longestMs: 3750 });
    expect(await alive(stdout.slice(0, 3), 4999)).toEqual({ count: 3, longestMs: 2000 });
    expect(await alive(stdout.slice(0, 3), 5000)).toEqual({ count: 1, longestMs: 2000 });
    expect(await alive(stdout, 5000)).toEqual({ count: 2, longestMs: 431_999_000 });
  });

  it("takes nothing to delete for done, and anything else for a failure", async () => {
    const nothing = { exitCode: 1, stderr: "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.\n" };
    await new Conntrack(answering(nothing), 0).cut("udp", ENDPOINT);
    const failing = { exitCode: 1, stderr: "conntrack v1.4.7: Operation failed: invalid parameters\n" };
    await expect(new Conntrack(answering(failing), 0).cut("udp", ENDPOINT)).rejects.toMatchObject({ code: "CONNTRACK_FAILED" });
    await expect(new Conntrack(answering({ exitCode: 1, stderr: "" }), 0).aliveFlows("udp", ENDPOINT)).rejects.toThrow(
      "no message",
    );
  });

  it("deletes the rest when a flow ended before its turn, but not for ever", async () => {
    const vanished = {
      exitCode: 1,
      stderr: "conntrack v1.4.7 (conntrack-tools): Operation failed: such conntrack doesn't exist\n",
    };
    const calls: string[][] = [];
    const results = [vanished, vanished, { exitCode: 0 }];
    const run: ToolRunner["run"] = (_file, args) => {
      calls.push([...args]);
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...results.shift() });
    };
    await new Conntrack({ run }, 0).cut("tcp", ENDPOINT);
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map((args) => args.join(" "))).size).toBe(1);
    await expect(new Conntrack(answering(vanished), 0).cut("tcp", ENDPOINT)).rejects.toMatchObject({ code: "CONNTRACK_FAILED" });
  });
});
