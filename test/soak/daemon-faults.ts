/** What becomes of the daemon itself. */
import { writeFile } from "node:fs/promises";
import { Method } from "../../pkg/ctl/method.ts";
import { BROKEN, type Fault, LATE } from "./fault.ts";
import type { Explanation } from "./ledger.ts";

/**
 * With no daemon there, packets for stopped services are dropped: TCP sends them again, datagrams are lost. Its page is not served.
 * Nobody whose target is active notices anything.
 */
const AWAY: readonly Explanation[] = [
  { results: ["late"], cold: true },
  { results: ["timeout"], protocol: "udp", cold: true },
  { results: ["refused", "reset", "eof"], pages: true, cold: true },
];

export const DAEMON_FAULTS: readonly Fault[] = [
  {
    name: "reload",
    group: "configuration",
    explains: [],
    complaints: [],
    run: (stage) => stage.reload(),
  },
  {
    name: "reload of another command",
    group: "configuration",
    // its service is stopped with its flows, and new ones wait
    explains: [{ results: ["reset", "eof"] }, { results: ["timeout", "refused"], protocol: "udp" }],
    complaints: [],
    run: async (stage, concerns) => {
      const target = stage.random.pick(stage.scenario.commands);
      concerns(target);
      await stage.reload(target);
    },
  },
  {
    name: "reload of a broken file",
    group: "configuration",
    explains: [],
    complaints: [/the configuration was not reloaded/],
    run: async (stage) => {
      await writeFile(stage.daemon.configFile, "version: v1\ntargets: [{ name: 1 }]\n");
      const answer = await stage
        .ask(Method.reloadRequest)
        .then(
          () => "taken over",
          (error: unknown) => String(error),
        )
        .finally(() => stage.configure());
      if (!answer.includes("targets[0]")) throw new Error(`a broken file was not refused: ${answer}`);
    },
  },
  {
    name: "SIGHUP",
    group: "configuration",
    explains: [],
    complaints: [],
    run: async (stage) => {
      stage.daemon.signal("SIGHUP");
      await stage.pause(0.5);
    },
  },
  {
    name: "SIGKILL and start",
    group: "alone",
    endsDaemon: true,
    explains: AWAY,
    complaints: [],
    run: async (stage) => {
      await stage.daemon.stop("SIGKILL");
      await stage.pause(stage.random.between(0, 1));
      await stage.daemon.restart();
    },
  },
  {
    name: "stop with on_shutdown: keep, and start",
    group: "alone",
    endsDaemon: true,
    explains: AWAY,
    complaints: [],
    run: async (stage) => {
      await stage.configure("keep");
      await stage.takeOver();
      const status = await stage.daemon.stop();
      if (status !== 0) throw new Error(`the daemon ended with ${String(status)}`);
      await stage.pause(stage.random.between(0, 1));
      await stage.configure();
      await stage.daemon.restart();
    },
  },
  {
    name: "stop and start",
    group: "alone",
    endsDaemon: true,
    explains: [BROKEN],
    complaints: [],
    run: async (stage) => {
      const status = await stage.daemon.stop();
      if (status !== 0) throw new Error(`the daemon ended with ${String(status)}`);
      const ruleset = await stage.gateway("nft list ruleset");
      if (ruleset !== "") throw new Error(`a stopped daemon left ${ruleset}`);
      const left = await stage.topology.processes("gateway", "service.py");
      if (left.length > 0) throw new Error(`a stopped daemon left processes ${left.join()}`);
      await stage.daemon.restart();
    },
  },
  {
    name: "SIGSTOP for 2 s",
    group: "alone",
    // pages are the daemon's own to serve
    explains: [LATE],
    complaints: [],
    run: async (stage) => {
      stage.daemon.signal("SIGSTOP");
      await stage.pause(2);
      stage.daemon.signal("SIGCONT");
    },
  },
  {
    name: "10 control clients at once, and junk",
    group: "system",
    explains: [],
    complaints: [],
    run: async (stage) => {
      const socket = `${stage.daemon.directory}/ctl.sock`;
      const asking = Array.from({ length: 10 }, () => stage.ask(Method.statusRequest));
      const junk = stage.gateway(
        `for n in 1 2 3 4 5; do head -c 20000 /dev/urandom | nc -U -N -w 2 ${socket} >/dev/null || :; done`,
      );
      await Promise.all([...asking, junk]);
    },
  },
  {
    name: "control socket removed",
    group: "alone",
    explains: [],
    complaints: [/control socket/],
    run: async (stage) => {
      const socket = `${stage.daemon.directory}/ctl.sock`;
      await stage.gateway(`rm ${socket}`);
      await stage.repaired("the control socket", `[ -S ${socket} ]`, 8000);
      await stage.daemon.status();
    },
  },
];
