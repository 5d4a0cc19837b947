/** Kernel, tools and privileges: what the driver's probes have found out, each lack with what would do. */
import type { Config } from "../config/types.ts";
import type { Lack } from "../dataplane/nft/probe.ts";
import { QUEUE_WAY_TEXT } from "../dataplane/nft/queue-way.ts";
import type { QueueWay } from "../dataplane/nft/ruleset.ts";
import { hasCode, messageOf } from "../fault/fault.ts";
import type { Finding } from "../plugin/finding.ts";
import type { Answer } from "./answer.ts";

/** undefined: it was not asked. */
export interface SystemFacts {
  readonly lacks: readonly Lack[];
  /** Whether the kernel has packet queues, and this process may open one. */
  readonly queues: Answer<true> | undefined;
  readonly way: Answer<QueueWay["way"]> | undefined;
  /** How the fast path's probe went; only where it is wanted. */
  readonly flowtables: Answer<boolean> | undefined;
}

const IDS: Readonly<Record<string, string>> = {
  PLATFORM_UNSUPPORTED: "platform",
  PRIVILEGE_MISSING: "privileges",
  TOOL_MISSING: "tool-missing",
  NFT_TOO_OLD: "tool-too-old",
  KERNEL_UNSUPPORTED: "kernel-feature",
};

export function systemFindings({ lacks, queues, way, flowtables }: SystemFacts, config: Config | undefined): Finding[] {
  const found: Finding[] = lacks.map(({ code, what, remedy }) => ({
    id: IDS[code] ?? "system",
    severity: "error",
    what,
    remedy,
  }));
  if (found.length === 0) found.push({ id: "kernel-and-tools", severity: "ok", what: "the kernel and nft have what is needed" });
  // who holds nothing needs no queue
  const holds = config === undefined || config.frontends.some(({ whenCold }) => whenCold === "hold");
  if (holds) found.push(...queueFindings(queues, way));
  if (flowtables !== undefined) found.push(flowtableFinding(flowtables, config?.dataplane.fastpath === "on"));
  return found;
}

function queueFindings(queues: SystemFacts["queues"], way: SystemFacts["way"]): Finding[] {
  const findings: Finding[] = [];
  if (queues !== undefined && "error" in queues) {
    const isNative = hasCode(queues.error, "FFI_UNAVAILABLE");
    findings.push({
      id: "queue-unavailable",
      severity: "error",
      what: messageOf(queues.error),
      remedy: isNative
        ? "npm ci in the directory of the program; leave build beside node_modules"
        : "use a distribution's kernel, or load its module: modprobe nfnetlink_queue",
    });
  }
  if (way === undefined) return findings;
  if ("error" in way) {
    findings.push({
      id: "hold-unsupported",
      severity: "error",
      what: "this system cannot hold packets: its kernel lacks the nftables queue statement (CONFIG_NFT_QUEUE), and iptables could not do it either",
      remedy: "modprobe nft_queue, or install iptables (nft variant), on Debian and Ubuntu with: apt-get install iptables",
    });
  } else {
    const what = `packets for targets that are not active are held by ${QUEUE_WAY_TEXT[way.value]}`;
    findings.push({ id: "hold-way", severity: way.value === "statement" ? "ok" : "note", what });
  }
  return findings;
}

function flowtableFinding(flowtables: NonNullable<SystemFacts["flowtables"]>, isRequired: boolean): Finding {
  const where = "dataplane.fastpath";
  if ("value" in flowtables && flowtables.value)
    return { id: "flowtables", severity: "ok", what: "the kernel has flowtables", where };
  return {
    id: "flowtables",
    severity: isRequired ? "error" : "note",
    what: "this kernel has no flowtables (CONFIG_NF_FLOW_TABLE_INET, CONFIG_NFT_FLOW_OFFLOAD), so there is no fast path",
    where,
    remedy: `modprobe -a nf_flow_table_inet nft_flow_offload, or use a distribution's kernel${isRequired ? ', or write "auto" or "off"' : ""}`,
  };
}
