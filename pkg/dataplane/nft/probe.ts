/** What must be there before anything is touched; each lack with its own remedy. */
import { Fault, hasCode, messageOf } from "../../fault/fault.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { Nft } from "./nft.ts";
import { parseNftVersion } from "./nft-output.ts";

/** Debian 12's; older ones were not tried. */
export const OLDEST_NFT: readonly [number, number, number] = [1, 0, 6];

/** capabilities(7), linux/capability.h */
const CAP_NET_ADMIN = 12n;

export interface ProbeHost {
  /** As process.platform. */
  readonly platform: string;
  /** Text of /proc/self/status; not read on other platforms. */
  processStatus(): Promise<string>;
}

/** @throws Fault PLATFORM_UNSUPPORTED, PRIVILEGE_MISSING, TOOL_MISSING, NFT_TOO_OLD, KERNEL_UNSUPPORTED */
export async function probe(tools: ToolRunner, host: ProbeHost, signal?: AbortSignal): Promise<void> {
  if (host.platform !== "linux") {
    throw new Fault("PLATFORM_UNSUPPORTED", `proxygw works with the Linux kernel's nftables; this is ${host.platform}`);
  }
  if (!hasNetAdmin(await host.processStatus())) {
    throw new Fault(
      "PRIVILEGE_MISSING",
      "changing the packet path takes the capability CAP_NET_ADMIN: run as root, for example with sudo",
    );
  }
  const [nft] = await Promise.all([version(tools, "nft", "nftables", signal), version(tools, "conntrack", "conntrack", signal)]);
  checkNftVersion(nft.stdout);
  await checkKernel(new Nft(tools), signal);
}

export function hasNetAdmin(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/im.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}

async function version(tools: ToolRunner, tool: string, debianPackage: string, signal?: AbortSignal): Promise<ToolResult> {
  try {
    return await tools.run(tool, ["--version"], signal === undefined ? {} : { signal });
  } catch (error) {
    if (!hasCode(error, "TOOL_MISSING")) throw error;
    throw new Fault(
      "TOOL_MISSING",
      `the program "${tool}" is missing: install it, on Debian and Ubuntu with: apt-get install ${debianPackage}`,
    );
  }
}

function checkNftVersion(text: string): void {
  const found = parseNftVersion(text);
  if (found === undefined)
    throw new Fault("NFT_TOO_OLD", `"nft --version" answered "${text.trim()}", which is not nftables' version`);
  const difference = found.map((part, at) => part - (OLDEST_NFT[at] ?? 0)).find((each) => each !== 0) ?? 0;
  if (difference < 0) {
    throw new Fault("NFT_TOO_OLD", `nftables ${found.join(".")} is too old: ${OLDEST_NFT.join(".")} or newer is needed`);
  }
}

/** One line for each thing that a kernel may have been built without. */
const FEATURES: readonly { readonly name: string; readonly options: string; readonly text: string }[] = [
  { name: "nftables", options: "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET", text: "" },
  {
    name: "nftables NAT",
    options: "CONFIG_NFT_NAT, CONFIG_NFT_MASQ",
    text: "chain n {\ntype nat hook prerouting priority -100\ndnat ip to 127.0.0.1\n}\nchain m {\ntype nat hook postrouting priority 100\nmasquerade\n}\n",
  },
  {
    name: "nftables conntrack with timeout policies",
    options: "CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_TIMEOUT",
    text: 'ct timeout t {\nprotocol udp\npolicy = { replied : 5 }\n}\nchain c {\ntype filter hook prerouting priority -150\nct state new ct timeout set "t"\n}\n',
  },
  {
    name: "nftables fib",
    options: "CONFIG_NFT_FIB_INET",
    text: "chain f {\ntype filter hook prerouting priority 0\nfib daddr type local accept\n}\n",
  },
];

async function checkKernel(nft: Nft, signal?: AbortSignal): Promise<void> {
  const table = (text: string): string => `table inet proxygw_probe {\n${text}}\n`;
  try {
    await nft.check(table(FEATURES.map(({ text }) => text).join("")), "check what the kernel can do", signal);
    return;
  } catch (error) {
    if (hasCode(error, "NFT_NOT_PERMITTED")) {
      throw new Fault(
        "PRIVILEGE_MISSING",
        "the kernel does not let this process change nftables: run as root, not in an unprivileged container",
        {
          cause: error,
        },
      );
    }
    for (const { name, options, text } of FEATURES) {
      await nft.check(table(text), "check a feature", signal).catch((cause: unknown) => {
        throw new Fault(
          "KERNEL_UNSUPPORTED",
          `this kernel has no ${name} (${options}): use a distribution's kernel, or load its modules`,
          { cause },
        );
      });
    }
    throw new Fault("KERNEL_UNSUPPORTED", messageOf(error), { cause: error });
  }
}
