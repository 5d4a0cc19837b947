import assert from "node:assert/strict";
import fc from "fast-check";
import { LISTEN, MAPPING, NO_NEEDS } from "../../test/fixture/target.ts";
import { fuzzAsync } from "../../test/fuzz/fuzz.ts";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault, hasCode } from "../fault/fault.ts";
import { type CollectingLog, collectingLog } from "../log/collecting-log.ts";
import type { TargetHandler } from "./handler.ts";
import { openTarget, TARGET_CONFIG } from "./open-target.ts";
import type { Target } from "./target.ts";

const HOLDING = { ...MAPPING, flowTimeoutMs: 10_000, whenCold: "hold" } as const;

/**
 * A service that is up or not, which a handler must not start twice nor stop when it is not there; each step may fail. It goes on
 * when its handler lets go of it.
 */
class Service implements TargetHandler {
  up = false;
  closed = false;
  readonly wrongs: string[] = [];
  startMs = 0;
  stopMs = 0;
  nextWarmFails = false;
  nextDrainFails = false;
  died: (reason: Fault) => void = () => undefined;
  readonly #clock: FakeClock;
  #busy = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async warm(signal: AbortSignal): Promise<void> {
    this.#enter("warm");
    if (this.up) this.wrongs.push("started while it runs");
    try {
      await this.#clock.sleep(this.startMs, signal);
      if (this.nextWarmFails) throw new Error("cannot start");
      this.up = true;
    } finally {
      this.nextWarmFails = false;
      this.#busy = false;
    }
  }

  async drain(): Promise<void> {
    this.#enter("drain");
    await this.#clock.sleep(this.stopMs);
    this.#busy = false;
    if (this.nextDrainFails) {
      this.nextDrainFails = false;
      this.up = false;
      throw new Error("had to be killed");
    }
    this.up = false;
  }

  crash(): void {
    if (!this.up) return;
    this.up = false;
    this.died(new Fault("COMMAND_EXITED", "command was killed by SIGSEGV"));
  }

  detach(): Promise<void> {
    return this.#end("detach");
  }

  close(): Promise<void> {
    return this.#end("close");
  }

  #end(what: string): Promise<void> {
    this.#enter(what);
    this.#busy = false;
    this.closed = true;
    return Promise.resolve();
  }

  #enter(what: string): void {
    if (this.#busy) this.wrongs.push(`${what} while something else is under way`);
    if (this.closed) this.wrongs.push(`${what} after close`);
    this.#busy = true;
  }
}

const STEPS = {
  packet: fc.constant({ do: "packet" } as const),
  traffic: fc.constant({ do: "traffic" } as const),
  hangUp: fc.constant({ do: "hangUp" } as const),
  warm: fc.constant({ do: "warm" } as const),
  drain: fc.record({ do: fc.constant("drain" as const), force: fc.boolean() }),
  crash: fc.constant({ do: "crash" } as const),
  want: fc.constant({ do: "want" } as const),
  unwant: fc.constant({ do: "unwant" } as const),
  reload: fc.record({
    do: fc.constant("reload" as const),
    idleTimeoutMs: fc.integer({ min: 500, max: 50_000 }),
  }),
  slow: fc.record({ do: fc.constant("slow" as const), startMs: fc.nat(3000), stopMs: fc.nat(3000) }),
  failing: fc.constantFrom({ do: "failWarm" } as const, { do: "failDrain" } as const, { do: "failKernel" } as const),
  wait: fc.record({ do: fc.constant("wait" as const), ms: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(120_000)) }),
};
const STEP = fc.oneof(
  { weight: 6, arbitrary: STEPS.packet },
  { weight: 6, arbitrary: STEPS.wait },
  ...[STEPS.traffic, STEPS.hangUp, STEPS.warm, STEPS.drain, STEPS.crash].map((arbitrary) => ({ weight: 2, arbitrary })),
  ...[STEPS.want, STEPS.unwant, STEPS.reload, STEPS.slow, STEPS.failing].map((arbitrary) => ({ weight: 1, arbitrary })),
);
const SEQUENCE = fc.array(STEP, { minLength: 10, maxLength: 60, size: "max" });

