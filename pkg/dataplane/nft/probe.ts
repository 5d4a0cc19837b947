/** What must be there before anything is touched; each lack with its own remedy. */
import { Fault, hasCode, messageOf } from "../../fault/fault.ts";
import { effectiveCapabilities } from "../../process/capabilities.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { isOutcomeUnknown, Nft } from "./nft.ts";
import { parseNftVersion } from "./nft-output.ts";

/** Debian 12's; older ones were not tried. */
export const OLDEST_NFT: readonly [number, number, number] = [1, 0, 6];

export interface ProbeHost {
  /** As process.platform. */
  readonly platform: string;
  /** Text of /proc/self/status; not read on other platforms. */
  processStatus(): Promise<string>;
  /** Asks the kernel for connections. @throws Fault FLOWS_FAILED where it does not tell of them */
  connections(): Promise<void>;
}

/** Something that must be there and is not: what, and what would put it right. */
export interface Lack {
  readonly code: string;
  readonly what: string;
  readonly remedy: string;
  readonly cause?: unknown;
}

/** @throws Fault PLATFORM_UNSUPPORTED, PRIVILEGE_MISSING, TOOL_MISSING, NFT_TOO_OLD, KERNEL_UNSUPPORTED */
export async function probe(tools: ToolRunner, host: ProbeHost, signal?: AbortSignal): Promise<void> {
  const [first] = await findLacks(tools, host, signal);
  if (first === undefined) return;
  const { code, what, remedy, cause } = first;
  throw new Fault(code, `${what}: ${remedy}`, cause === undefined ? {} : { cause });
}

/**
 * All that is missing, the most basic first; the kernel is asked where there is an nft to ask by.
 * @throws Fault TOOL_…, NFT_KILLED of a tool that fails: what it did not say is no lack
 */
export async function findLacks(tools: ToolRunner, host: ProbeHost, signal?: AbortSignal): Promise<Lack[]> {
  if (host.platform !== "linux") {
    const what = `proxygw works with the Linux kernel's nftables; this is ${host.platform}`;
    return [{ code: "PLATFORM_UNSUPPORTED", what, remedy: "run it in a Linux virtual machine" }];
  }
  const lacks: Lack[] = [];
  if (!hasNetAdmin(await host.processStatus())) {
    lacks.push({
      code: "PRIVILEGE_MISSING",
      what: "changing the packet path takes the capability CAP_NET_ADMIN",
      remedy: "run as root, for example with sudo",
    });
  }
  // meanwhile: each waits for a process, and at the start for nothing else
  const aside = new AbortController();
  const either = AbortSignal.any([aside.signal, ...(signal === undefined ? [] : [signal])]);
  const kernel = lacks.length > 0 ? Promise.resolve([]) : kernelLacks(new Nft(tools), either);
  kernel.catch(() => undefined);
  try {
    const connections = lacks.length > 0 ? undefined : await failureOf(host.connections());
    const nft = await version(tools, signal);
    const nftLack = "exitCode" in nft ? nftVersionLack(nft.stdout) : nft;
    if (nftLack !== undefined) lacks.push(nftLack);
    if (nftLack === undefined) lacks.push(...(await kernel));
    // that foreign functions cannot be called is said where they are needed
    if (hasCode(connections, "FLOWS_FAILED")) lacks.push({ ...CONNECTIONS_LACK, cause: connections });
    return lacks;
  } finally {
    // what an nft that is too old, not there, or dumb says of the kernel is of no use, and it may take a minute
    aside.abort();
  }
}

export function hasNetAdmin(status: string): boolean {
  return effectiveCapabilities(status).has("CAP_NET_ADMIN");
}

async function version(tools: ToolRunner, signal?: AbortSignal): Promise<ToolResult | Lack> {
  try {
    return await tools.run("nft", ["--version"], signal === undefined ? {} : { signal });
  } catch (error) {
    if (!hasCode(error, "TOOL_MISSING")) throw error;
    const remedy = "install it, on Debian and Ubuntu with: apt-get install nftables";
    return { code: "TOOL_MISSING", what: 'the program "nft" is missing', remedy };
  }
}

