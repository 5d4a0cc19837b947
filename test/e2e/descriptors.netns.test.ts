/** What commands inherit of the daemon: nothing but their own three descriptors. */
import { connect } from "node:net";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { GATEWAY, Topology } from "./topology.ts";

const SELF = join(import.meta.dirname, "self.pl");
const TARGETS = ["held", "asked", "probed", "later"] as const;

describe("descriptors", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, {});
    await daemon.configure({
      targets: TARGETS.map((name, at) => ({
        name,
        kind: "static:cmd",
        endpoints: [{ name: "main", protocol: "tcp", address: `127.0.0.1:${String(8080 + at)}` }],
        options: { command: `exec perl ${SELF} 127.0.0.1:${String(8080 + at)}` },
        ...(name === "probed"
          ? {
              ready: {
                probe: "command",
                command: `perl -e '${PROBE}' ${daemon.directory}/probe && ss -Hlnt src 127.0.0.1:${String(8080 + at)} | grep -q .`,
              },
            }
          : {}),
      })),
      frontends: [
        ...TARGETS.map((name, at) => ({
          name,
          kind: "static:on-demand",
          listen: `0.0.0.0:${String(9080 + at)}`,
          target: `${name}:main`,
        })),
        { name: "page", kind: "static:http", listen: "0.0.0.0:80", target: "later:main", options: { content: "wait" } },
      ],
    });
    // with one that a shell had open
    daemon.through = ["sh", "-c", 'exec 7</dev/null; exec "$@"', "sh"];
    await daemon.restart();
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  /** What the service of a target has open; wakes it if need be. */
  async function descriptors(name: (typeof TARGETS)[number]): Promise<string[]> {
    const port = String(9080 + TARGETS.indexOf(name));
    const { stdout } = await topology.run("client", "curl", "-s", "--max-time", String(paced(8)), `http://${GATEWAY}:${port}/`);
    return stdout.split("\n").filter((line) => line.startsWith("fd "));
  }

  function own(name: string): string[] {
    const output = join(daemon.directory, "run/targets", name, "output");
    return ["fd 0 /dev/null", `fd 1 ${output}`, `fd 2 ${output}`];
  }

  it("of the daemon are not seen by its commands: queue, control connections, log, tools, other commands", async () => {
    const clients = [1, 2, 3].map(() => connect(join(daemon.directory, "ctl.sock")));
    try {
      // several at once, while nft runs and the queue is read
      const [held] = await Promise.all([descriptors("held"), daemon.ask(8, { name: "asked" })]);
      expect(held).toEqual(own("held"));
      expect(await descriptors("asked")).toEqual(own("asked"));
      // the log anew, a page being served, other services running
      await rename(join(daemon.directory, "log"), join(daemon.directory, "log.1"));
      daemon.signal("SIGHUP");
      await until("the log is open again", async () => (await daemon.log()).length > 0);
      await topology.run("client", "curl", "-s", `http://${GATEWAY}:80/`);
      await until("the page has woken it", async () => (await daemon.targetState("later")) === "active");
      expect(await descriptors("later")).toEqual(own("later"));
      expect(await descriptors("probed")).toEqual(own("probed"));
      const probe = await topology.shell("gateway", `cat ${daemon.directory}/probe`);
      expect(probe.trim().split(" ")).toEqual(["0", "1", "2"]);
    } finally {
      for (const client of clients) client.destroy();
    }
  });

  it("of a daemon that took commands over are not seen by those that it starts", async () => {
    expect(await descriptors("held")).toEqual(own("held"));
    await until("it is active", async () => (await daemon.targetState("held")) === "active");
    await daemon.stop("SIGKILL");
    await daemon.restart();
    expect(await descriptors("asked")).toEqual(own("asked"));
    expect(await descriptors("held")).toEqual(own("held"));
  });
});

/** Writes to a file which descriptors it has, without using one of its own for that. */
const PROBE = 'my @f = grep { defined readlink "/proc/$$/fd/$_" } 0 .. 255; open my $o, ">", $ARGV[0]; print $o "@f\\n"';
