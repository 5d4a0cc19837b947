/** The nftables driver: implements Dataplane with the nft and conntrack programs and one table of its own. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../clock/clock.ts";
import type { DataplaneConfig, Ending } from "../../config/types.ts";
import { collected, Fault, hasCode, messageOf } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { ToolRunner } from "../../process/process.ts";
import { runAll } from "../../serial/run-all.ts";
import { openFlows } from "../../netlink/flows.ts";
import { openQueue } from "../../netlink/open-queue.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import { openRuleset } from "../../netlink/ruleset.ts";
import type { Dataplane, Flow, Group, GroupSpec, Needs, Traffic, TransactionListener } from "../dataplane.ts";
import { MappingClaims } from "../mapping-claims.ts";
import { Conntrack } from "./conntrack.ts";
import { DirectChange } from "./direct-change.ts";
import { FastDevices, findFastPath } from "./fast-devices.ts";
import { Generation } from "./generation.ts";
import { ElementStates } from "./element-states.ts";
import { EndpointCounters } from "./endpoint-counters.ts";
import { GateCounters } from "./gate-counters.ts";
import { type GroupShare, NftGroup } from "./group.ts";
import { HoldQueue } from "./hold-queue.ts";
import { isOutcomeUnknown, Nft } from "./nft.ts";
import { probe, type ProbeHost } from "./probe.ts";
import { openQueuePath } from "./queue-path.ts";
import type { QueueRules, QueueRulesOptions } from "./queue-rules.ts";
import { findQueueWay } from "./queue-way.ts";
import { type QueueWay, restructureLines, type TableSpec } from "./ruleset.ts";
import { Sysctls } from "./sysctl.ts";
import { applySystem, isNeeded, planSystem, type SystemPlan } from "./system-settings.ts";
import { TableLock } from "./table-lock.ts";
import { TableWatch } from "./table-watch.ts";
import { TrafficCounters } from "./traffic-counters.ts";
import { TransactionReport } from "./transaction-report.ts";
import { Transactor } from "./transactor.ts";
import { WholeTable } from "./whole-table.ts";

/** Each how many calls of verify() legacy iptables is asked, which takes two processes. */
const LEGACY_LOOKS = 12;

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
  readonly #direct: DirectChange;
  readonly #transactor: Transactor;
  readonly #whole: WholeTable;
  readonly #generation = new Generation();
  readonly #transactions: TransactionReport;
  readonly #traffic: TrafficCounters;
  readonly #groups = new Set<NftGroup>();
  /** From start() on. */
  #share: GroupShare | undefined;
  readonly #states: ElementStates;
  readonly #gateCounters: GateCounters;
  readonly #endpointCounters: EndpointCounters;
  readonly #queue: HoldQueue;
  readonly #queueOptions: QueueRulesOptions;
  readonly #claims: MappingClaims;
  #needs: Needs | undefined;
  /** From commit() on. */
  #watch: TableWatch | undefined;
  #reader: RulesetReader | undefined;
  readonly #fastDevices: FastDevices;
  /** From when on the idle clock has counted. */
  #countedSince: number | undefined;
  /** See findFastPath(). */
  #longestFastMs: number | undefined;
  /** How often verify() was called. */
  #looks = 0;
  #way: QueueWay = { way: "none" };
  /** Where iptables takes packets to the queue. */
  #queueRules: QueueRules | undefined;
  #state: "new" | "started" | "closed" = "new";
  /** What start() acquired, to be released last one first. */
  readonly #releases: (() => Promise<void>)[] = [];
  /** What commit() and later changes did to the system, to be undone before that, last one first. */
  readonly #restores: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: NftDataplaneOptions) {
    const { config, clock, log, tools } = options;
    this.#options = options;
    this.#transactions = new TransactionReport(clock, this.#generation);
    this.#nft = new Nft(tools, this.#transactions);
    this.#conntrack = new Conntrack(config.marks.ignore);
    this.#lock = new TableLock({ table: config.table, clock, log });
    this.#sysctls = new Sysctls({
      log,
      manage: config.manageSysctls,
      stateFile: join(options.runtimeDir, "sysctls.json"),
      ...(options.sysctlRoot === undefined ? {} : { root: options.sysctlRoot }),
    });
    this.#traffic = new TrafficCounters(config.table);
    const leaving = this.#traffic.leaving.bind(this.#traffic);
    this.#direct = new DirectChange(config.table, this.#transactions);
    this.#transactor = new Transactor(this.#nft, config.table, this.#repair.bind(this), leaving, this.#direct);
    this.#claims = new MappingClaims(config.wildcardOverlap);
    this.#whole = new WholeTable(config.table);
    this.#endpointCounters = new EndpointCounters(this.#whole, this.#traffic);
    const fast = { table: config.table, whole: this.#whole, transactor: this.#transactor, sysctls: this.#sysctls, log };
    this.#fastDevices = new FastDevices(fast);
    this.#states = new ElementStates(config.table, this.#nft);
    this.#gateCounters = new GateCounters(this.#states);
    this.#queueOptions = { nft: this.#nft, tools, table: config.table, queue: config.queue, mark: config.marks.queue };
    this.#queue = new HoldQueue({ number: config.queue, marks: config.marks, clock, log, open: openQueue });
  }

  async start(needs: Needs, signal?: AbortSignal): Promise<void> {
    if (this.#state !== "new") throw new Fault("DATAPLANE_CLOSED", "the dataplane can be started once");
    try {
      await this.#acquire(needs, signal);
      this.#state = "started";
    } catch (error) {
      const failures = await runAll([() => this.close()]);
      throw collected([error, ...failures], "") as Error;
    }
  }

  async #acquire(needs: Needs, signal?: AbortSignal): Promise<void> {
    // both wait for processes; that it failed is told in its turn
    const way = needs.hold ? findQueueWay(this.#queueOptions, signal) : undefined;
    way?.catch(() => undefined);
    await probe(this.#options.tools, this.#options.host, signal);
    await this.#lock.acquire();
    this.#releases.push(() => this.#lock.release());
    const flows = await openFlows();
    this.#releases.push(() => {
      flows.close();
      return Promise.resolve();
    });
    this.#conntrack.open(flows);
    await this.#sysctls.recover();
    this.#sysctls.refuseUnmanaged((await planSystem(this.#sysctls, needs)).lacking);
    if (way !== undefined) await this.#openQueue(await way);
    const { config, log } = this.#options;
    this.#longestFastMs = await findFastPath(config.fastpath, { nft: this.#nft, sysctls: this.#sysctls, log });
    this.#needs = needs;
  }

  async commit(): Promise<void> {
    const needs = this.#started();
    try {
      await this.#transactor.begin(() => this.#takeTable(needs));
    } catch (error) {
      const failures = await runAll(this.#restores.splice(0).reverse());
      throw collected([error, ...failures], "") as Error;
    }
    await this.#startWatch();
    await this.#followDevices();
  }

  /** Never fails: without it, packets take the longer way. */
  async #followDevices(): Promise<void> {
    const { log } = this.#options;
    const isForwarding = this.#needs?.forwardIPv4 === true || this.#needs?.forwardIPv6 === true;
    if (this.#longestFastMs === undefined || !isForwarding || this.#state !== "started") return;
    await this.#fastDevices.follow(this.#reader).catch((error: unknown) => {
      // somebody is changing nftables: the next time, soon, will do
      if (hasCode(error, "RULESET_CHANGED")) return;
      log.warn("could not find out which interfaces have the fast path; trying again", { error: messageOf(error) });
    });
  }

  /** Without it, verify() still finds out whether there is a table at all. */
  async #startWatch(): Promise<void> {
    const { clock, config, log } = this.#options;
    let reader: RulesetReader;
    try {
      reader = await openRuleset();
    } catch (error) {
      log.warn("what others change in the table will not be noticed, unless they remove all of it", { error: messageOf(error) });
      return;
    }
    for (const each of [this.#generation, this.#states, this.#traffic, this.#direct]) each.open(reader);
    const watch = new TableWatch({
      table: config.table,
      whole: this.#whole,
      nft: this.#nft,
      transactor: this.#transactor,
      generation: this.#generation,
      traffic: this.#traffic,
      reader,
      queueRules: () => this.#queueRules,
      forgetGone: () => this.#fastDevices.forgetGone(),
      clock,
      log,
    });
    this.#releases.push(async () => {
      await watch.stop();
      reader.close();
    });
    // closed meanwhile
    if (this.#state !== "started") return;
    this.#watch = watch;
    this.#reader = reader;
    watch.start();
  }

  async #takeTable(needs: Needs): Promise<void> {
    const { table, marks } = this.#options.config;
    await this.#sysctls.restore((key) => !isNeeded(key, needs));
    const plan = await planSystem(this.#sysctls, needs);
    const fast = this.#longestFastMs === undefined ? {} : { fastPath: [] };
    const guards = { loopbackGuard: needs.routeLocalnet, forwardGuard: plan.forwarded };
    this.#whole.spec = { table, marks, queue: this.#way, ...guards, ...fast };
    await this.#addQueueRules();
    await this.#nft.ensure(this.#whole.text(), `create the table "inet ${table}"`).catch((error: unknown) => {
      if (isOutcomeUnknown(error)) this.#restores.push(() => this.#nft.deleteTable(table));
      throw error;
    });
    // the guards are in force before the settings that need them, and until those are put back
    this.#restores.push(() => this.#nft.deleteTable(table));
    this.#restores.push(() => this.#sysctls.restore());
    this.#countedSince = this.#options.clock.now();
    this.#queue.begin();
    await applySystem(this.#sysctls, plan);
  }

  async adapt(needs: Needs): Promise<void> {
    const before = this.#started();
    const after: Needs = {
      routeLocalnet: before.routeLocalnet || needs.routeLocalnet,
      forwardIPv4: before.forwardIPv4 || needs.forwardIPv4,
      forwardIPv6: before.forwardIPv6 || needs.forwardIPv6,
      hold: before.hold || needs.hold,
    };
    if (isDeepStrictEqual(before, after)) return;
    const plan = await planSystem(this.#sysctls, after);
    this.#sysctls.refuseUnmanaged(plan.lacking);
    if (after.hold && !before.hold) {
      // an attempt that failed later on has left it open
      if (this.#way.way === "none") await this.#openQueue(await findQueueWay(this.#queueOptions));
      this.#queue.begin();
      await this.#addQueueRules();
    }
    await this.#restructure({ queue: this.#way, loopbackGuard: after.routeLocalnet }, plan);
    this.#needs = after;
  }

  /** Brings the chains to what is needed by now, and then the settings that they guard. */
  async #restructure(change: Partial<TableSpec>, plan: SystemPlan): Promise<void> {
    const { spec } = this.#whole;
    if (spec === undefined) return;
    const guarded = [...new Set([...spec.forwardGuard, ...plan.forwarded])];
    const after = { ...spec, ...change, forwardGuard: guarded };
    const lines = restructureLines(spec, after);
    if (lines.length > 0) {
      // interfaces may have come meanwhile
      const become = (next: TableSpec): void => {
        const fastPath = this.#whole.spec?.fastPath;
        this.#whole.spec = fastPath === undefined ? next : { ...next, fastPath };
      };
      const undo = (): void => {
        become(spec);
      };
      await this.#transactor.submit(() => {
        become(after);
        return { lines, undo };
      }, "change the chains of its table");
    }
    await applySystem(this.#sysctls, plan);
  }

  /** A transaction found something missing that somebody else had removed; `lines` are that transaction's. */
  async #repair(lines: readonly string[], why: "missing" | "in doubt"): Promise<void> {
    if (this.#watch !== undefined) {
      await this.#watch.repair(lines, why);
      return;
    }
    const { table } = this.#options.config;
    await this.#fastDevices.forgetGone();
    await this.#traffic.remaking();
    await this.#nft.apply(this.#whole.text(), `make the table "inet ${table}" again`);
    await this.#queueRules?.add();
    this.#options.log.warn("somebody else had removed the table, or something of it; made it again", { table });
  }

  async verify(): Promise<void> {
    this.#started();
    this.#queue.check();
    this.#queue.reportOverflows();
    if (this.#watch === undefined) {
      // nothing to add, unless there is no table to add it to
      const line = `add chain inet ${this.#options.config.table} to_queue`;
      await this.#transactor.submit(() => ({ lines: [line], undo: () => undefined }), "look after its table");
    } else await this.#watch.look();
    await this.#followDevices();
    const looks = this.#looks++;
    if (this.#watch === undefined || (this.#queueRules?.legacy === true && looks % LEGACY_LOOKS === 0))
      await this.#queueRules?.add();
    await this.#verifySystem();
  }

  /** Another daemon that ended, or somebody, may have put back a setting that is still needed. */
  async #verifySystem(): Promise<void> {
    const { log, config } = this.#options;
    if (this.#needs === undefined || this.#whole.spec === undefined) return;
    const plan = await planSystem(this.#sysctls, this.#needs);
    if (plan.lacking.length === 0) return;
    log.warn("somebody else changed settings that are needed", { sysctls: plan.lacking.map(({ key }) => key).join(" ") });
    if (!config.manageSysctls) return;
    // with the guard first, as at the start
    await this.#restructure({}, plan);
  }

  async #openQueue(way: QueueWay): Promise<void> {
    const path = await openQueuePath(way, this.#queueOptions, this.#queue, this.#options.log);
    this.#releases.push(() => {
      this.#queue.close();
      return Promise.resolve();
    });
    this.#way = path.way;
    this.#queueRules = path.rules;
  }

  async #addQueueRules(): Promise<void> {
    const rules = this.#queueRules;
    if (rules === undefined) return;
    this.#restores.push(() => rules.remove());
    await rules.add();
  }

  onTransaction(listener: TransactionListener): void {
    this.#transactions.listener = listener;
  }

  async eachFlow(visit: (flow: Flow) => void): Promise<void> {
    this.#started();
    await this.#conntrack.eachFlow(
      [...this.#groups].flatMap((group) => group.flowEndpoints()),
      visit,
    );
  }

  async traffic(): Promise<Traffic> {
    this.#started();
    // before, nothing has been counted
    return this.#countedSince === undefined ? this.#traffic.last() : this.#traffic.read();
  }

  createGroup(spec: GroupSpec): Group {
    this.#started();
    this.#share ??= {
      table: this.#options.config.table,
      claims: this.#claims,
      states: this.#states,
      conntrack: this.#conntrack,
      transactor: this.#transactor,
      content: this.#whole.content,
      queue: this.#queue,
      gateCounters: this.#gateCounters,
      endpointCounters: this.#endpointCounters,
      longestFastMs: this.#longestFastMs,
      countedForMs: () => this.#options.clock.now() - (this.#countedSince ?? this.#options.clock.now()),
      forget: (group) => this.#groups.delete(group),
    };
    const group = new NftGroup(spec, this.#share);
    this.#groups.add(group);
    void group.open();
    return group;
  }

  #started(): Needs {
    if (this.#state !== "started" || this.#needs === undefined)
      throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    return this.#needs;
  }

  close(how: Ending = "stop"): Promise<void> {
    this.#closing ??= this.#release(how === "keep" ? this.#releases : [...this.#releases, ...this.#restores]);
    return this.#closing;
  }

  async #release(releases: readonly (() => Promise<void>)[]): Promise<void> {
    this.#state = "closed";
    // it would put right what is being removed
    await this.#watch?.stop();
    this.#transactor.abandon(new Fault("DATAPLANE_CLOSED", "the dataplane is closed"));
    const failures = await runAll([...releases].reverse());
    if (failures.length > 0) throw collected(failures, "the dataplane could not be closed cleanly") as Error;
  }
}
