/** The nftables driver: implements Dataplane with the nft and conntrack programs and one table of its own. */
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { DataplaneConfig } from "../../config/types.ts";
import { collected, Fault, hasCode } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { ToolRunner } from "../../process/process.ts";
import { openQueue } from "../../netlink/open-queue.ts";
import type { Dataplane, Group, GroupSpec, Needs } from "../dataplane.ts";
import { MappingClaims } from "../mapping-claims.ts";
import { Conntrack } from "./conntrack.ts";
import { GateCounters } from "./gate-counters.ts";
import { NftGroup } from "./group.ts";
import { HoldQueue } from "./hold-queue.ts";
import { Nft } from "./nft.ts";
import { probe, type ProbeHost } from "./probe.ts";
import { findQueueWay, QUEUE_WAY_TEXT, QueueRules } from "./queue-way.ts";
import { deleteTableText, type QueueWay, type TableSpec, tableText } from "./ruleset.ts";
import { Sysctls } from "./sysctl.ts";
import { applySystem, isNeeded, planSystem } from "./system-settings.ts";
import { TableContent } from "./table-content.ts";
import { TableLock } from "./table-lock.ts";
import { Transactor } from "./transactor.ts";

export interface NftDataplaneOptions {
  readonly config: DataplaneConfig;
  /** Exists; keeps the former values of sysctls. */
  readonly runtimeDir: string;
  readonly tools: ToolRunner;
  readonly host: ProbeHost;
  readonly clock: Clock;
  readonly log: Log;
  /** Root of the kernel's settings, default /proc/sys. */
  readonly sysctlRoot?: string;
}

