/** What becomes of services and frontends: they die, or somebody asks for them with proxygwctl. */
import { Method } from "../../pkg/ctl/method.ts";
import type { Explanation } from "./ledger.ts";
import type { Fault } from "./fault.ts";

/** Flows are cut, and those under way get no answer. */
const CUT: readonly Explanation[] = [{ results: ["reset", "eof"] }, { results: ["timeout", "refused"], protocol: "udp" }];

export const SERVICE_FAULTS: readonly Fault[] = [
  {
    name: "SIGKILL of a service",
    group: "services",
    failsTargets: true,
    // until its death is noticed, the machine itself refuses
    explains: [{ results: ["refused", "reset", "eof"] }, { results: ["timeout"], protocol: "udp" }],
    complaints: [/killed by SIGKILL/],
    run: async (stage, concerns) => {
      for (let tries = 0; tries < 20; tries++) {
        const target = stage.random.pick(stage.scenario.commands);
        const [pid] = await stage.service(target);
        if (pid === undefined) continue;
        concerns(target);
        process.kill(pid, "SIGKILL");
        await stage.pause(2);
        return;
      }
    },
  },
  {
    name: "warm",
    group: "services",
    explains: [],
    complaints: [],
    run: async (stage, concerns) => {
      const target = stage.random.pick(stage.scenario.commands);
      concerns(target);
      await stage.ask(Method.warmTargetRequest, { name: target });
    },
  },
  {
    name: "drain",
    group: "services",
    explains: [],
    complaints: [],
    run: async (stage) => {
      const target = stage.random.pick(stage.scenario.targets);
      // refused while flows are alive, or if it is wanted
      await stage.ask(Method.drainTargetRequest, { name: target }).catch(() => undefined);
    },
  },
  {
    name: "drain --force",
    group: "services",
    explains: CUT,
    complaints: [],
    run: async (stage, concerns) => {
      const target = stage.random.pick(stage.scenario.targets.filter((each) => !stage.scenario.wanted.includes(each)));
      concerns(target);
      await stage.ask(Method.drainTargetRequest, { name: target, force: true });
    },
  },
  {
    name: "stop and start of a frontend",
    group: "configuration",
    // nobody's address meanwhile; a page's connections are closed
    explains: [{ results: ["refused", "reset", "eof"] }, { results: ["timeout"], protocol: "udp" }],
    complaints: [],
    run: async (stage, concerns) => {
      const target = stage.random.pick(stage.scenario.targets);
      concerns(target);
      await stage.ask(Method.stopFrontendRequest, { name: `front-${target}` });
      await stage.pause(stage.random.between(0, 0.5));
      await stage.ask(Method.startFrontendRequest, { name: `front-${target}` });
    },
  },
];
