import { describe, expect, it } from "vitest";
import { Fault } from "../../fault/fault.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { Nft } from "./nft.ts";
import { QueueRules } from "./queue-rules.ts";

const UNTOUCHED = "-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n";

function rulesWith(answer: (file: string) => Partial<ToolResult>): { rules: QueueRules; runs: string[] } {
  const runs: string[] = [];
  const tools: ToolRunner = {
    run: (file, args, options) => {
      runs.push([file, ...args, ...(options?.input === undefined ? [] : [options.input])].join(" "));
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...answer(file) });
    },
  };
  return { rules: new QueueRules({ nft: new Nft(tools), tools, table: "t", queue: 7, mark: 0x20 }), runs };
}

describe("QueueRules", () => {
  it("looks once and changes once for each family", async () => {
    const { rules, runs } = rulesWith(() => ({ stdout: UNTOUCHED }));
    expect(await rules.add()).toBe(4);
    const rule = '-m mark --mark 0x20/0x20 -m comment --comment "proxygw t" -j NFQUEUE --queue-num 7';
    const input = `*raw\n-A PREROUTING ${rule}\n-A OUTPUT ${rule}\nCOMMIT\n`;
    expect(runs).toEqual([
      "iptables -w -t raw -S",
      "ip6tables -w -t raw -S",
      `iptables-restore -w --noflush ${input}`,
      `ip6tables-restore -w --noflush ${input}`,
    ]);
  });

  it.each<[Partial<ToolResult>, string]>([
    [{ exitCode: 4, stderr: "Another app is currently holding the xtables lock\nmore\n" }, "iptables failed: Another app"],
    [{ exitCode: null }, "iptables was killed"],
  ])("tells why: %j", async (result, message) => {
    const { rules } = rulesWith((file) => (file === "iptables" ? result : { stdout: UNTOUCHED }));
    const failure: unknown = await rules.check().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Fault);
    expect(failure).toMatchObject({ code: "IPTABLES_FAILED", message: expect.stringContaining(message) as string });
  });

  it("removes one family's rules although the other's cannot be", async () => {
    const own = '-A OUTPUT -m comment --comment "proxygw t" -j NFQUEUE --queue-num 7';
    const { rules, runs } = rulesWith((file) => (file === "iptables" ? { exitCode: 1 } : { stdout: `${UNTOUCHED}${own}\n` }));
    await expect(rules.remove()).rejects.toMatchObject({ code: "IPTABLES_FAILED" });
    expect(runs.filter((each) => each.startsWith("ip6tables-restore"))).toEqual([
      `ip6tables-restore -w --noflush *raw\n-D ${own.slice(3)}\nCOMMIT\n`,
    ]);
  });
});
