import fc from "fast-check";
import { expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import type { TargetHandler } from "./handler.ts";
import { openTarget, TARGET_CONFIG } from "./open-target.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const LISTEN = parseAddrPort("192.0.2.1:80");

/** A service that is up or not, which a handler must not start twice nor stop when it is not there; each step may fail. */
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

  close(): Promise<void> {
    this.#enter("close");
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
  slow: fc.record({ do: fc.constant("slow" as const), startMs: fc.nat(3000), stopMs: fc.nat(3000) }),
  failing: fc.constantFrom({ do: "failWarm" } as const, { do: "failDrain" } as const, { do: "failKernel" } as const),
  wait: fc.record({ do: fc.constant("wait" as const), ms: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(120_000)) }),
  close: fc.constant({ do: "close" } as const),
};
const SEQUENCE = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: STEPS.packet },
    { weight: 6, arbitrary: STEPS.wait },
    ...[STEPS.traffic, STEPS.hangUp, STEPS.warm, STEPS.drain, STEPS.crash].map((arbitrary) => ({ weight: 2, arbitrary })),
    ...[STEPS.want, STEPS.unwant, STEPS.slow, STEPS.failing].map((arbitrary) => ({ weight: 1, arbitrary })),
  ),
  { minLength: 10, maxLength: 60, size: "max" },
);

/** One run: whatever happens in whichever order, then quiet, then the end. */
async function run(steps: readonly (typeof SEQUENCE extends fc.Arbitrary<(infer S)[]> ? S : never)[]): Promise<void> {
  const clock = new FakeClock();
  const log = collectingLog();
  const dataplane = new FakeDataplane(clock, log);
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
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
      name: "front",
      protocol: "tcp",
      routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
      flowTimeoutMs: 10_000,
      masquerade: "auto",
      whenCold: "hold",
      hold: { timeoutMs: 30_000, maxFlows: 1024 },
      gates: { allow: [], deny: [], ignore: [] },
      onHeld: () => {
        target.refuseWhileWaiting();
        target.signal({ reason: "first packet" });
      },
    })
    .enable();
  let waiting = 0;
  /** Clients that were sent to a service that was not there. */
  let lost = 0;
  const connect = async (): Promise<string | undefined> => {
    const answer = await dataplane.connect("tcp", LISTEN);
    if (answer !== undefined && !service.up) lost++;
    return answer;
  };
  const releases: (() => void)[] = [];
  const ignored = (): undefined => undefined;
  for (const step of steps) {
    switch (step.do) {
      case "packet":
        waiting++;
        void connect().then(() => waiting--);
        break;
      case "traffic":
        dataplane.traffic("backend");
        break;
      case "hangUp":
        dataplane.hangUp("backend");
        break;
      case "warm":
        target.warm({ reason: "asked" }).catch(ignored);
        break;
      case "drain":
        target.drain("asked", step.force).catch(ignored);
        break;
      case "crash":
        service.crash();
        break;
      case "want":
        releases.push(target.wants.add("always"));
        break;
      case "unwant":
        releases.pop()?.();
        break;
      case "slow":
        ({ startMs: service.startMs, stopMs: service.stopMs } = step);
        break;
      case "failWarm":
        service.nextWarmFails = true;
        break;
      case "failDrain":
        service.nextDrainFails = true;
        break;
      case "failKernel":
        dataplane.nextFailure = new Fault("NFT_FAILED", "nft failed");
        break;
      case "wait":
        await clock.advance(step.ms);
        break;
    }
    await settle();
  }
  for (const release of releases) release();
  dataplane.nextFailure = undefined;
  dataplane.hangUp("backend");
  await clock.advance(200_000);
  // nobody uses it any more: it is stopped, and every client has had its answer
  expect(target.state).toBe("inactive");
  expect([service.up, waiting]).toEqual([false, 0]);
  // and whatever came before, the next client is served
  service.nextWarmFails = false;
  service.startMs = 100;
  // while the kernel refuses to be told that the service is gone, clients go there; never otherwise
  if (!steps.some((step) => step.do === "failKernel")) expect(lost).toBe(0);
  lost = 0;
  const next = connect();
  await clock.advance(100);
  await settle();
  expect([await next, lost]).toEqual(["127.0.0.1:8080", 0]);
  dataplane.nextFailure = undefined;
  service.nextDrainFails = false;
  const closed = target.close();
  await clock.advance(10_000);
  await closed;
  expect(target.state).toBe("closed");
  expect(service.wrongs).toEqual([]);
  expect([service.up, service.closed, clock.sleeping]).toEqual([false, true, 0]);
  expect(log.messages("error").filter((message) => message.includes("STATE_ILLEGAL"))).toEqual([]);
}

it("whatever happens in whichever order: nothing is started twice, no client waits for ever, and the next one is served", async () => {
  await fc.assert(fc.asyncProperty(SEQUENCE, run), { numRuns: 2000 });
}, 120_000);
