/** Examples of game servers, over TCP and UDP. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { paced } from "../../pace.ts";
import { datagrams } from "../clients.ts";
import { PYTHON } from "../on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "../topology.ts";
import { Example } from "./example.ts";

const here = (name: string): string => join(import.meta.dirname, name);
/** In the block that the example ignores. */
const LIST = "198.51.100.7";

describe("the example minecraft", () => {
  const machine = `
    install -d -o minecraft /srv/minecraft /srv/minecraft/logs
    printf 'server-ip=127.0.0.1\\nserver-port=25575\\n' >/srv/minecraft/server.properties
    : >/srv/minecraft/server.jar
    # what an earlier run has left
    echo 'Done (9.9s)! For help, type "help"' >/srv/minecraft/logs/latest.log
    chown minecraft /srv/minecraft/logs/latest.log`;

  const ping = async (topology: Topology, source: string): Promise<string> =>
    (await topology.run("client", PYTHON, here("status-ping.py"), GATEWAY, "25565", source)).stdout;

  it("is woken by a player's ping, not by a server list, is ready when its world is, and saves it at the stop", async () => {
    await using topology = await Topology.create();
    await topology.shell("client", `ip addr add ${LIST}/32 dev lo`);
    await topology.shell("gateway", `ip route add ${LIST} via ${CLIENT}`);
    const files = { "bin/java": await readFile(here("minecraft.py"), "utf8") };
    await using gateway = await Example.start(topology, "minecraft", { machine, files });
    expect(await ping(topology, LIST)).toBe("refused");
    expect((await gateway.target()).state).toBe("inactive");

    const begun = performance.now();
    expect(JSON.parse(await ping(topology, CLIENT))).toEqual({ description: { text: "awake" }, client: CLIENT });
    await gateway.becomes("active");
    // its world takes 1.5 s, though its port is open before
    expect((await gateway.target()).last_wake?.took_ms).toBeGreaterThan(1500);
    expect(performance.now() - begun).toBeLessThan(paced(15_000));
    expect(JSON.parse(await ping(topology, LIST))).toMatchObject({ client: LIST });

    await gateway.drain();
    expect((await gateway.exec("cat", "/srv/minecraft/world.saved")).stdout).toBe("saved");
    expect(await gateway.log()).not.toContain("is killed");
  });

  it("lets one address wake it three times in a row, and then no more", async () => {
    await using topology = await Topology.create();
    const files = { "bin/java": await readFile(here("minecraft.py"), "utf8") };
    await using gateway = await Example.start(topology, "minecraft", { machine, files });
    for (let wake = 0; wake < 3; wake++) {
      expect(await ping(topology, CLIENT)).toContain("awake");
      await gateway.becomes("active");
      await gateway.drain();
    }
    expect(await ping(topology, CLIENT)).toBe("refused");
    expect((await gateway.target()).state).toBe("inactive");
  });
});

describe("the example udp-game", () => {
  it("gets the datagrams that came while it started, from the player's own address", async () => {
    await using topology = await Topology.create();
    const machine = `
      install -d -o game /srv/game
      cp "$DIR/quick.py" /srv/game
      cp "$DIR/bin/server" /srv/game`;
    const files = {
      "quick.py": await readFile(here("../quick.py"), "utf8"),
      // opens its port after a second
      "bin/server": `#!/bin/sh\n[ "$1 $3" = "-ip -port" ] && exec python3 -IS quick.py udp "$2" "$4" 1\n`,
    };
    await using gateway = await Example.start(topology, "udp-game", { machine, files });
    const answers = await datagrams(topology, "client", GATEWAY, 27015, 5);
    expect(answers).toHaveLength(5);
    for (const answer of answers) expect(answer).toContain(CLIENT);
    await gateway.becomes("active");
    expect((await gateway.target()).last_wake?.took_ms).toBeGreaterThan(1000);
    const drain = await gateway.control("drain", "game");
    // UDP says no goodbye: the flow is alive until flow_timeout
    expect(drain.exitCode).toBe(1);
    expect((await gateway.control("drain", "game", "--force")).exitCode).toBe(0);
    expect(await topology.processes("gateway", "quick.py")).toEqual([]);
  });
});
