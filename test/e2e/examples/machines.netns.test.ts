/**
 * Examples of services on another machine, which is reached by ssh: real ones of both sides (OpenSSH's client, dropbear), a real
 * magic packet. The machine does not really sleep: its sshd is not there, so that connections are refused.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { visit } from "../clients.ts";
import { until } from "../daemon.ts";
import { PYTHON } from "../on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "../topology.ts";
import { Example, lacks, machineDirectory, onMachine } from "./example.ts";

const MAGIC_PACKET = join(import.meta.dirname, "magic-packet.py");

/** The gateway's root may log in on the backend, and everybody with the client's key; `systemctl` there is the test's. */
class Backend {
  readonly directory: string;
  readonly key: string;
  readonly hostKey: string;

  private constructor(directory: string, key: string, hostKey: string) {
    this.directory = directory;
    this.key = key;
    this.hostKey = hostKey;
  }

  /** `systemctl`: what that program does; `first`: what has to come before sshd is started, each time. */
  static async start(topology: Topology, address: string, systemctl: string, first = ":"): Promise<Backend> {
    await topology.shell("backend", `ip address add ${address}/24 dev eth0`);
    await topology.shell("gateway", "ip address add 192.168.1.1/24 dev backend");
    const directory = await machineDirectory({
      "bin/systemctl": `#!/bin/sh\nDIR=$(dirname "$0")/..\n${systemctl}\n`,
      // sshd gives logins a PATH of its own
      "bin/login": '#!/bin/sh\nPATH=$(dirname "$0"):$PATH\neval "$SSH_ORIGINAL_COMMAND"\n',
    });
    const key = join(directory, "key");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const made = await execa("dropbearkey", ["-t", "ed25519", "-f", join(directory, "host-key")]);
    const hostKey = /^ssh-ed25519 \S+/m.exec(made.stdout)?.[0] ?? "";
    const script = `
      mkdir -m 700 /srv/root/.ssh
      echo "command=\\"$DIR/bin/login\\" $(cat "$DIR/key.pub")" >/srv/root/.ssh/authorized_keys
      chmod 600 /srv/root/.ssh/authorized_keys
      while :; do
        ${first}
        dropbear -F -E -s -r "$DIR/host-key" -p 22 -P /run/dropbear.pid || sleep 0.1
      done`;
    topology.start("backend", ...onMachine(directory, script));
    return new Backend(directory, key, hostKey);
  }

  /** For the gateway: its root logs in by key, and knows the backend. */
  async setup(address: string): Promise<{ machine: string; files: Record<string, string> }> {
    const machine = `
      mkdir -m 700 /srv/root/.ssh
      cp "$DIR/key" /srv/root/.ssh/id_ed25519
      chmod 600 /srv/root/.ssh/id_ed25519
      echo '${address} ${this.hostKey}' >/srv/root/.ssh/known_hosts`;
    return { machine, files: { key: await readFile(this.key, "utf8") } };
  }
}

describe.skipIf(lacks("dropbear", "dropbearkey", "ssh", "ssh-keygen", "wakeonlan", "nc"))("the example ssh-machine", () => {
  it("wakes the machine by a magic packet for an ssh client, and sends it to sleep by ssh", async () => {
    await using topology = await Topology.create();
    const backend = await Backend.start(
      topology,
      "192.168.1.20",
      `[ "$1" = suspend ] && echo suspended >>"$DIR/slept" && kill "$(cat /run/dropbear.pid)"`,
      `${PYTHON} ${MAGIC_PACKET} 00:11:22:33:44:55`,
    );
    await using gateway = await Example.start(topology, "ssh-machine", await backend.setup("192.168.1.20"));
    expect(await topology.processes("backend", `dropbear -F -E -s -r ${backend.directory}`)).toEqual([]);

    const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"];
    const login = (): Promise<{ stdout: string; stderr: string }> =>
      topology.run(
        "client",
        "ssh",
        ...["-F", "none", "-p", "2222", "-i", backend.key, ...options.flatMap((each) => ["-o", each])],
        ...[`root@${GATEWAY}`, "echo $SSH_CONNECTION"],
      );
    const first = await login();
    expect(first).toMatchObject({ stderr: "" });
    // the machine sees its client's own address
    expect(first.stdout).toMatch(new RegExp(`^${CLIENT} \\d+ 192\\.168\\.1\\.20 22$`));
    await gateway.becomes("active");

    await gateway.drain();
    expect((await readFile(join(backend.directory, "slept"), "utf8")).trim()).toBe("suspended");
    await until(
      "its sshd has ended",
      async () => (await topology.processes("backend", `dropbear -F -E -s -r ${backend.directory}`)).length === 0,
    );
    expect((await login()).stdout).toContain(CLIENT);
    expect(await gateway.log()).not.toContain("is killed");
  });
});

describe.skipIf(lacks("dropbear", "dropbearkey", "ssh", "ssh-keygen"))("the example remote-backend", () => {
  const systemctl = `
    [ "$2" = app ] || exit 1
    case $1 in
      start) setsid ${PYTHON} -IS ${join(import.meta.dirname, "../quick.py")} tcp 192.168.1.30 8080 >/dev/null 2>&1 & echo $! >/run/app.pid ;;
      stop) kill -INT "$(cat /run/app.pid)"; rm /run/app.pid ;;
    esac`;

  it("starts and stops it over ssh; the service sees the client's address, or the gateway's", async () => {
    await using topology = await Topology.create();
    const backend = await Backend.start(topology, "192.168.1.30", systemctl);
    await using gateway = await Example.start(topology, "remote-backend", await backend.setup("192.168.1.30"));
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "served", answer: CLIENT });
    await gateway.becomes("active");
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe("192.168.1.1");
    // another machine is its default route from now on: only the masqueraded frontend can work
    await topology.shell("backend", "ip route del default");
    expect((await topology.run("client", "curl", "-s", "--max-time", "1", `http://${GATEWAY}:8088/`)).exitCode).toBe(28);
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe("192.168.1.1");
    expect((await gateway.control("drain", "app", "--force")).exitCode).toBe(0);
    expect(await topology.processes("backend", "quick.py")).toEqual([]);
  });
});
