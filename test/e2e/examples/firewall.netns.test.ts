/** What the FAQ says of other firewalls on the gateway, of containers, and of fragments. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { datagrams, visit } from "../clients.ts";
import { Daemon, until } from "../daemon.ts";
import { onDemand, onDemandElsewhere, PYTHON, quick, serve } from "../on-demand.ts";
import { BACKEND, CLIENT, GATEWAY, Topology } from "../topology.ts";
import { Example } from "./example.ts";

const FAQ = join(import.meta.dirname, "../../../docs/faq.md");

/** The line of the FAQ that begins so, without its comment. */
async function remedy(beginning: string): Promise<string> {
  const line = (await readFile(FAQ, "utf8")).split("\n").find((each) => each.startsWith(beginning));
  if (line === undefined) throw new Error(`the FAQ has no line that begins with ${beginning}`);
  return line.replace(/ +#.*/, "");
}

const DROP_ALL = `nft -f - <<END
table inet filter {
  chain input { type filter hook input priority 0; policy drop; iif lo accept; ct state established accept; }
  chain forward { type filter hook forward priority 0; policy drop; ct state established accept; }
}
END`;

describe("a firewall on the gateway that drops what it does not know", () => {
  it("lets clients of a service elsewhere through by the FAQ's rule, and not before", async () => {
    await using topology = await Topology.create();
    await serve(topology, "backend", `${BACKEND}:8080`);
    await topology.shell("gateway", DROP_ALL);
    await using daemon = await Daemon.start(topology, onDemandElsewhere([`${BACKEND}:8080`]));
    const blocked = await topology.run("client", "curl", "-s", "--max-time", "2", `http://${GATEWAY}:8088/`);
    expect(blocked.exitCode).toBe(28);
    expect(await daemon.targetState()).toBe("active");
    await topology.shell("gateway", await remedy("nft insert rule inet filter forward"));
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
  });

  it("lets clients of a service on the gateway through by the FAQ's rule, and not before", async () => {
    await using topology = await Topology.create();
    await topology.shell("gateway", DROP_ALL);
    await using daemon = await Daemon.start(topology, onDemand());
    const blocked = await topology.run("client", "curl", "-s", "--max-time", "2", `http://${GATEWAY}:8088/`);
    expect(blocked.exitCode).toBe(28);
    expect(await daemon.targetState()).toBe("active");
    await topology.shell("gateway", await remedy("nft insert rule inet filter input"));
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
  });

  it("that is Docker's lets them through by the FAQ's rule in DOCKER-USER", async () => {
    await using topology = await Topology.create();
    await serve(topology, "backend", `${BACKEND}:8080`);
    // as Docker's engine sets it up, as far as it matters here
    const docker =
      "iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP";
    await topology.shell("gateway", docker);
    await using daemon = await Daemon.start(topology, onDemandElsewhere([`${BACKEND}:8080`]));
    const blocked = await topology.run("client", "curl", "-s", "--max-time", "2", `http://${GATEWAY}:8088/`);
    expect(blocked.exitCode).toBe(28);
    expect(await daemon.targetState()).toBe("active");
    await topology.shell("gateway", await remedy("iptables -I DOCKER-USER"));
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
  });
});

describe("the FAQ's container", () => {
  /** `docker` as far as the command uses it; the container is a process in a session of its own. */
  const docker = `#!/bin/sh
    alive() { kill -0 "$(cat /run/container)" 2>/dev/null; }
    case $1 in
      start) rm -f /run/container; setsid sh -c 'echo $$ >/run/container; ${quick("tcp", "127.0.0.1:18080", 0.3)}' >/dev/null 2>&1 & echo "$2" ;;
      wait) while [ ! -e /run/container ] || alive; do sleep 0.1; done; echo 0 ;;
      stop) kill -INT "$(cat /run/container)"; while alive; do sleep 0.05; done; rm /run/container ;;
    esac`;

  const configuration = async (): Promise<string> =>
    /```yaml\n(version: v1\n(?:(?!```)[^])*docker start(?:(?!```)[^])*)```/.exec(await readFile(FAQ, "utf8"))?.[1] ?? "";
  // proxygwctl needs a socket
  const text = async (): Promise<string> => `plugins: { ctl: { socket: /run/proxygw.sock } }\n${await configuration()}`;

  it("is started for its first client, and stopped", async () => {
    await using topology = await Topology.create();
    await using gateway = await Example.run(topology, await text(), { files: { "bin/docker": docker } });
    expect((await visit(topology, "client", GATEWAY, 8080)).answer).toBe(CLIENT);
    await gateway.becomes("active");
    await gateway.drain();
    expect(await topology.processes("gateway", "quick.py")).toEqual([]);
    expect(await gateway.log()).not.toContain("is killed");
  });

  it("that dies is noticed, and the next client starts it again", async () => {
    await using topology = await Topology.create();
    await using gateway = await Example.run(topology, await text(), { files: { "bin/docker": docker } });
    expect((await visit(topology, "client", GATEWAY, 8080)).answer).toBe(CLIENT);
    await gateway.becomes("active");
    await gateway.exec("sh", "-c", "kill -KILL $(cat /run/container)");
    await gateway.becomes("inactive");
    expect((await gateway.target()).last_error).toContain("ended with exit code 0");
    // after the delay that follows a failure
    await until("a client is served", async () => (await visit(topology, "client", GATEWAY, 8080)).outcome === "served");
  });
});

describe("a datagram larger than the MTU", () => {
  it("arrives whole at a service that was stopped, and its answer too", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(
      topology,
      onDemand({ mode: "udp", endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353" }),
    );
    const ask = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(b"x" * 5000, ("${GATEWAY}", 5353))
print(len(s.recv(65535)) > 5000)`;
    expect((await topology.run("client", PYTHON, "-c", ask)).stdout).toBe("True");
    expect(await datagrams(topology, "client", GATEWAY, 5353, 1)).toHaveLength(1);
    expect(await daemon.times("warming")).toBe(1);
  });
});
