/**
 * Package doctor: what on this machine would keep the daemon, or one configuration, from working, and what would do.
 *
 * Owns the questions and their order. A check (check-*.ts) is a function from facts to findings; what reads the facts is apart
 * from it, and asks through the driver's own probes where there is one. Must change nothing that stays, must not decide
 * how findings are shown, and knows no kind: plugins look at what is theirs.
 */
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Config } from "../config/types.ts";
import type { Needs } from "../dataplane/dataplane.ts";
import { findLacks, type ProbeHost } from "../dataplane/nft/probe.ts";
import { Sysctls } from "../dataplane/nft/sysctl.ts";
import { planSystem } from "../dataplane/nft/system-settings.ts";
import { TableLock } from "../dataplane/nft/table-lock.ts";
import { hasCode, messageOf } from "../fault/fault.ts";
import { findQueue, QUEUE_TABLE } from "../netlink/queue-table.ts";
import type { Finding } from "../plugin/finding.ts";
import type { Registry } from "../plugin/registry.ts";
import { effectiveCapabilities } from "../process/capabilities.ts";
import type { ToolRunner } from "../process/process.ts";
import { answerOf, valueOf } from "./answer.ts";
import { directoryTrouble, fileFindings, fileTrouble } from "./check-files.ts";
import { firewallFindings, forwardFindings, natFindings } from "./check-firewall.ts";
import { networkFindings } from "./check-network.ts";
import { ownerFindings, type OwnerFacts, runningDaemon } from "./check-owners.ts";
import { portFindings, portsOf } from "./check-ports.ts";
import { type LackingSetting, sysctlFindings } from "./check-sysctls.ts";
import { systemFindings } from "./check-system.ts";
import { collectUnit, unitFindings } from "./check-unit.ts";
import { collectNetwork } from "./collect-network.ts";
import { collectRules } from "./collect-rules.ts";
import { collectSystem, type Dataplane, isUnasked } from "./collect-system.ts";
import { examinePlugins } from "./examine-plugins.ts";
import type { Network } from "./network.ts";
import { SILENT } from "./silent.ts";
import { readSockets } from "./sockets.ts";

/** A configuration, and what is known of it besides. */
export interface Subject {
  readonly file: string;
  readonly config: Config;
  readonly needs: Needs;
  /** Why the daemon refuses the file; undefined: it does not. */
  readonly flaw: string | undefined;
  /** The daemon that has the runtime directory, if it lives. "unreadable": this user may not know. */
  readonly runtimeOwner: number | "unreadable" | undefined;
  /** Why the daemon refuses the runtime directory. */
  readonly runtimeDirFlaw: { readonly what: string; readonly remedy: string } | undefined;
}

export interface DoctorOptions {
  /** Without one, the machine only. */
  readonly subject: Subject | undefined;
  readonly registry: Registry;
  /** Each run must come to an end by itself. */
  readonly tools: ToolRunner;
  readonly host: ProbeHost;
  readonly clock: Clock;
  readonly isLocal: (address: string) => boolean;
}

/** As the daemon without a configuration of its own. */
const DEFAULTS: Dataplane = { table: "proxygw", queue: 4080, marks: { queue: 0x20000000 }, fastpath: "off" };

const SEVERITIES = ["error", "warning", "note", "ok"] as const;

