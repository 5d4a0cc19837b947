/** `proxygw doctor` on the real thing: what it finds, and that it changes nothing. */
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonReport } from "../../cmd/proxygw/doctor-report.ts";
import type { Finding } from "../../pkg/plugin/finding.ts";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { FaultyTools } from "./faulty-tools.ts";
import { BACKEND, CLIENT, GATEWAY, GATEWAY_INNER, type Ran, Topology } from "./topology.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const NOBODY = 65534;
const TARGETS = [
  {
    name: "here",
    kind: "static:cmd",
    endpoints: [{ name: "main", protocol: "tcp", address: "127.0.0.1:8080" }],
    options: { command: "exec python3 -m http.server 8080" },
  },
  { name: "there", kind: "static:none", endpoints: [{ name: "main", protocol: "tcp", address: `${BACKEND}:80` }] },
];
const FRONTENDS = [
  { name: "near", kind: "static:on-demand", listen: `${GATEWAY}:8088`, target: "here:main" },
  { name: "far", kind: "static:on-demand", listen: `${GATEWAY}:8089`, target: "there:main" },
  { name: "page", kind: "static:http", listen: `${GATEWAY}:8090`, target: "there:main" },
];

describe("proxygw doctor", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, { targets: TARGETS, frontends: FRONTENDS });
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  function doctor(...args: string[]): Promise<Ran> {
    return topology.run("gateway", "env", ...daemon.through, daemon.program, "doctor", "--config", daemon.configFile, ...args);
  }

  async function report(): Promise<JsonReport & { exitCode: number | undefined }> {
    const { stdout, exitCode, stderr } = await doctor("--json");
    try {
      return { ...(JSON.parse(stdout) as JsonReport), exitCode };
    } catch {
      throw new Error(`no report: ${stdout}${stderr}`);
    }
  }

  /** Those that are worse than a note. */
  async function troubles(): Promise<Finding[]> {
    return (await report()).findings.filter(({ severity }) => severity === "error" || severity === "warning");
  }

  function sh(script: string): Promise<string> {
    return topology.shell("gateway", script);
  }

  /** Everything that it could have changed. */
  async function state(): Promise<string> {
    const settings = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/route_localnet";
    // not there before its module is loaded
    const queues = "cat /proc/net/netfilter/nfnetlink_queue 2>/dev/null || :";
    return `${await sh(`nft list ruleset; ${settings}; ${queues}; ip -d address; ip route`)}${(await readdir(daemon.directory)).join()}`;
  }

  it("finds nothing that stops it where nothing is, in no time, and changes nothing", async () => {
    const before = await state();
    const begun = performance.now();
    const { exitCode, status, config, findings } = await report();
    expect(performance.now() - begun).toBeLessThan(paced(10_000));
    expect(findings.filter(({ severity }) => severity === "error" || severity === "warning")).toEqual([]);
    expect({ exitCode, status, config }).toEqual({ exitCode: 0, status: 0, config: daemon.configFile });
    expect(findings.map(({ id }) => id)).toEqual(
      expect.arrayContaining(["kernel-and-tools", "hold-way", "sysctl-will-be-set", "ports", "firewall"]),
    );
    for (const finding of findings) {
      expect(Object.keys(finding).every((key) => ["id", "severity", "what", "where", "remedy"].includes(key))).toBe(true);
      expect(finding.id).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(["ok", "note", "warning", "error"]).toContain(finding.severity);
    }
    expect(await state()).toBe(before);
    // and what it says is so
    await daemon.restart();
    expect(await daemon.stop()).toBe(0);
  });

  it("has a table for people, YAML, and a status for wrong usage and a wrong configuration", async () => {
    const table = await doctor();
    expect(table).toMatchObject({ exitCode: 0, stderr: "" });
    expect(table.stdout).toMatch(/^this machine, for .*\n[\s\S]* kernel-and-tools +the kernel[\s\S]*\nnothing that stops it$/);
    expect(table.stdout).not.toContain("\u001b");
    expect((await doctor("-o", "yaml")).stdout).toMatch(/^status: 0\nconfig: .*\nfindings:\n {2}- id: /);
    expect(await doctor("-o", "xml")).toMatchObject({ exitCode: 2, stdout: "" });
    await writeFile(daemon.configFile, "version: v1\nfrontend: []\n");
    const { exitCode, findings } = await report();
    expect(exitCode).toBe(2);
    expect(findings[0]).toMatchObject({
      id: "config-invalid",
      where: `${daemon.configFile}:2:1`,
      what: expect.stringContaining("frontends") as string,
    });
    expect(findings.some(({ id }) => id === "kernel-and-tools")).toBe(true);
    await rm(daemon.configFile);
    expect((await report()).exitCode).toBe(2);
  });

  it("looks at the machine alone", async () => {
    await sh("iptables -P FORWARD DROP");
    const args = ["doctor", "-o", "json"];
    const { stdout, exitCode } = await topology.run("gateway", daemon.program, ...args);
    const { findings } = JSON.parse(stdout) as JsonReport;
    expect(findings).toContainEqual(expect.objectContaining({ id: "firewall-drops", severity: "warning" }));
    expect(exitCode).toBe(0);
  });

  it("finds what Docker drops, and has the command that is enough", async () => {
    await sh(`iptables -N DOCKER-USER; iptables -P FORWARD DROP; iptables -A FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -j RETURN
      iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT`);
    const before = await state();
    const found = await troubles();
    expect(found).toMatchObject([
      {
        id: "firewall-drops",
        severity: "error",
        what: 'clients of frontends "far" and "page" are dropped on their way to the endpoint: policy drop',
        where: "chain FORWARD of table ip filter",
      },
    ]);
    expect(await state()).toBe(before);
    topology.start("backend", "python3", ["-m", "http.server", "80"]);
    await until(
      "the service is up",
      async () => (await topology.run("gateway", "curl", "-s", `http://${BACKEND}`)).exitCode === 0,
    );
    await daemon.restart();
    const get = () => topology.run("client", "curl", "-s", "--max-time", String(paced(2)), `http://${GATEWAY}:8089/`);
    expect((await get()).exitCode).not.toBe(0);
    await sh(found[0]?.remedy ?? "false");
    expect(await troubles()).toEqual([]);
    expect((await get()).exitCode).toBe(0);
  });

  it("sees the rules of legacy iptables too", async ({ skip }) => {
    const { exitCode } = await topology.run("gateway", "iptables-legacy", "-P", "FORWARD", "DROP");
    if (exitCode !== 0) skip("this kernel has no legacy iptables");
    const found = await troubles();
    expect(found).toMatchObject([
      { id: "firewall-drops", severity: "error", where: "chain FORWARD of table ip filter (legacy iptables)" },
    ]);
    expect((await report()).findings).toContainEqual(expect.objectContaining({ id: "iptables-legacy", severity: "note" }));
    await sh(found[0]?.remedy ?? "false");
    expect(await troubles()).toEqual([]);
  });

  it("finds what a policy of the input chain drops, by the port that counts there", async () => {
    await sh(`nft add table inet filter
      nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'
      nft add rule inet filter input ct state established,related accept
      nft add rule inet filter input tcp dport '{ 22, 8088 }' accept`);
    const found = await troubles();
    expect(found.map(({ remedy }) => remedy).sort()).toEqual([
      "nft insert rule inet filter input ct status dnat accept",
      "nft insert rule inet filter input tcp dport 8090 accept",
    ]);
    for (const { remedy } of found) await sh(remedy ?? "false");
    expect(await troubles()).toEqual([]);
  });

  it("reads firewalld's and ufw's ways of writing", async () => {
    await sh(`nft -f - <<'END'
table inet firewalld {
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_INPUT_ZONES { iifname "client" goto filter_IN_public; }
  chain filter_IN_public { tcp dport 22 accept; }
}
END`);
    expect(await troubles()).toMatchObject([
      {
        severity: "error",
        where: "chain filter_INPUT of table inet firewalld",
        remedy: expect.stringContaining("--add-port=8090/tcp") as string,
      },
    ]);
    await sh(`nft delete table inet firewalld
      iptables -N ufw-user-input; iptables -P INPUT DROP; iptables -A INPUT -j ufw-user-input
      iptables -A ufw-user-input -p tcp -m multiport --dports 22,8090 -m comment --comment 'dapp_Open -j ACCEPT' -j ACCEPT`);
    expect(await troubles()).toMatchObject([{ severity: "error", remedy: "ufw allow proto tcp to 127.0.0.1 port 8080" }]);
  });

  it("finds DNAT of others, ports in use, and an endpoint that is taken", async () => {
    await sh(
      "iptables -t nat -A PREROUTING -p tcp --dport 8089 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.9:80",
    );
    for (const port of ["8088", "8090", "8080"]) topology.start("gateway", "python3", ["-m", "http.server", port]);
    for (const port of ["8088", "8090", "8080"])
      await until(
        "it listens",
        async () => (await topology.run("gateway", "curl", "-s", `http://127.0.0.1:${port}`)).exitCode === 0,
      );
    const found = await troubles();
    expect(found.map(({ id, severity }) => `${severity} ${id}`).sort()).toEqual([
      "error listen-port-in-use",
      "warning endpoint-in-use",
      "warning listen-port-shadowed",
      "warning nat-conflict",
    ]);
    expect(found.find(({ id }) => id === "listen-port-shadowed")?.what).toMatch(/python3 \(pid \d+\) listens on 0\.0\.0\.0:8088/);
  });

  it("knows the daemon of its own configuration from another's", async () => {
    await daemon.restart();
    expect(await troubles()).toEqual([]);
    expect((await report()).findings).toContainEqual(
      expect.objectContaining({ id: "daemon-running", what: expect.stringContaining(`pid ${daemon.pid}`) as string }),
    );
    const other = await Daemon.prepare(topology, {
      targets: TARGETS,
      frontends: FRONTENDS.slice(0, 1),
      dataplane: { table: "other" },
    });
    const run = await topology.run("gateway", daemon.program, "doctor", "--config", other.configFile, "--json");
    const found = (JSON.parse(run.stdout) as JsonReport).findings;
    expect(found).toContainEqual(expect.objectContaining({ id: "queue-in-use", severity: "error" }));
    expect(run.exitCode).toBe(1);
    await other.configure({ targets: TARGETS, frontends: FRONTENDS.slice(0, 1) });
    const same = await topology.run("gateway", daemon.program, "doctor", "--config", other.configFile, "--json");
    expect((JSON.parse(same.stdout) as JsonReport).findings).toContainEqual(
      expect.objectContaining({ id: "table-in-use", what: expect.stringContaining(`pid ${daemon.pid}`) as string }),
    );
    await other[Symbol.asyncDispose]();
  });

  it("misses routes, addresses, files and programs", async () => {
    await daemon.configure({
      runtime_dir: join(daemon.configFile, "run"),
      log: { output: "/nowhere/log" },
      targets: [
        { ...TARGETS[0], options: { command: "exec no-such-program", cwd: "/nowhere" } },
        { name: "there", kind: "static:none", endpoints: [{ name: "main", protocol: "tcp", address: "203.0.113.1:80" }] },
      ],
      frontends: [
        { name: "near", kind: "static:on-demand", listen: "198.51.100.1:8088", target: "here:main" },
        { name: "far", kind: "static:on-demand", listen: `${GATEWAY}:8089`, target: "there:main" },
      ],
      dataplane: { manage_sysctls: false },
    });
    const ids = (await troubles()).map(({ id }) => id);
    expect(new Set(ids)).toEqual(
      new Set([
        ...["runtime-dir-unusable", "log-unwritable", "command-missing", "command-directory", "sysctl-needed"],
        ...["no-route", "listen-address-absent"],
      ]),
    );
    await daemon.configure({ targets: TARGETS, frontends: FRONTENDS });
    await chmod(daemon.configFile, 0o666);
    expect(await troubles()).toMatchObject([{ id: "config-untrusted", remedy: `chmod o-w ${daemon.configFile}` }]);
  });

  it("warns of clients whose answers go past the gateway", async () => {
    const frontend = {
      name: "far",
      kind: "static:on-demand",
      listen: `${GATEWAY_INNER}:8089`,
      target: "there:main",
      masquerade: "never",
    };
    await daemon.configure({ targets: TARGETS, frontends: [frontend] });
    expect(await troubles()).toMatchObject([{ id: "answers-past-gateway", remedy: "masquerade: auto" }]);
    await sh(`ip route add default via ${CLIENT}; sysctl -qw net.ipv4.conf.backend.rp_filter=1`);
    expect((await report()).findings).toContainEqual(expect.objectContaining({ id: "strict-source-check" }));
  });

  it("says what is missing to a user without privileges", async () => {
    const program = join(daemon.directory, "program");
    for (const part of ["build", "node_modules/koffi", "node_modules/@koromix"])
      await cp(join(REPOSITORY, part), join(program, part), { recursive: true });
    for (const each of ["", "proxygw.yaml"]) await chown(join(daemon.directory, each), NOBODY, NOBODY);
    daemon.program = join(program, "build/proxygw");
    daemon.through = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"];
    const { exitCode, findings } = await report();
    expect(exitCode).toBe(1);
    expect(findings[0]).toMatchObject({ id: "privileges", severity: "error", remedy: expect.stringContaining("sudo") as string });
    // what takes no privileges is looked at all the same
    expect(findings.some(({ id }) => id === "ports")).toBe(true);
  });

  describe("with other tools", () => {
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp("/tmp/proxygw-doctor-");
    });
    afterEach(() => rm(folder, { recursive: true }));

    /** The programs' own directories are looked into whatever PATH says. */
    async function hide(program: string): Promise<void> {
      const mounts: string[] = [];
      for (const directory of ["/usr/sbin", "/usr/bin"]) {
        const [real, links] = [join(folder, directory, "real"), join(folder, directory, "links")];
        await mkdir(real, { recursive: true });
        await mkdir(links);
        for (const name of await readdir(directory)) if (name !== program) await symlink(join(real, name), join(links, name));
        mounts.push(`mount --bind ${directory} ${real} && mount --bind ${links} ${directory}`);
      }
      daemon.through = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        `${mounts.join(" && ")} && exec "$@"`,
        "sh",
      ];
    }

    it("does without ip, and says so", async () => {
      await hide("ip");
      const { exitCode, findings } = await report();
      expect(exitCode).toBe(0);
      expect(findings).toContainEqual({
        id: "routes-unknown",
        severity: "note",
        what: 'the program "ip" is missing, so routes were not looked at',
        remedy: "on Debian and Ubuntu: apt-get install iproute2",
      });
    });

    it("misses nft", async () => {
      await hide("nft");
      expect(await troubles()).toMatchObject([
        {
          id: "tool-missing",
          severity: "error",
          what: 'the program "nft" is missing',
          remedy: expect.stringContaining("apt-get install nftables") as string,
        },
      ]);
    });

    it("waits while the kernel loads the modules that nft's first question takes", async () => {
      const tools = await FaultyTools.create(folder);
      await tools.fault("nft", "late", "-c -f", 1);
      daemon.through = tools.wrapper;
      const { exitCode, findings } = await report();
      expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
      expect(exitCode).toBe(0);
      // it was late
      expect(await readdir(tools.directory)).toEqual(["nft"]);
    });

    it("ends when nft does not", async () => {
      const nft = join(folder, "nft");
      await writeFile(nft, "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
      daemon.through = [`PATH=${folder}:${process.env["PATH"] ?? ""}`];
      const begun = performance.now();
      const { exitCode, findings } = await report();
      expect(performance.now() - begun).toBeLessThan(paced(15_000));
      expect(exitCode).toBe(1);
      expect(findings[0]).toMatchObject({
        id: "not-looked-at",
        severity: "error",
        what: expect.stringContaining("nft did not end") as string,
      });
    });
  });
});
