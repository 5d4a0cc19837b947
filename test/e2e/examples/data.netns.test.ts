/** Examples of servers that keep data: the real PostgreSQL, Redis and dnsmasq. */
import { describe, expect, it } from "vitest";
import { CLIENT, GATEWAY, Topology } from "../topology.ts";
import { Example, lacks } from "./example.ts";

describe.skipIf(lacks("/usr/lib/postgresql/*/bin/postgres", "psql", "pg_isready"))("the example postgresql", () => {
  const machine = `
    install -d -o postgres /srv/postgres
    as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
    cd /srv
    as_postgres /usr/lib/postgresql/*/bin/initdb -D /srv/postgres/dev -A trust --no-sync --no-locale -E UTF8 >/dev/null
    echo 'host all all ${CLIENT}/32 trust' >>/srv/postgres/dev/pg_hba.conf`;

  it("answers the first query, stops without losing anything, and answers the next", async () => {
    await using topology = await Topology.create();
    await using gateway = await Example.start(topology, "postgresql", { machine });
    const query = async (sql: string): Promise<string> => {
      const { stdout, stderr } = await topology.run(
        "client",
        ...(["psql", "-h", GATEWAY, "-p", "5433", "-U", "postgres", "-AtXc", sql] as const),
      );
      expect(stderr).toBe("");
      return stdout;
    };
    expect((await gateway.target()).state).toBe("inactive");
    expect(await query("SELECT inet_client_addr()")).toBe(CLIENT);
    await gateway.becomes("active");
    expect(await query("CREATE TABLE note (text text); INSERT INTO note VALUES ('kept'); SELECT usename FROM pg_user")).toContain(
      "postgres",
    );

    const session = topology.converse("client", "psql", "-h", GATEWAY, "-p", "5433", "-U", "postgres", "-AtX");
    session.say("SELECT 'open';");
    expect(await session.hear()).toBe("open");
    expect((await gateway.control("drain", "database")).exitCode).toBe(1);
    session.hangUp();
    await gateway.drain();
    expect(await topology.processes("gateway", "postgres")).toEqual([]);
    const { stdout } = await gateway.exec("sh", "-c", "/usr/lib/postgresql/*/bin/pg_controldata -D /srv/postgres/dev");
    expect(stdout).toMatch(/Database cluster state: +shut down$/m);

    expect(await query("SELECT text FROM note")).toBe("kept");
    const log = await gateway.log();
    expect(log).toContain("received fast shutdown request");
    expect(log).not.toContain("automatic recovery");
    expect(log).not.toContain("is killed");
  });
});

describe.skipIf(lacks("redis-server", "redis-cli"))("the example redis", () => {
  it("answers the first command, sees its client, and has its data after a stop", async () => {
    await using topology = await Topology.create();
    await using gateway = await Example.start(topology, "redis", { machine: "install -d -o redis -m 750 /srv/redis" });
    const cli = async (...args: string[]): Promise<string> =>
      (await topology.run("client", "redis-cli", "-h", GATEWAY, "-p", "6380", ...args)).stdout;
    expect((await gateway.target()).state).toBe("inactive");
    expect(await cli("set", "greeting", "hello")).toBe("OK");
    await gateway.becomes("active");
    expect(await cli("client", "list")).toContain(`addr=${CLIENT}:`);
    await gateway.drain();
    expect(await topology.processes("gateway", "redis-server")).toEqual([]);
    expect(await cli("get", "greeting")).toBe("hello");
    expect(await gateway.log()).not.toContain("is killed");
  });
});

describe.skipIf(lacks("dnsmasq", "dig"))("the example dns", () => {
  const dig = async (topology: Topology, ...options: string[]): Promise<string> =>
    (await topology.run("client", "dig", "+short", "+tries=1", "+time=20", ...options, "@192.168.1.1", "nas.lab.example")).stdout;

  it.each([
    ["UDP", ["+notcp"], ["+tcp"]],
    ["TCP", ["+tcp"], ["+notcp"]],
  ])("is woken by a question over %s, and answers over both", async (_first, cold, warm) => {
    await using topology = await Topology.create();
    await using gateway = await Example.start(topology, "dns", { machine: "ip address add 192.168.1.1/24 dev backend" });
    expect((await gateway.target()).state).toBe("inactive");
    expect(await dig(topology, ...cold)).toBe("192.168.1.20");
    expect(await dig(topology, ...warm)).toBe("192.168.1.20");
    await gateway.becomes("active");
    expect((await gateway.log()).match(/to=warming/g)).toHaveLength(1);
    expect((await gateway.control("drain", "resolver", "--force")).exitCode).toBe(0);
    expect(await topology.processes("gateway", "dnsmasq")).toEqual([]);
  });
});