type Step = typeof SEQUENCE extends fc.Arbitrary<(infer S)[]> ? S : never;

/** A target between a service and clients, all of them models. */
class World {
  readonly clock: FakeClock;
  readonly log: CollectingLog;
  readonly dataplane: FakeDataplane;
  readonly service: Service;
  readonly target: Target;
  waiting = 0;
  /** Clients that were sent to a service that was not there. */
  lost = 0;
  readonly #releases: (() => void)[] = [];

  private constructor(world: Pick<World, "clock" | "log" | "dataplane" | "service" | "target">) {
    ({ clock: this.clock, log: this.log, dataplane: this.dataplane, service: this.service, target: this.target } = world);
  }

  static async make(): Promise<World> {
    const clock = new FakeClock();
    const log = collectingLog();
    const dataplane = new FakeDataplane(clock, log);
    await dataplane.start(NO_NEEDS);
    const service = new Service(clock);
    await dataplane.commit();
    const target = await openTarget({
      config: { ...TARGET_CONFIG, idleTimeoutMs: 2000 },
      dataplane,
      clock,
      log,
      untilReady: () => (service.up ? Promise.resolve() : Promise.reject(new Error("connection refused"))),
      createHandler: (died) => {
        service.died = died;
        return service;
      },
    });
    await target.group
      .createMapping({
        ...HOLDING,
        onHeld: () => {
          target.refuseWhileWaiting();
          target.signal({ reason: "first packet" });
        },
      })
      .enable();
    return new World({ clock, log, dataplane, service, target });
  }

  async connect(): Promise<string | undefined> {
    const answer = await this.dataplane.connect("tcp", LISTEN);
    if (answer !== undefined && !this.service.up) this.lost++;
    return answer;
  }

  async take(step: Step): Promise<void> {
    const ignored = (): undefined => undefined;
    switch (step.do) {
      case "packet":
        this.waiting++;
        void this.connect().then(() => this.waiting--);
        break;
      case "traffic":
        this.dataplane.use("backend");
        break;
      case "hangUp":
        this.dataplane.hangUp("backend");
        break;
      case "warm":
        this.target.warm({ reason: "asked" }).catch(ignored);
        break;
      case "drain":
        this.target.drain("asked", step.force).catch(ignored);
        break;
      case "crash":
        this.service.crash();
        break;
      case "want":
        this.#releases.push(this.target.wants.add("always"));
        break;
      case "unwant":
        this.#releases.pop()?.();
        break;
      case "reload":
        this.target.update({ ...TARGET_CONFIG, idleTimeoutMs: step.idleTimeoutMs });
        break;
      case "slow":
        ({ startMs: this.service.startMs, stopMs: this.service.stopMs } = step);
        break;
      case "failWarm":
        this.service.nextWarmFails = true;
        break;
      case "failDrain":
        this.service.nextDrainFails = true;
        break;
      case "failKernel":
        this.dataplane.nextFailure = new Fault("NFT_FAILED", "nft failed");
        break;
      case "wait":
        await this.clock.advance(step.ms);
        break;
    }
    await settle();
  }

