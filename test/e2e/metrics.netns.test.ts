/** The metrics and webhook plugins in the built daemon, with real traffic; promtool, the dashboard and the alert rules against a real scrape. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { onDemand, PYTHON, quick, together } from "./on-demand.ts";
import { BACKEND, CLIENT, GATEWAY, Topology } from "./topology.ts";

const CONFIGS = resolve(import.meta.dirname, "../../configs");
const RECEIVER = resolve(import.meta.dirname, "receiver.py");
const LISTEN = "127.0.0.1:9469";
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const LABELS = 'frontend="front",target="backend"';

const DENYING = onDemand({
  name: "denying",
  endpoint: "127.0.0.1:8081",
  listen: "0.0.0.0:8089",
  frontend: { deny: CLIENT },
});
/** Never ready. */
const FAILING = onDemand({
  name: "failing",
  endpoint: "127.0.0.1:8082",
  listen: "0.0.0.0:8090",
  command: "exit 3",
});

/** What is looked at of a dashboard of Grafana's: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}

describe("the plugins for those who watch", () => {
  let topology: Topology;
  let daemon: Daemon | undefined;
  beforeEach(async () => {
    topology = await Topology.create();
  });
  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
    await topology[Symbol.asyncDispose]();
  });

  async function start(plugins: Record<string, unknown>, parts = together(onDemand(), DENYING, FAILING)): Promise<Daemon> {
    daemon = await Daemon.prepare(topology, parts);
    await configure(daemon, plugins, parts);
    await daemon.restart();
    return daemon;
  }

  function configure(of: Daemon, plugins: Record<string, unknown>, parts: Record<string, unknown>): Promise<void> {
    return of.configure({ ...parts, plugins: { ctl: { socket: join(of.directory, "ctl.sock"), codec: "json" }, ...plugins } });
  }

  /** The figures by name and labels, and the text. */
  async function scrape(...args: string[]): Promise<{ text: string; values: Map<string, number> }> {
    const from = args.length > 0 ? args : [`http://${LISTEN}/metrics`];
    const { stdout: text, stderr, exitCode } = await topology.run("gateway", "curl", "-sS", "--fail-with-body", ...from);
    expect(exitCode, `${stderr} ${text}`).toBe(0);
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return { text, values: new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(/\S+$/.exec(line)?.[0])])) };
  }

  /** A wake, a drain, a client turned away, a start that fails, a reload that is refused, and one that is not. */
  async function busy(): Promise<Daemon> {
    const parts = together(onDemand(), DENYING, FAILING);
    const running = await start({ metrics: { listen: LISTEN } }, parts);
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    await running.drain();
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    await topology.run("client", "curl", "-s", "--max-time", "1", `http://${GATEWAY}:8089/`);
    expect((await visit(topology, "client", GATEWAY, 8090)).outcome).toBe("refused");
    await configure(running, { metrics: { listen: LISTEN } }, { ...parts, frontends: [{ name: "wrong" }] });
    expect((await running.control("reload")).exitCode).toBe(2);
    await configure(running, { metrics: { listen: LISTEN } }, parts);
    expect((await running.control("reload")).exitCode).toBe(0);
    return running;
  }

  it("give metrics that promtool finds nothing wrong with", async () => {
    await busy();
    const { text, values } = await scrape();
    // exits with 3 when it finds fault with a name or type; the newline at the end was taken off on the way
    execFileSync("promtool", ["check", "metrics"], { input: `${text}\n`, stdio: ["pipe", "ignore", "inherit"] });
    const value = (name: string): number | undefined => values.get(name);
    expect(value('proxygw_target_state{target="backend",state="active"}')).toBe(1);
    expect(value('proxygw_target_wakes_total{target="backend"}')).toBe(2);
    expect(value('proxygw_target_drains_total{target="backend"}')).toBe(1);
    expect(value('proxygw_target_failures_total{target="failing"}')).toBe(1);
    expect(value('proxygw_target_failures_total{target="backend"}')).toBe(0);
    expect(value('proxygw_target_wake_duration_seconds_count{target="backend"}')).toBe(2);
    expect(value(`proxygw_frontend_connections_total{${LABELS}}`)).toBe(2);
    expect(value(`proxygw_frontend_holds_total{${LABELS}}`)).toBe(2);
    expect(value(`proxygw_frontend_hold_duration_seconds_count{${LABELS},outcome="passed"}`)).toBe(2);
    for (const direction of ["in", "out"]) {
      const bytes = value(`proxygw_target_traffic_bytes_total{target="backend",direction="${direction}"}`) ?? 0;
      const packets = value(`proxygw_target_traffic_packets_total{target="backend",direction="${direction}"}`) ?? 0;
      expect(packets).toBeGreaterThanOrEqual(6);
      expect(bytes).toBeGreaterThan(packets * 40);
      expect(bytes).toBeLessThan(packets * 1500);
      // the only one that leads there
      expect(value(`proxygw_frontend_traffic_bytes_total{${LABELS},direction="${direction}"}`)).toBe(bytes);
      expect(value(`proxygw_frontend_traffic_packets_total{${LABELS},direction="${direction}"}`)).toBe(packets);
    }
    const denied = 'proxygw_frontend_refused_packets_total{frontend="front-denying",target="denying",reason="denied"}';
    expect(value(denied)).toBeGreaterThanOrEqual(1);
    expect(value("proxygw_nft_transaction_duration_seconds_count")).toBeGreaterThan(2);
    expect(value("proxygw_nft_transaction_failures_total")).toBe(0);
    expect(value('proxygw_reloads_total{result="success"}')).toBe(1);
    expect(value('proxygw_reloads_total{result="failure"}')).toBe(1);
    expect(value("proxygw_last_reload_successful")).toBe(1);
    const wake = value('proxygw_target_wake_duration_seconds_sum{target="backend"}') ?? 0;
    expect(wake).toBeGreaterThan(0);
  });

  it("give every metric that the dashboard and the alert rules ask for", async () => {
    await busy();
    const { values } = await scrape();
    const there = new Set([...values.keys()].map((each) => each.replace(/\{.*/, "")));
    const dashboard = readFileSync(join(CONFIGS, "grafana/proxygw.json"), "utf8");
    const rules = readFileSync(join(CONFIGS, "prometheus/alerts.yaml"), "utf8");
    const expressions = [
      ...[...dashboard.matchAll(/"(?:expr|query|definition)": "((?:[^"\\]|\\.)*)"/g)].map(([, each = ""]) => each),
      ...[...rules.matchAll(/expr: (?:\|\n((?: {10}.*\n)+)|(.*))/g)].map(([, several, one]) => several ?? one ?? ""),
    ];
    const asked = new Set(expressions.flatMap((each) => each.match(/\b(?:proxygw|process|nodejs)_[a-z_]+/g) ?? []));
    expect(asked.size).toBeGreaterThan(20);
    expect([...asked].filter((each) => !there.has(each))).toEqual([]);
  });

  it("come with a dashboard whose queries promtool understands, and whose panels stand beside each other", async () => {
    const { panels, templating } = JSON.parse(readFileSync(join(CONFIGS, "grafana/proxygw.json"), "utf8")) as Dashboard;
    const variables = new Set(templating.list.map(({ name }) => name));
    const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(20);
    // in the place of variables, what Grafana would put there; anything else is not a variable, and stays for promtool to stumble over
    const plain = queries.map((query) =>
      query
        .replaceAll(/\$__(?:rate_)?interval\b/g, "5m")
        .replaceAll(/\$(\w+)/g, (text, name: string) => (variables.has(name) ? ".*" : text)),
    );
    expect(plain.filter((query) => query.includes("$"))).toEqual([]);
    const directory = await mkdtemp(join(tmpdir(), "proxygw-dashboard-"));
    const file = join(directory, "queries.json");
    const rules = plain.map((expr, at) => ({ record: `panel:query:${at}`, expr }));
    await writeFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    expect(execFileSync("promtool", ["check", "rules", file], { encoding: "utf8" })).toContain(`${rules.length} rules found`);
    await rm(directory, { recursive: true });

    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.get(`${x},${y}`), `under ${title}`).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
      }
    }
    expect(panels.filter(({ gridPos: { x, w } }) => x < 0 || x + w > 24)).toEqual([]);
    const sources = panels.filter(({ targets }) => targets !== undefined).map(({ datasource }) => datasource?.uid);
    expect(new Set(sources)).toEqual(new Set(["${datasource}"]));
  });

  it("come with alert rules that promtool finds nothing wrong with, and that alert", () => {
    const run = (...args: string[]): string => execFileSync("promtool", args, { encoding: "utf8", stdio: "pipe" });
    expect(run("check", "rules", join(CONFIGS, "prometheus/alerts.yaml"))).toContain("SUCCESS");
    expect(run("test", "rules", join(CONFIGS, "prometheus/alerts.test.yaml"))).toContain("SUCCESS");
  });

  it("forget a target that a reload removes", async () => {
    const running = await busy();
    await configure(running, { metrics: { listen: LISTEN } }, DENYING);
    expect((await running.control("reload")).exitCode).toBe(0);
    await until("nothing is left of it", async () => !(await scrape()).text.includes('"backend"'));
    expect((await scrape()).values.get('proxygw_target_wakes_total{target="denying"}')).toBe(0);
  });

  it("serve metrics on a socket, also after a daemon that was killed", async () => {
    const socket = join("/tmp", `proxygw-metrics-${String(process.pid)}.sock`);
    const running = await start({ metrics: { socket } }, onDemand());
    await running.stop("SIGKILL");
    await running.restart();
    const { values } = await scrape("--unix-socket", socket, "http://localhost/metrics");
    expect(values.get('proxygw_target_wakes_total{target="backend"}')).toBe(0);
    expect(await running.stop()).toBe(0);
    await expect(readFile(socket)).rejects.toMatchObject({ code: "ENOENT" });
    await rm(socket, { force: true });
  });

  it("keep the daemon from starting where they cannot listen, and say why", async () => {
    topology.start("gateway", "sh", ["-c", quick("tcp", LISTEN)]);
    await until(
      "it listens",
      async () => (await topology.run("gateway", "sh", "-c", `ss -Hlnt src ${LISTEN} | grep -q .`)).exitCode === 0,
    );
    daemon = await Daemon.prepare(topology, {});
    await configure(daemon, { metrics: { listen: LISTEN } }, onDemand());
    const { exitCode, stderr } = await daemon.attempt();
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`cannot serve metrics on ${LISTEN}: the address is in use`)]);
    await configure(daemon, { metrics: {} }, onDemand());
    expect(await daemon.attempt()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('expected "listen"') as string });
  });

  it("post a wake to another machine, signed, and again where that fails; at the daemon's end too", async () => {
    const receiver = topology.converse("backend", PYTHON, RECEIVER, BACKEND, "9000", SECRET, "500", "200");
    expect(await receiver.hear()).toBe("listening");
    daemon = await Daemon.prepare(topology, {});
    const secretFile = join(daemon.directory, "secret");
    await writeFile(secretFile, SECRET, { mode: 0o600 });
    const events = ["target_state.active", "target_state.closed"];
    const hook = { name: "ops", url: `http://${BACKEND}:9000/hooks/token`, events, secret_file: secretFile };
    await configure(daemon, { webhook: { hooks: [hook] } }, onDemand());
    await daemon.restart();
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    const [first, second] = [await receiver.hear(), await receiver.hear()].map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    );
    expect(first).toMatchObject({ is_genuine: true, status: 500, path: "/hooks/token" });
    expect(second).toMatchObject({
      is_genuine: true,
      status: 200,
      id: first?.["id"],
      body: { type: "target_state", data: { target: "backend", from: "warming", to: "active", frontend: "front" } },
    });
    expect((second?.["body"] as { data: { source: string } }).data.source).toMatch(new RegExp(`^${CLIENT}:`));
    expect(await daemon.stop()).toBe(0);
    expect(JSON.parse(await receiver.hear())).toMatchObject({ body: { data: { target: "backend", to: "closed" } } });
    const told = JSON.stringify(await daemon.log());
    for (const secret of [SECRET, "token"]) expect(told).not.toContain(secret);
  });
});