export class NftDataplane implements Dataplane {
  readonly #options: NftDataplaneOptions;
  readonly #nft: Nft;
  readonly #conntrack: Conntrack;
  readonly #lock: TableLock;
  readonly #sysctls: Sysctls;
  readonly #transactor: Transactor;
  readonly #content: TableContent;
  readonly #gateCounters: GateCounters;
  readonly #queue: HoldQueue;
  readonly #claims: MappingClaims;
  readonly #groups = new Map<string, NftGroup>();
  #needs: Needs | undefined;
  #spec: TableSpec | undefined;
  #queueRules: QueueRules | undefined;
  #state: "new" | "started" | "closed" = "new";
  /** What start() acquired, to be released last one first. */
  #releases: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: NftDataplaneOptions) {
    this.#options = options;
    this.#nft = new Nft(options.tools);
    this.#conntrack = new Conntrack(options.tools, options.config.marks.ignore);
    this.#lock = new TableLock(options.config.table);
    this.#sysctls = new Sysctls({
      log: options.log,
      manage: options.config.manageSysctls,
      stateFile: join(options.runtimeDir, "sysctls.json"),
      ...(options.sysctlRoot === undefined ? {} : { root: options.sysctlRoot }),
    });
    this.#transactor = new Transactor(this.#nft, () => this.#remake());
    this.#claims = new MappingClaims(options.config.wildcardOverlap);
    this.#content = new TableContent(options.config.table);
    this.#gateCounters = new GateCounters(this.#nft, options.config.table);
    const { queue: number, marks } = options.config;
    this.#queue = new HoldQueue({ number, marks, clock: options.clock, log: options.log, open: openQueue });
  }

  async start(needs: Needs, signal?: AbortSignal): Promise<void> {
    if (this.#state !== "new") throw new Fault("DATAPLANE_CLOSED", "the dataplane can be started once");
    try {
      await this.#acquire(needs, signal);
      this.#state = "started";
    } catch (error) {
      try {
        await this.close();
      } catch (releaseError) {
        throw new AggregateError([error, releaseError], "");
      }
      throw error;
    }
  }

  async #acquire(needs: Needs, signal?: AbortSignal): Promise<void> {
    const { table, marks } = this.#options.config;
    await probe(this.#options.tools, this.#options.host, signal);
    await this.#lock.acquire();
    this.#releases.push(() => this.#lock.release());
    await this.#sysctls.recover();
    await this.#sysctls.restore((key) => !isNeeded(key, needs));
    const plan = await planSystem(this.#sysctls, needs);
    this.#sysctls.refuseUnmanaged(plan.lacking);
    const queue = needs.hold ? await this.#openQueue() : ({ way: "none" } as const);
    // the guards are in force before the settings that need them, and until those are put back
    this.#releases.push(() => this.#deleteTable());
    this.#releases.push(() => this.#sysctls.restore());
    this.#needs = needs;
    this.#spec = { table, marks, queue, loopbackGuard: needs.routeLocalnet, forwardGuard: plan.forwarded };
    await this.#nft.apply(this.#wholeTable(), `create the table "inet ${table}"`, signal);
    await applySystem(this.#sysctls, plan);
  }

  /** The table as it should be by now, with all that is in it. */
  #wholeTable(): string {
    const skeleton = this.#spec === undefined ? "" : tableText(this.#spec);
    return `${skeleton}${this.#content.all().join("\n")}\n`;
  }

  /** Makes the table and, where there are any, iptables' rules again: somebody else removed them, such as `nft flush ruleset`. */
  async #remake(): Promise<void> {
    const { table } = this.#options.config;
    await this.#nft.apply(this.#wholeTable(), `make the table "inet ${table}" again`);
    await this.#queueRules?.add();
    this.#options.log.warn("somebody else had removed the table, or something of it; made it again", { table });
  }

  async verify(): Promise<void> {
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    // nothing to add, unless there is no table to add it to
    const line = `add chain inet ${this.#options.config.table} to_queue`;
    await this.#transactor.submit(() => ({ lines: [line], undo: () => undefined }), "look after its table");
    await this.#verifySystem();
  }

  /** Another daemon that ended, or somebody, may have put back a setting that is still needed. */
  async #verifySystem(): Promise<void> {
    const { log, config } = this.#options;
    if (this.#needs === undefined || this.#spec === undefined) return;
    const plan = await planSystem(this.#sysctls, this.#needs);
    if (plan.lacking.length === 0) return;
    log.warn("somebody else changed settings that are needed", { sysctls: plan.lacking.map(({ key }) => key).join(" ") });
    if (!config.manageSysctls) return;
    const guarded = this.#spec.forwardGuard;
    if (plan.forwarded.some((family) => !guarded.includes(family))) {
      // with the guard first, as at the start
      this.#spec = { ...this.#spec, forwardGuard: [...new Set([...guarded, ...plan.forwarded])] };
      await this.#transactor.submit(() => ({ lines: [this.#wholeTable()], undo: () => undefined }), "guard what is forwarded");
    }
    await applySystem(this.#sysctls, plan);
  }

  /** Before the table: what its rules send to the queue must find it. */
  async #openQueue(): Promise<QueueWay> {
    const { tools, log, config } = this.#options;
    const options = { nft: this.#nft, tools, table: config.table, queue: config.queue, mark: config.marks.queue };
    const found = await findQueueWay(options);
    await this.#queue.open().catch((error: unknown) => {
      if (!hasCode(error, "QUEUE_BUSY")) throw error;
      throw new Fault(
        "QUEUE_BUSY",
        `packet queue ${config.queue} is held by another program; give this one its own with dataplane.queue`,
        {
          cause: error,
        },
      );
    });
    this.#releases.push(() => {
      this.#queue.close();
      return Promise.resolve();
    });
    if (found.way === "mark") {
      const rules = new QueueRules(options);
      this.#queueRules = rules;
      this.#releases.push(() => rules.remove());
      await rules.add();
    }
    log.info("packets for targets that are not active are held", { queue: config.queue, by: QUEUE_WAY_TEXT[found.way] });
    return found;
  }

  async createGroup(spec: GroupSpec): Promise<Group> {
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    if (this.#groups.has(spec.name)) throw new Fault("GROUP_EXISTS", `there is a group "${spec.name}" already`);
    const group = new NftGroup(spec, {
      table: this.#options.config.table,
      claims: this.#claims,
      nft: this.#nft,
      conntrack: this.#conntrack,
      transactor: this.#transactor,
      content: this.#content,
      queue: this.#queue,
      gateCounters: this.#gateCounters,
      onClose: () => this.#groups.delete(spec.name),
    });
    this.#groups.set(spec.name, group);
    try {
      await group.open();
    } catch (error) {
      this.#groups.delete(spec.name);
      throw error;
    }
    return group;
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    this.#state = "closed";
    const failures: unknown[] = [];
    for (const release of this.#releases.reverse()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    this.#releases = [];
    if (failures.length > 0) throw collected(failures, "the dataplane could not be closed cleanly") as Error;
  }

  async #deleteTable(): Promise<void> {
    const { table } = this.#options.config;
    try {
      await this.#nft.apply(deleteTableText(table), `delete the table "inet ${table}"`);
    } catch (error) {
      if (!hasCode(error, "NFT_NOT_FOUND")) throw error;
    }
  }
}
