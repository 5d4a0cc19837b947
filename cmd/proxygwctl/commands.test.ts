import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../../pkg/clock/fake-clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import type { Packet } from "../../pkg/ctl/packet.ts";
import { type Behaviour, ctl, daemon } from "./fake-daemon.ts";

const STATUS = {
  closed: false,
  targets: [
    { name: "backend", kind: "static:none", state: "active", endpoints: [] },
    { name: "database", kind: "static:none", state: "inactive", endpoints: [] },
  ],
  frontends: [{ name: "front", state: "running", target_name: "backend", endpoint_name: "http", protocol: "tcp", listen: ":80" }],
};

/** Knows the names of STATUS only; what is done to `slow` names never ends. */
const known: Behaviour = ({ id, method, body }) => {
  const { name, names = [] } = (body ?? {}) as { name?: string; names?: string[] };
  if (method === 0) return { id, method: 0, body: {} };
  const all = ["backend", "database", "front"];
  const unknown = [name ?? [], names].flat().find((each) => !all.includes(each) && !each.startsWith("slow"));
  if (unknown !== undefined || (method === 8 && name === "front")) {
    return { id, method: 1, body: { msg: `there is no target "${unknown ?? "front"}"`, code: "TARGET_UNKNOWN" } };
  }
  if (method === 16 && name === "backend") return { id, method: 1, body: { msg: "there is none", code: "FRONTEND_UNKNOWN" } };
  if (name?.startsWith("slow")) return undefined;
  return { id, method: method + 1, body: method === 2 ? STATUS : {} };
};

const event = (type: string, more: object): Packet => ({ id: 0, method: 32769, body: { at: "T", type, ...more } });
const STATE = event("target_state", { target: "backend", from: "inactive", to: "warming" });
const OTHER = event("target_state", { target: "database", from: "inactive", to: "warming" });

describe("proxygwctl status", () => {
  it("asks for what was named, and for traffic where it is shown", async () => {
    await using at = await daemon("json", known);
    await ctl("status backend front", at);
    await ctl("status -o json --traffic", at);
    await ctl("status", { ...at, isTerminal: true });
    await ctl("status -o table --no-traffic", at);
    expect(at.requests.map(({ body }) => body)).toEqual([
      { names: ["backend", "front"] },
      { traffic: true },
      { traffic: true },
      {},
    ]);
  });

  it("is a table on a terminal, and YAML if wanted", async () => {
    await using at = await daemon("json", known);
    expect((await ctl("status", { ...at, isTerminal: true })).stdout).toMatch(/^TARGET +STATE .* LAST WAKE\nbackend +active/);
    expect((await ctl("status", { ...at, isTerminal: true, columns: 60 })).stdout).toMatch(
      /^TARGET +STATE .* IDLE DUE\nbackend +active/,
    );
    expect((await ctl("status -o yaml", at)).stdout).toMatch(/^closed: false\ntargets:\n {2}- name: backend\n/);
    expect(await ctl("status -o xml", at)).toMatchObject({ status: 2, stdout: "" });
  });

  it("knows what was meant", async () => {
    await using at = await daemon("json", known);
    expect(await ctl("status backend bakend", at)).toEqual({
      status: 1,
      stdout: "",
      stderr: 'proxygwctl: there is no target "bakend"; did you mean "backend"?\n',
    });
  });
});

describe("proxygwctl flows", () => {
  it("prints what the daemon has", async () => {
    await using at = await daemon("json", ({ id, method }) => ({ id, method: method + 1, body: { flows: [] } }));
    expect(await ctl("flows", at)).toEqual({ status: 0, stdout: '{\n  "flows": []\n}\n', stderr: "" });
    expect((await ctl("flows backend -o table", at)).stdout).toBe("no flows are alive\n");
    expect(at.requests).toEqual([
      { id: 1, method: 24, body: {} },
      { id: 1, method: 24, body: { target: "backend" } },
    ]);
  });

  it.each([
    ["flows", { msg: "unknown method 24 is not supported here" }, "flows request (24)"],
    ["watch", { msg: "anything", code: "CTL_METHOD_UNSUPPORTED" }, "subscribe request (26)"],
  ])("%s says that the daemon is older", async (command, body, what) => {
    await using at = await daemon("json", ({ id }) => ({ id, method: 1, body }));
    expect(await ctl(command, at)).toEqual({
      status: 1,
      stdout: "",
      stderr: `proxygwctl: the daemon does not know the ${what}: it is older than this proxygwctl; restart it after an update\n`,
    });
  });
});

