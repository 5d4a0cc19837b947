/** Settings of the kernel: what the daemon will change, and what would be in the way. */
import type { Setting } from "../dataplane/nft/sysctl.ts";
import { sysctlCommand, sysctlName } from "../dataplane/nft/sysctl.ts";
import type { Finding } from "../plugin/finding.ts";

/** A setting that is needed and has another value now. */
export interface LackingSetting {
  readonly setting: Setting;
  readonly isWritable: boolean;
}

export interface SysctlFacts {
  readonly lacking: readonly LackingSetting[];
  /** dataplane.manage_sysctls. */
  readonly manages: boolean;
  /** Connections that conntrack knows, and how many it may. */
  readonly conntrack: { readonly count: number; readonly max: number } | undefined;
}

/** From where on the connection table counts as filling up, and as full. */
const FILLING = 0.8;
const FULL = 0.97;

export function sysctlFindings({ lacking, manages, conntrack }: SysctlFacts): Finding[] {
  return [
    ...lacking.map((each) => lackingFinding(each, manages)),
    ...(conntrack === undefined ? [] : conntrackFindings(conntrack)),
  ];
}

function lackingFinding({ setting, isWritable }: LackingSetting, manages: boolean): Finding {
  const where = sysctlName(setting.key);
  const remedy = sysctlCommand(setting);
  if (!manages) {
    return { id: "sysctl-needed", severity: "error", what: `${setting.why}, and manage_sysctls is false`, where, remedy };
  }
  if (!isWritable) {
    const what = `${setting.why}, and this process cannot set it`;
    return { id: "sysctl-not-writable", severity: "error", what, where, remedy: `set it from outside: ${remedy}` };
  }
  const guard = setting.key.endsWith("route_localnet")
    ? "behind a guard for 127.0.0.0/8"
    : "for its own flows only: for others too, set it before";
  return {
    id: "sysctl-will-be-set",
    severity: "note",
    what: `${setting.why}: the daemon sets it to ${setting.value} while it runs, ${guard}`,
    where,
  };
}

function conntrackFindings({ count, max }: { readonly count: number; readonly max: number }): Finding[] {
  // 0: no limit
  if (max === 0 || count < max * FILLING) return [];
  const isFull = count >= max * FULL;
  return [
    {
      id: "conntrack-full",
      severity: isFull ? "error" : "warning",
      what: `the connection table has ${count} of at most ${max} entries${isFull ? ", and new connections are dropped when it is full" : ""}`,
      where: "net.netfilter.nf_conntrack_max",
      remedy: `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`,
    },
  ];
}
