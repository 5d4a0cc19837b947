/** A daemon with many targets, random clients and random faults; and what has to be true of it at the end. */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { Daemon, until } from "../e2e/daemon.ts";
import { FaultyTools } from "../e2e/faulty-tools.ts";
import { PYTHON } from "../e2e/on-demand.ts";
import { Topology } from "../e2e/topology.ts";
import { Crowd } from "./crowd.ts";
import type { Fault } from "./fault.ts";
import { FAULTS } from "./faults.ts";
import { cutUnlimited } from "./flows.ts";
import { Health } from "./health.ts";
import { Journal } from "./journal.ts";
import { Ledger, type Problem } from "./ledger.ts";
import { progressLine, summary } from "./report.ts";
import { Random } from "./random.ts";
import { atEnd } from "./at-end.ts";
import { DENIED, IGNORED, Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";

interface SoakOptions {
  readonly seed: number;
  /** Of traffic; undefined: until each fault has been there once, one after another. */
  readonly seconds?: number;
  /** Names of the only faults that there are to be. */
  readonly only?: readonly string[];
  readonly print: (line: string) => void;
}

export interface Verdict {
  readonly problems: readonly Problem[];
  readonly summary: readonly string[];
  /** Where log, outcomes and faults are; undefined when all is well. */
  readonly artefacts: string | undefined;
}

const PROGRESS_S = 10;
/** Of traffic, until everybody must have been served. */
const LEAST_SECONDS = 60;
/** The longest flow_timeout, or the kernel's for UDP where that was lost, and then all idle_timeouts. */
const QUIET_MS = 240_000;
/** Faults at once. */
const LANES = 2;
const DISK = "size=64m";
const CLIENT_ADDRESSES = [DENIED, IGNORED].map((address) => `ip addr add ${address}/24 dev eth0`).join("\n");

export class Soak {
  readonly #options: SoakOptions;
  readonly #stage: Stage;
  readonly #journal: Journal;
  readonly #health: Health;
  readonly #ledger: Ledger;
  readonly #directory: string;
  /** Faults that threw, and checks at the end that failed. */
  readonly #problems: Problem[] = [];
  readonly #running = new Set<Fault>();
  #isOver = false;
  /** There is no daemon any more. */
  #isLost = false;

  private constructor(options: SoakOptions, stage: Stage, directory: string) {
    this.#options = options;
    this.#stage = stage;
    this.#directory = directory;
    this.#journal = new Journal(join(stage.daemon.directory, "disk", "log"));
    this.#health = new Health(stage.daemon, directory);
    this.#ledger = new Ledger(stage.scenario.doors, this.#journal);
  }

  /** To be called in a network and mount namespace of its own. */
  static async run(options: SoakOptions): Promise<Verdict> {
    const random = new Random(options.seed);
    const scenario = new Scenario(random);
    const directory = await mkdtemp(join(tmpdir(), "proxygw-soak-"));
    await using topology = await Topology.create();
    await topology.shell("client", CLIENT_ADDRESSES);
    topology.start("backend", PYTHON, scenario.backendArgs);
    await using daemon = await Daemon.prepare(topology, {});
    const disk = join(daemon.directory, "disk");
    await mkdir(disk);
    await execa("mount", ["-t", "tmpfs", "-o", DISK, "disk", disk]);
    await symlink("disk/log", join(daemon.directory, "log"));
    const tools = await FaultyTools.create(daemon.directory);
    daemon.through = [...tools.wrapper, ...Health.environment(directory)];
    const soak = new Soak(options, new Stage({ topology, daemon, tools, scenario, random }), directory);
    try {
      return await soak.#verdict();
    } finally {
      await daemon.stop();
      await execa("umount", ["--lazy", disk]);
    }
  }

  async #verdict(): Promise<Verdict> {
    const { daemon } = this.#stage;
    await this.#stage.configure();
    const before = await this.#stage.gateway("sysctl -a 2>/dev/null | grep -E 'forward|route_localnet' | sort");
    await daemon.restart();
    await this.#untilQuiet();
    const holdings = await this.#health.holdings();
    const begun = Date.now();
    await this.#traffic();
    const seconds = (Date.now() - begun) / 1000;
    if (!this.#isLost) {
      await this.#check("flows keep their flow_timeout", () => this.#limited());
      await this.#check("all comes to rest", () => this.#untilQuiet().then(() => []));
      await this.#check("the daemon is as it was", () => atEnd(this.#stage, this.#health, holdings, before));
    }
    await this.#read();
    this.#problems.push(...this.#doorsWithoutClients(seconds), ...this.#wakesOfTheUnwelcome());
    const problems = [...this.#ledger.problems(), ...this.#problems];
    const artefacts = problems.length === 0 ? undefined : await this.#keep(problems);
    if (artefacts === undefined) await rm(this.#directory, { recursive: true, force: true });
    return { problems, artefacts, summary: summary(seconds, this.#ledger, this.#journal, this.#health.samples, holdings) };
  }

  async #traffic(): Promise<void> {
    const { topology, scenario } = this.#stage;
    const crowd = await Crowd.come(topology, scenario.doors, this.#options.seed, this.#directory);
    const progress = this.#progress(crowd);
    if (this.#options.seconds === undefined) await this.#eachOnce();
    else await Promise.all(Array.from({ length: LANES }, () => this.#lane(Date.now(), this.#options.seconds ?? 0)));
    await crowd.leave();
    this.#isOver = true;
    await progress;
    this.#ledger.take(await crowd.news());
  }

  get #faults(): Fault[] {
    return FAULTS.filter(({ name }) => this.#options.only?.includes(name) ?? true);
  }

  async #eachOnce(): Promise<void> {
    await this.#stage.pause(2);
    for (const fault of this.#faults) {
      if (this.#isLost) return;
      await this.#make(fault);
      await this.#stage.pause(0.7);
    }
    await this.#stage.pause(2);
  }

  /** One fault after another; the daemon is not ended any more in the second half, so that its memory can be compared. */
  async #lane(begun: number, seconds: number): Promise<void> {
    const passed = (): number => (Date.now() - begun) / 1000;
    const { random } = this.#stage;
    while (passed() < seconds - 5 && !this.#isLost) {
      await this.#stage.pause(random.between(0.3, 3));
      const fault = random.pick(this.#faults.filter((each) => each.endsDaemon !== true || passed() < seconds / 2));
      if (!this.#mayRun(fault)) continue;
      await this.#make(fault);
    }
    if (!this.#isLost) await this.#stage.pause(Math.max(0, seconds - passed()));
  }

  #mayRun({ group }: Fault): boolean {
    const groups = [...this.#running].map((each) => each.group);
    return group === "alone" ? groups.length === 0 : !groups.includes("alone") && !groups.includes(group);
  }

  async #make(fault: Fault): Promise<void> {
    const window = this.#ledger.begin(fault, Date.now());
    this.#running.add(fault);
    try {
      await fault.run(this.#stage, (...targets) => {
        window.targets = new Set(targets);
      });
    } catch (error) {
      this.#problems.push({ time: Date.now(), text: `fault "${fault.name}": ${String(error)}` });
      this.#isLost ||= fault.endsDaemon === true;
    } finally {
      this.#running.delete(fault);
      window.to = Date.now();
    }
  }

  async #progress(crowd: Crowd): Promise<void> {
    for (let turn = 1; !this.#isOver; turn++) {
      await this.#stage.pause(1);
      this.#ledger.take(await crowd.news());
      if (turn % PROGRESS_S !== 0) continue;
      await this.#read();
      // it can't answer while it is stopped, or not there
      if (![...this.#running].some(({ group }) => group === "alone")) await this.#health.sample().catch(() => undefined);
      const problems = [...this.#ledger.problems(), ...this.#problems];
      const faults = [...this.#running].map(({ name }) => name);
      this.#options.print(progressLine(turn, this.#ledger, this.#journal, this.#health.samples, problems, faults));
    }
  }

  async #read(): Promise<void> {
    await this.#journal.read();
  }

  /** Nothing runs that nobody wants. */
  async #untilQuiet(): Promise<void> {
    const { daemon, scenario } = this.#stage;
    await until(
      "only what is wanted is active",
      async () => {
        const { targets } = await daemon.status();
        return targets.every(({ name, state }) => state === (scenario.wanted.includes(name) ? "active" : "inactive"));
      },
      QUIET_MS,
    );
  }

  async #check(what: string, check: () => Promise<readonly string[]>): Promise<void> {
    const found = await check().catch((error: unknown) => [String(error)]);
    for (const text of found) this.#problems.push({ time: Date.now(), text: `${what}: ${text}` });
  }

  /** Flows that nothing limits, if that is not a fault's doing. */
  async #limited(): Promise<string[]> {
    const unlimited = await cutUnlimited(this.#stage);
    if (unlimited.length === 0) return [];
    this.#options.print(`${String(unlimited.length)} dead connections would have been kept for days, their flow_timeout lost`);
    return this.#ledger.windows.some(({ kind }) => kind.losesTimeouts === true) ? [] : unlimited;
  }

  #doorsWithoutClients(seconds: number): Problem[] {
    // it takes a minute until each has had its turn
    if (seconds < LEAST_SECONDS) return [];
    const barred = this.#stage.scenario.doors.filter(
      ({ name, normal }) => normal.length === 0 && !this.#ledger.perDoor.has(name),
    );
    return barred.map(({ name }) => ({ time: Date.now(), text: `nobody was ever served at the door ${name}` }));
  }

  #wakesOfTheUnwelcome(): Problem[] {
    const found = [DENIED, IGNORED].filter((address) => this.#journal.wakers.has(address));
    return found.map((address) => ({ time: Date.now(), text: `a packet from ${address} has woken something` }));
  }

  /** Everything that tells how it came to this. */
  async #keep(problems: readonly Problem[]): Promise<string> {
    const { daemon } = this.#stage;
    await cp(join(daemon.directory, "disk", "log"), join(this.#directory, "daemon.log"));
    await cp(daemon.configFile, join(this.#directory, "proxygw.yaml"));
    const faults = this.#ledger.windows.map(({ kind: { name }, from, to, targets }) => {
      const concerned = targets === undefined ? undefined : [...targets];
      return JSON.stringify({ name, from: new Date(from), to: to === undefined ? undefined : new Date(to), targets: concerned });
    });
    await writeFile(join(this.#directory, "faults.jsonl"), `${faults.join("\n")}\n`);
    await writeFile(join(this.#directory, "problems.json"), JSON.stringify(problems, undefined, 1));
    return this.#directory;
  }
}