describe("proxygwctl warm, drain, start, stop", () => {
  it("take several names, each once, and tell of each that failed", async () => {
    await using at = await daemon("json", known);
    expect(await ctl("warm backend database backend", at)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(at.requests.map(({ body }) => body)).toEqual([{ name: "backend" }, { name: "database" }]);
    expect(await ctl("drain backend datbase", at)).toEqual({
      status: 1,
      stdout: "",
      stderr: 'proxygwctl: datbase: there is no target "datbase"; did you mean "database"?\nproxygwctl: 1 of 2 failed\n',
    });
  });

  it("tell trouble that is everybody's once", async () => {
    expect((await ctl("warm a b", { socket: "/nowhere/s" })).stderr).toMatch(
      /^proxygwctl: there is no socket \/nowhere\/s: [^\n]+\n$/,
    );
    expect(await ctl("--config bad.yaml warm a b")).toEqual({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^bad.yaml: not a configuration\n[^\n]+\n$/) as string,
    });
    expect(await ctl("--config secret.yaml warm a")).toMatchObject({
      status: 2,
      stderr: "secret.yaml: no permission\n(with --socket PATH no configuration is read)\n",
    });
  });

  it("know a frontend from a target", async () => {
    await using at = await daemon("json", known);
    expect((await ctl("warm front", at)).stderr).toContain(
      'there is no target "front"; that is a frontend, whose target is "backend"',
    );
    expect((await ctl("start backend", at)).stderr).toContain('that is a target, whose frontend is "front"');
  });

  it("wait no longer than --timeout", async () => {
    const clock = new FakeClock();
    await using at = await daemon("json", known);
    const outcome = ctl("drain slow --timeout 1m30s", { ...at, clock });
    while (at.requests.length === 0) await settle();
    await clock.advance(89_999);
    expect(clock.sleeping).toBe(1);
    await clock.advance(1);
    const message = 'proxygwctl: "slow" has not stopped after 1m30s; the daemon goes on with it\n';
    expect(await outcome).toEqual({ status: 1, stdout: "", stderr: message });
  });

  it("with --no-wait are done when the daemon has begun, or has refused", async () => {
    await using at = await daemon("json", known);
    expect(await ctl("warm --no-wait slow slower", at)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(at.requests.map(({ method }) => method).sort()).toEqual([0, 0, 8, 8]);
    expect(await ctl("warm --no-wait nobody", at)).toMatchObject({ status: 1 });
  });

  it.each(["warm --timeout 5 a", "warm --timeout 0s a", "drain --timeout -5s a", "top --interval 1ms", "watch --events nothing"])(
    "%s is wrong usage",
    async (args) => {
      const outcome = await ctl(args);
      expect(outcome).toMatchObject({ status: 2, stdout: "" });
      expect(outcome.stderr).toMatch(/^proxygwctl: option/);
    },
  );
});

describe("proxygwctl watch", () => {
  const telling =
    (...packets: Packet[]): Behaviour =>
    ({ id, method, body }, socket) => {
      if (method !== 26) return known({ id, method, body }, socket);
      return Buffer.concat([{ id, method: 27, body: {} }, ...packets].map((each) => codecOf("json").encode(each)));
    };

  it("prints events, until interrupted", async () => {
    await using at = await daemon("json", telling(STATE, OTHER));
    const interrupt = new AbortController();
    const printed = (text: string): void => {
      if (text.includes("database")) interrupt.abort();
    };
    expect(await ctl("watch", { ...at, interrupt: interrupt.signal, printed })).toEqual({
      status: 130,
      stdout: "T target backend inactive -> warming\nT target database inactive -> warming\n",
      stderr: "",
    });
    expect(at.requests).toEqual([{ id: 1, method: 26, body: {} }]);
  });

  it("prints those of one name as JSON, and ends quietly when nobody reads them any more", async () => {
    await using at = await daemon("json", telling(OTHER, STATE));
    const closed = new AbortController();
    const printed = (): void => {
      closed.abort();
    };
    const options = { ...at, outputClosed: closed.signal, printed };
    const outcome = await ctl("watch -o json --events target_state,hold backend", options);
    expect(outcome).toEqual({ status: 0, stdout: `${JSON.stringify(STATE.body)}\n`, stderr: "" });
    expect(at.requests[0]?.body).toEqual({ events: ["target_state", "hold"] });
  });

  it("says that there is nothing of that name", async () => {
    await using at = await daemon("json", telling());
    expect(await ctl("watch fornt", at)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('did you mean "front"') as string,
    });
  });

  it.each<[string, Behaviour, RegExp]>([
    [
      "the daemon goes away",
      ({ id }, socket) => void socket.end(codecOf("json").encode({ id, method: 27 })),
      /closed the connection/,
    ],
    ["events are lost", telling(STATE, { id: 0, method: 32770, body: {} }), /some are lost/],
    ["there is no daemon to begin with", (_request, socket) => void socket.destroy(), /closed the connection/],
  ])("fails when %s", async (_what, behave, message) => {
    await using at = await daemon("json", behave);
    const outcome = await ctl("watch", at);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(message);
  });
});

describe("proxygwctl top and completion", () => {
  it("takes a terminal", async () => {
    expect(await ctl("top")).toEqual({ status: 2, stdout: "", stderr: "proxygwctl: no terminal\n" });
  });

  it.each([
    ["", "status,flows,warm,drain,start,stop,reload,watch,top,completion"],
    ["w", "warm,watch"],
    ["--c", "--config,--codec"],
    ["--config ", ":files"],
    ["--codec ", "json,cbor"],
    ["--codec=c", "--codec=cbor"],
    ["warm ", "backend,database"],
    ["warm backend d", "database"],
    ["warm --timeout ", ""],
    ["warm --timeout 5s b", "backend"],
    ["warm --n", "--no-wait"],
    ["warm -- --n", ""],
    ["stop ", "front"],
    ["status ", "backend,database,front"],
    ["status -o y", "yaml"],
    ["flows backend ", ""],
    ["watch --events hold,re", "hold,release,hold,refusal,hold,reload"],
    ["completion ", "bash,zsh,fish"],
    ["nonsense b", ""],
  ])("completes %j with %s", async (line, words) => {
    await using at = await daemon("json", known);
    const outcome = await ctl(["__complete", ...line.split(" ")], at);
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(
      outcome.stdout
        .split("\n")
        .slice(0, -1)
        .map((each) => each.split("\t")[0])
        .join(","),
    ).toBe(words);
  });

  it("completes no names, quietly, where there is no daemon", async () => {
    expect(await ctl("__complete warm b")).toEqual({ status: 0, stdout: "", stderr: "" });
    await using at = await daemon("json", () => undefined);
    const clock = new FakeClock();
    const outcome = ctl("__complete warm b", { ...at, clock });
    while (at.requests.length === 0) await settle();
    await clock.advance(1000);
    expect(await outcome).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
