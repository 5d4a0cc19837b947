/** Examples of services that speak HTTP: a web application, a language model, two families. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { paced } from "../../pace.ts";
import { visit } from "../clients.ts";
import { until } from "../daemon.ts";
import { PYTHON } from "../on-demand.ts";
import { CLIENT, CLIENT6, GATEWAY, GATEWAY6, Topology } from "../topology.ts";
import { Example } from "./example.ts";

const here = (name: string): string => join(import.meta.dirname, name);
const MONITOR = "203.0.113.10";

describe("the example web-app", () => {
  const machine = 'mkdir /srv/web-app; cp "$DIR/app.py" /srv/web-app';

  it("holds its first client until the application is well, and keeps a silent connection", async () => {
    await using topology = await Topology.create();
    await topology.shell("client", `ip addr add ${MONITOR}/32 dev lo`);
    await topology.shell("gateway", `ip route add ${MONITOR} via ${CLIENT}`);
    const files = { "app.py": await readFile(here("app.py"), "utf8") };
    await using gateway = await Example.start(topology, "web-app", { machine, files });
    const monitor = await visit(topology, "client", GATEWAY, 8088, MONITOR);
    expect(monitor.outcome).toBe("refused");
    expect((await gateway.target()).state).toBe("inactive");

    const first = await visit(topology, "client", GATEWAY, 8088);
    expect(first).toMatchObject({ outcome: "served", answer: CLIENT });
    expect(first.ms).toBeGreaterThan(1000);
    await gateway.becomes("active");
    expect((await visit(topology, "client", GATEWAY, 8088, MONITOR)).answer).toBe(MONITOR);

    const socket = topology.converse("client", PYTHON, here("socket-client.py"), GATEWAY, "8088");
    expect(await socket.hear()).toContain("101");
    const drain = await gateway.control("drain", "app");
    expect(drain.exitCode).toBe(1);
    expect(drain.stderr).toMatch(/flow/);
    socket.say("still there?");
    expect(await socket.hear()).toBe("still there?");
    socket.hangUp();
    await gateway.drain();
    expect(await topology.processes("gateway", "app.py")).toEqual([]);
  });

  it("outlives its idle_timeout with a connection that is open and silent", async () => {
    await using topology = await Topology.create();
    const files = { "app.py": await readFile(here("app.py"), "utf8") };
    const change = [["idle_timeout: 10m", "idle_timeout: 500ms"]] as const;
    await using gateway = await Example.start(topology, "web-app", { machine, files, change });
    const socket = topology.converse("client", PYTHON, here("socket-client.py"), GATEWAY, "8088");
    expect(await socket.hear()).toContain("101");
    await gateway.becomes("active");
    // what must not happen in this time, however slow the machine
    await new Promise((wake) => setTimeout(wake, 2500));
    socket.say("still there?");
    expect(await socket.hear()).toBe("still there?");
    expect(await gateway.log()).not.toContain("to=draining");
    socket.hangUp();
    await gateway.becomes("inactive");
  });
});

describe("the example llm", () => {
  const machine = `mkdir /srv/models; : >/srv/models/model.gguf`;
  const files = async (): Promise<Record<string, string>> => ({
    "bin/llama-server": await readFile(here("llama-server.py"), "utf8"),
  });
  const question = (content: string): string[] => {
    const body = JSON.stringify({ stream: true, messages: [{ role: "user", content }] });
    const url = `http://${GATEWAY}:8000/v1/chat/completions`;
    return ["-sSN", "--max-time", String(paced(25)), "-H", "Content-Type: application/json", "-d", body, url];
  };

  it("loads the model for the first question, whose client waits for it", async () => {
    await using topology = await Topology.create();
    await using gateway = await Example.start(topology, "llm", { machine, files: await files() });
    const { stdout, stderr } = await topology.run("client", "curl", ...question("3 0.1"));
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n\n")).toEqual(['data: {"word": 0}', 'data: {"word": 1}', 'data: {"word": 2}', "data: [DONE]"]);
    await gateway.becomes("active");
    expect((await gateway.target()).last_wake?.source).toContain(CLIENT);
    await gateway.drain();
    expect(await topology.processes("gateway", "llama-server")).toEqual([]);
  });

  it("streams an answer to its end, though each pause is longer than idle_timeout, and unloads it afterwards", async () => {
    await using topology = await Topology.create();
    const change = [["idle_timeout: 15m", "idle_timeout: 300ms"]] as const;
    await using gateway = await Example.start(topology, "llm", { machine, files: await files(), change });
    const { stdout, exitCode } = await topology.run("client", "curl", ...question("3 1.2"));
    expect(exitCode).toBe(0);
    expect(stdout).toContain("[DONE]");
    await gateway.becomes("inactive");
    expect((await gateway.log()).match(/to=warming/g)).toHaveLength(1);
  });
});

describe("the example dual-stack", () => {
  it("serves clients of both families at the service's address of their own", async () => {
    await using topology = await Topology.create();
    const machine = "ip address add fd00:5e7::1/128 dev lo; echo hello >/srv/index.html";
    await using gateway = await Example.start(topology, "dual-stack", { machine });
    expect(await visit(topology, "client", GATEWAY6, 8088)).toMatchObject({ outcome: "served", answer: "hello" });
    await gateway.becomes("active");
    expect((await gateway.target()).last_wake?.source).toContain(CLIENT6);
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe("hello");
    await gateway.drain();
    expect(await topology.processes("gateway", "http.server")).toEqual([]);
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe("hello");
    // each server told its clients' own addresses
    await until("both are in the log", async () => {
      const log = await gateway.log();
      return log.includes(`${CLIENT} - - `) && log.includes(`${CLIENT6} - - `);
    });
  });
});
