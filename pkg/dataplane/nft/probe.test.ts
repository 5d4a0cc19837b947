import { describe, expect, it } from "vitest";
import { Fault } from "../../fault/fault.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { hasNetAdmin, OLDEST_NFT, probe } from "./probe.ts";

const ROOT = "Name:\tnode\nCapEff:\t000001ffffffffff\n";
const USER = "Name:\tnode\nCapEff:\t0000000000000000\n";

const HOST = { platform: "linux", processStatus: () => Promise.resolve(ROOT), connections: () => Promise.resolve() };

interface Machine {
  platform?: string;
  status?: string;
  missing?: string;
  nft?: string;
  /** Standard error of nft's check of a ruleset that has this in it. */
  rejects?: { text: string; stderr: string };
  /** What nft's check of a ruleset ends with that has this in it. */
  fails?: { text: string; fault: Fault };
  /** What comes of asking for connections. */
  flows?: Fault;
}

function run({
  platform = "linux",
  status = ROOT,
  missing,
  nft = "nftables v1.0.6 (x)",
  rejects,
  fails,
  flows,
}: Machine): Promise<void> {
  const tools: ToolRunner = {
    run: (file, args, options) => {
      if (file === missing) return Promise.reject(new Fault("TOOL_MISSING", `no program "${file}"`));
      const checked = args.includes("-c") ? (options?.input ?? "") : "";
      if (fails !== undefined && checked.includes(fails.text)) return Promise.reject(fails.fault);
      const result: ToolResult =
        rejects !== undefined && checked.includes(rejects.text)
          ? { exitCode: 1, stdout: "", stderr: rejects.stderr }
          : { exitCode: 0, stdout: args.includes("--version") ? nft : "", stderr: "" };
      return Promise.resolve(result);
    },
  };
  return probe(tools, {
    platform,
    processStatus: () => Promise.resolve(status),
    connections: () => (flows === undefined ? Promise.resolve() : Promise.reject(flows)),
  });
}

const UNSUPPORTED = "Error: Could not process rule: Operation not supported\n";

describe("probe", () => {
  it("passes a machine that has it all", async () => {
    await run({});
    // without foreign functions nothing can be asked: said elsewhere
    await run({ flows: new Fault("FFI_UNAVAILABLE", "x") });
    await run({ nft: "nftables v1.1.3 (x)" });
    await run({ nft: `nftables v${OLDEST_NFT.join(".")} (x)` });
  });

  it.each<[Machine, string, RegExp]>([
    [{ platform: "darwin" }, "PLATFORM_UNSUPPORTED", /Linux.*darwin/],
    [{ status: USER }, "PRIVILEGE_MISSING", /CAP_NET_ADMIN.*root/],
    [{ missing: "nft" }, "TOOL_MISSING", /"nft".*apt-get install nftables/],
    [{ flows: new Fault("FLOWS_FAILED", "x") }, "KERNEL_UNSUPPORTED", /CONFIG_NF_CT_NETLINK.*modprobe nf_conntrack_netlink/],
    [{ nft: "nftables v1.0.5 (x)" }, "NFT_TOO_OLD", /1\.0\.5 is too old: 1\.0\.6/],
    [{ nft: "nftables v0.9.8 (x)" }, "NFT_TOO_OLD", /0\.9\.8/],
    [{ nft: "busybox" }, "NFT_TOO_OLD", /answered "busybox"/],
    [{ rejects: { text: "masquerade", stderr: UNSUPPORTED } }, "KERNEL_UNSUPPORTED", /nftables NAT \(CONFIG_NFT_NAT/],
    [{ rejects: { text: "ct timeout", stderr: UNSUPPORTED } }, "KERNEL_UNSUPPORTED", /CONFIG_NF_CONNTRACK_TIMEOUT/],
    [{ rejects: { text: "fib daddr", stderr: UNSUPPORTED } }, "KERNEL_UNSUPPORTED", /CONFIG_NFT_FIB_INET/],
    [{ rejects: { text: "table", stderr: UNSUPPORTED } }, "KERNEL_UNSUPPORTED", /CONFIG_NF_TABLES/],
    [{ rejects: { text: "table", stderr: "Error: x: Operation not permitted\n" } }, "PRIVILEGE_MISSING", /container/],
  ])("%j: %s", async (machine, code, message) => {
    await expect(run(machine)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  it("does not take an nft that came to no end for a kernel that cannot", async () => {
    const fault = new Fault("TOOL_TIMEOUT", "nft did not end within 60000 ms and was killed");
    await expect(run({ fails: { text: "masquerade", fault } })).rejects.toBe(fault);
    // not even when it had said something before
    const rejects = { text: "masquerade", stderr: UNSUPPORTED };
    await expect(run({ rejects, fails: { text: "probe {\nct timeout", fault } })).rejects.toBe(fault);
  });

  it("waits no longer for what nft says of the kernel once its version is of no use", async () => {
    let isEnded = false;
    const tools: ToolRunner = {
      run: (_file, args, options) => {
        if (!args.includes("-c")) return Promise.reject(new Fault("TOOL_TIMEOUT", "nft did not end"));
        return new Promise((_resolve, reject) => {
          options?.signal?.addEventListener("abort", () => {
            isEnded = true;
            reject(new Error("aborted"));
          });
        });
      },
    };
    await expect(probe(tools, HOST)).rejects.toMatchObject({ code: "TOOL_TIMEOUT" });
    expect(isEnded).toBe(true);
  });

  it("gives the kernel time to load its modules", async () => {
    const limits: (number | undefined)[] = [];
    const tools: ToolRunner = {
      run: (_file, args, options) => {
        if (args.includes("-c")) limits.push(options?.timeoutMs);
        return Promise.resolve({ exitCode: 0, stdout: "nftables v1.0.6 (x)", stderr: "" });
      },
    };
    await probe(tools, HOST);
    expect(limits).toEqual([60_000]);
  });

  it("looks at the effective capabilities", () => {
    expect(hasNetAdmin("CapEff:\t0000000000001000\n")).toBe(true);
    expect(hasNetAdmin("CapPrm:\t0000000000001000\nCapEff:\t0000000000000fff\n")).toBe(false);
    expect(hasNetAdmin("")).toBe(false);
  });
});