function nftVersionLack(text: string): Lack | undefined {
  const found = parseNftVersion(text);
  const oldest = OLDEST_NFT.join(".");
  if (found === undefined) {
    const what = `"nft --version" answered "${text.trim()}", which is not nftables' version`;
    return { code: "NFT_TOO_OLD", what, remedy: `install nftables ${oldest} or newer` };
  }
  const difference = found.map((part, at) => part - (OLDEST_NFT[at] ?? 0)).find((each) => each !== 0) ?? 0;
  if (difference >= 0) return undefined;
  return { code: "NFT_TOO_OLD", what: `nftables ${found.join(".")} is too old`, remedy: `${oldest} or newer is needed` };
}

const CONNECTIONS_LACK: Lack = {
  code: "KERNEL_UNSUPPORTED",
  what: "this kernel does not tell of the connections that it knows (CONFIG_NF_CT_NETLINK)",
  remedy: "use a distribution's kernel, or load its module: modprobe nf_conntrack_netlink",
};

/** One line for each thing that a kernel may have been built without. */
const FEATURES: readonly {
  readonly name: string;
  readonly options: string;
  readonly modules: string;
  readonly text: string;
}[] = [
  { name: "nftables", options: "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET", modules: "nf_tables", text: "" },
  {
    name: "nftables NAT",
    options: "CONFIG_NFT_NAT, CONFIG_NFT_MASQ",
    modules: "nft_chain_nat nft_nat nft_masq",
    text: "chain n {\ntype nat hook prerouting priority -100\ndnat ip to 127.0.0.1\n}\nchain m {\ntype nat hook postrouting priority 100\nmasquerade\n}\n",
  },
  {
    name: "nftables conntrack with timeout policies",
    options: "CONFIG_NFT_CT, CONFIG_NF_CONNTRACK_TIMEOUT",
    modules: "nft_ct nfnetlink_cttimeout",
    text: 'ct timeout t {\nprotocol udp\npolicy = { replied : 5 }\n}\nchain c {\ntype filter hook prerouting priority -150\nct state new ct timeout set "t"\n}\n',
  },
  {
    name: "nftables fib",
    options: "CONFIG_NFT_FIB_INET",
    modules: "nft_fib_inet",
    text: "chain f {\ntype filter hook prerouting priority 0\nfib daddr type local accept\n}\n",
  },
];

async function kernelLacks(nft: Nft, signal: AbortSignal): Promise<Lack[]> {
  /** What was said against it, if anything was said at all. */
  const refusal = async (text: string, doing: string): Promise<unknown> => {
    try {
      await nft.check(`table inet proxygw_probe {\n${text}}\n`, doing, signal);
      return undefined;
    } catch (error) {
      if (isOutcomeUnknown(error) || signal.aborted) throw error;
      return error;
    }
  };
  const failure = await refusal(FEATURES.map(({ text }) => text).join(""), "check what the kernel can do");
  if (failure === undefined) return [];
  if (hasCode(failure, "NFT_NOT_PERMITTED")) {
    const what = "the kernel does not let this process change nftables";
    return [{ code: "PRIVILEGE_MISSING", what, remedy: "run as root, not in an unprivileged container", cause: failure }];
  }
  const lacks: Lack[] = [];
  for (const { name, options, modules, text } of FEATURES) {
    const cause = await refusal(text, "check a feature");
    if (cause === undefined) continue;
    const what = `this kernel has no ${name} (${options})`;
    const remedy = `use a distribution's kernel, or load its modules: modprobe -a ${modules}`;
    lacks.push({ code: "KERNEL_UNSUPPORTED", what, remedy, cause });
    // without tables there is nothing else to find out
    if (text === "") break;
  }
  if (lacks.length > 0) return lacks;
  const what = "this kernel cannot do all that is needed of it";
  return [{ code: "KERNEL_UNSUPPORTED", what, remedy: messageOf(failure), cause: failure }];
}

async function failureOf(work: Promise<void>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}