/** The worst first. Never throws: a check that cannot be made is a finding too. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { platform } = options.host;
  if (platform !== "linux")
    return systemFindings({ lacks: await findLacks(options.tools, options.host), ...NOT_ASKED }, undefined);
  const doctor = new Doctor(options);
  const findings = await doctor.run();
  return SEVERITIES.flatMap((severity) => findings.filter((each) => each.severity === severity));
}

const NOT_ASKED = { queues: undefined, way: undefined, flowtables: undefined };

class Doctor {
  readonly #options: DoctorOptions;
  readonly #dataplane: Dataplane;

  constructor(options: DoctorOptions) {
    this.#options = options;
    this.#dataplane = options.subject?.config.dataplane ?? DEFAULTS;
  }

  async run(): Promise<Finding[]> {
    const { subject, tools, host } = this.#options;
    const lacks = await answerOf(() => findLacks(tools, host));
    const owners = await answerOf(() => this.#owners());
    const running = "value" in owners ? runningDaemon(owners.value) : undefined;
    const groups = await Promise.all([
      this.#look("the kernel and the tools", async () =>
        systemFindings(await collectSystem(valueOf(lacks), this.#dataplane, tools), subject?.config),
      ),
      this.#look("other daemons", () => Promise.resolve(ownerFindings(valueOf(owners), this.#dataplane, subject !== undefined))),
      this.#look("the daemon's files", () => this.#files()),
      this.#look("the plugins", () => this.#plugins(running !== undefined)),
      this.#look("kernel settings", () => this.#sysctls()),
      this.#look("ports in use", () => this.#ports(running)),
      this.#look("the network and other tables' rules", () => this.#network(!("value" in lacks) || isUnasked(lacks.value))),
      this.#look("systemd", () => this.#unit()),
    ]);
    return groups.flat();
  }

  /** What fails is told, and the rest is looked at all the same. */
  async #look(what: string, step: () => Promise<Finding[]>): Promise<Finding[]> {
    try {
      return await step();
    } catch (error) {
      return [notLookedAt(what, error)];
    }
  }

  async #owners(): Promise<OwnerFacts> {
    const { clock, subject } = this.#options;
    const { table, queue } = this.#dataplane;
    const owner = await new TableLock({ table, clock, log: SILENT }).owner();
    const queues = await readFile(QUEUE_TABLE, "latin1").catch(() => "");
    const of = owner === "unaskable" ? "unknown" : owner?.pid;
    const { runtimeOwner } = subject ?? {};
    // of the two, its being this configuration's is by far the more likely
    const runtimeDir = runtimeOwner === "unreadable" ? (of === "unknown" ? undefined : of) : runtimeOwner;
    return { table: of, queuePort: findQueue(queues, queue)?.port, runtimeDir };
  }

  async #sysctls(): Promise<Finding[]> {
    const { subject } = this.#options;
    const manages = subject?.config.dataplane.manageSysctls ?? true;
    const stateFile = join(subject?.config.runtimeDir ?? "/run/proxygw", "sysctls.json");
    const sysctls = new Sysctls({ log: SILENT, manage: manages, stateFile });
    const plan = subject === undefined ? [] : (await planSystem(sysctls, subject.needs)).lacking;
    const lacking = await Promise.all(
      plan.map(async (setting): Promise<LackingSetting> => ({
        setting,
        isWritable: await isWritable(join("/proc/sys", setting.key)),
      })),
    );
    const count = Number((await sysctls.get("net/netfilter/nf_conntrack_count")) ?? Number.NaN);
    const max = Number((await sysctls.get("net/netfilter/nf_conntrack_max")) ?? Number.NaN);
    const conntrack = Number.isNaN(count) || Number.isNaN(max) ? undefined : { count, max };
    return sysctlFindings({ lacking, manages, conntrack });
  }

  async #network(isBlind: boolean): Promise<Finding[]> {
    const { subject, tools, isLocal } = this.#options;
    const network = await collectNetwork(subject?.config, tools, isLocal);
    const found = subject === undefined ? [] : networkFindings(subject.config, network, isLocal);
    if (!network.areRoutesKnown) {
      const remedy = "on Debian and Ubuntu: apt-get install iproute2";
      found.push({
        id: "routes-unknown",
        severity: "note",
        what: 'the program "ip" is missing, so routes were not looked at',
        remedy,
      });
    }
    // the rest is worth having without them
    return isBlind ? found : [...found, ...(await this.#look("other tables' rules", () => this.#rules(network)))];
  }

  async #rules(network: Network): Promise<Finding[]> {
    const { subject, tools, isLocal } = this.#options;
    const { chains, legacy } = await collectRules(tools, this.#dataplane.table);
    const facts = { chains, network, isLocal };
    const found =
      subject === undefined
        ? forwardFindings(chains, network)
        : [...firewallFindings(subject.config, facts), ...natFindings(subject.config, facts)];
    if (found.length === 0) {
      const what = "no rule of another table is in the way, as far as that can be told from here";
      found.push({ id: "firewall", severity: "ok", what });
    }
    if (legacy.length > 0) {
      const what =
        "rules of legacy iptables are in force beside nftables: a packet has to get through both, and nft does not show them";
      found.push({ id: "iptables-legacy", severity: "note", what, remedy: "to see them: iptables-legacy-save" });
    }
    return found;
  }

  async #ports(running: number | undefined): Promise<Finding[]> {
    const { subject, registry, isLocal } = this.#options;
    if (subject === undefined) return [];
    const sockets = await readSockets(portsOf(subject.config));
    const startsService = ({ kind }: Config["targets"][number]): boolean =>
      registry.targetKind(kind.namespace, kind.name)?.startsService === true;
    const found = portFindings(subject.config, { sockets, running, startsService, isLocal });
    if (found.length > 0) return found;
    return [{ id: "ports", severity: "ok", what: "no other program listens where frontends and services are" }];
  }

  async #files(): Promise<Finding[]> {
    const { subject } = this.#options;
    if (subject === undefined) return [];
    const { config, file, flaw, runtimeDirFlaw } = subject;
    const { output } = config.log;
    return fileFindings(file, config, {
      configFlaw: flaw,
      runtimeDirFlaw,
      runtimeDirTrouble: await directoryTrouble(config.runtimeDir),
      logTrouble: output === "stdout" || output === "stderr" ? undefined : await fileTrouble(output),
    });
  }

  async #plugins(isRunning: boolean): Promise<Finding[]> {
    const { subject, registry, host, clock } = this.#options;
    if (subject === undefined) return [];
    const capabilities = effectiveCapabilities(await host.processStatus());
    return examinePlugins(subject.config, registry, { capabilities, isRunning, runtimeDir: subject.config.runtimeDir }, clock);
  }

  async #unit(): Promise<Finding[]> {
    const first = await readFile("/proc/1/comm", "latin1").catch(() => "");
    return first.trim() === "systemd" ? unitFindings(await collectUnit(this.#options.tools)) : [];
  }
}

function notLookedAt(what: string, error: unknown): Finding {
  return {
    id: "not-looked-at",
    // the daemon would wait for that tool as well
    severity: hasCode(error, "TOOL_TIMEOUT") ? "error" : "warning",
    what: `${what} could not be looked at: ${messageOf(error)}`,
  };
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}