  /** Nobody wants it any more, nothing fails any more, and the last client has gone. */
  async quieten(): Promise<void> {
    for (const release of this.#releases) release();
    this.dataplane.nextFailure = undefined;
    this.dataplane.hangUp("backend");
    await this.clock.advance(200_000);
  }

  /** `up`: whether the service is to go on. */
  checkClosed(up = false): void {
    assert.equal(this.target.state, "closed");
    assert.deepEqual(this.service.wrongs, []);
    assert.deepEqual([this.service.up, this.service.closed, this.waiting, this.clock.sleeping], [up, true, 0, 0]);
    assert.deepEqual(
      this.log.messages("error").filter((message) => message.includes("STATE_ILLEGAL")),
      [],
    );
  }
}

/** Whatever happens in whichever order, then quiet, then the end. */
async function served(steps: readonly Step[]): Promise<void> {
  const world = await World.make();
  for (const step of steps) await world.take(step);
  await world.quieten();
  const { target, service, dataplane, clock } = world;
  // nobody uses it any more: it is stopped, and every client has had its answer
  assert.equal(target.state, "inactive");
  assert.deepEqual([service.up, world.waiting], [false, 0]);
  // and whatever came before, the next client is served
  service.nextWarmFails = false;
  service.startMs = 100;
  // while the kernel refuses to be told that the service is gone, clients go there; never otherwise
  if (!steps.some((step) => step.do === "failKernel")) assert.equal(world.lost, 0);
  world.lost = 0;
  const next = world.connect();
  await clock.advance(100);
  await settle();
  assert.deepEqual([await next, world.lost], ["127.0.0.1:8080", 0]);
  dataplane.nextFailure = undefined;
  service.nextDrainFails = false;
  const closed = target.close();
  await clock.advance(10_000);
  await closed;
  world.checkClosed();
}

/** Closed with something under way; what is asked for afterwards comes too late. */
async function closedAmidst([before, after]: readonly [readonly Step[], readonly Step[]]): Promise<void> {
  const world = await World.make();
  for (const step of before) await world.take(step);
  // what fails of it is told, and it is closed all the same
  const closed = world.target.close().catch(() => undefined);
  for (const step of after) await world.take(step);
  await world.quieten();
  await closed;
  assert.equal(hasCode(await world.target.warm({ reason: "too late" }).catch((error: unknown) => error), "TARGET_CLOSED"), true);
  world.checkClosed();
}

/** Closed as `on_shutdown: keep` has it: a service that clients can reach goes on, and they still reach it. */
async function keptAmidst(steps: readonly Step[]): Promise<void> {
  const world = await World.make();
  for (const step of steps) await world.take(step);
  const { target, service, dataplane, clock } = world;
  service.nextDrainFails = false;
  dataplane.nextFailure = undefined;
  const isReached = target.state === "active" && service.up;
  const closed = target.close("keep");
  // as long as anybody is held
  await clock.advance(30_000);
  await closed;
  if (isReached) assert.deepEqual([service.up, dataplane.send("tcp", LISTEN)], [true, "127.0.0.1:8080"]);
  world.checkClosed(service.up);
}

/** Made anew: whoever is held by then waits, and is served by the next one. */
async function madeAnew(steps: readonly Step[]): Promise<void> {
  const world = await World.make();
  for (const step of steps) if (step.do !== "failKernel") await world.take(step);
  const { target, service, dataplane, clock, log } = world;
  service.nextDrainFails = false;
  const heldBefore = target.group.held;
  const retired = target.retire("its configuration changed");
  await clock.advance(10_000);
  await retired;
  const { held } = target.group;
  assert.deepEqual([service.up, held], [false, heldBefore]);
  const successor = new Service(clock);
  const next = await openTarget({ config: target.config, dataplane, clock, log, createHandler: () => successor });
  const left = [...dataplane.groups].flatMap((group) => group.taking()).map((mapping) => mapping.close());
  const onHeld = (): void => {
    next.signal({ reason: "first packet" });
  };
  await Promise.all([...left, next.group.createMapping({ ...HOLDING, onHeld }).enable()]);
  await clock.advance(10);
  assert.deepEqual([world.waiting, next.state], [0, held > 0 ? "active" : "inactive"]);
  const closed = Promise.all([target.close(), next.close()]);
  await clock.advance(10_000);
  await closed;
  world.checkClosed();
  assert.deepEqual([successor.up, successor.wrongs, dataplane.groups.size], [false, [], 0]);
}

const CLOSING = fc.tuple(SEQUENCE, fc.array(STEP, { maxLength: 20 }));

fuzzAsync(
  "whatever happens in whichever order: nothing is started twice, no client waits for ever, and the next one is served",
  SEQUENCE,
  served,
  { share: 0.04 },
);

fuzzAsync("closed in the middle of anything: the service ends, nothing starts again, and nobody waits", CLOSING, closedAmidst, {
  share: 0.04,
});

fuzzAsync("left running in the middle of anything: whoever can be served is served on", SEQUENCE, keptAmidst, { share: 0.01 });

fuzzAsync("made anew in the middle of anything: whoever is held is served by the next one", SEQUENCE, madeAnew, { share: 0.01 });
