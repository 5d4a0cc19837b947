import { once } from "node:events";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../../pkg/clock/fake-clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { CODECS } from "../../pkg/ctl/packet.ts";
import { type Behaviour, ctl, daemon } from "./fake-daemon.ts";

const done: Behaviour = ({ id, method }) => ({ id, method: method + 1, body: {} });

describe.each(CODECS)("proxygwctl, %s", (codec) => {
  it("prints the status", async () => {
    const body = { closed: false, targets: [{ name: "a", endpoints: [] }] };
    await using at = await daemon(codec, ({ id }) => ({ id, method: 3, body }));
    const outcome = await ctl("status", { socket: at.socket, codec });
    expect(outcome).toEqual({ status: 0, stdout: `${JSON.stringify(body, null, 2)}\n`, stderr: "" });
    expect(at.requests).toEqual([{ id: 1, method: 2, body: {} }]);
  });

  it("prints a status far larger than a request may be", async () => {
    const body = { closed: false, filler: "x".repeat(5_000_000) };
    await using at = await daemon(codec, ({ id }) => ({ id, method: 3, body }));
    expect(JSON.parse((await ctl("status", { socket: at.socket, codec })).stdout)).toEqual(body);
  });

  it.each([
    ["warm", 8],
    ["drain", 10],
    ["start", 16],
    ["stop", 18],
  ])("%s NAME sends method %i, and is silent when it is done", async (command, method) => {
    await using at = await daemon(codec, done);
    expect(await ctl(`${command} backend`, { socket: at.socket, codec })).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(at.requests).toEqual([{ id: 1, method, body: { name: "backend" } }]);
  });

  it("reload prints a line for each thing that is not what it was", async () => {
    const body = {
      targets: {
        added: ["new"],
        removed: ["old"],
        changed: [
          { name: "backend", fields: ["endpoints", "options"], made_anew: true },
          { name: "db", fields: ["idle_timeout"] },
        ],
      },
      frontends: { changed: [{ name: "front", fields: ["listen"], made_anew: true }] },
    };
    await using at = await daemon(codec, ({ id }) => ({ id, method: 23, body }));
    const outcome = await ctl("reload", { socket: at.socket, codec });
    expect(outcome).toEqual({
      status: 0,
      stdout: `added    target new
removed  target old
changed  target backend (endpoints, options): its service was stopped
changed  target db (idle_timeout)
changed  frontend front (listen): begun again
`,
      stderr: "",
    });
    expect(at.requests).toEqual([{ id: 1, method: 22, body: {} }]);
  });

  it("reload says when nothing changed", async () => {
    await using at = await daemon(codec, ({ id }) => ({ id, method: 23, body: {} }));
    expect(await ctl("reload", { socket: at.socket, codec })).toEqual({ status: 0, stdout: "nothing changed\n", stderr: "" });
  });

  it("reload that is in force, but not whole, prints what is missing: exit status 1", async () => {
    const body = { frontends: { added: ["front"] }, failures: [{ name: "front", error: "the address is in use" }] };
    await using at = await daemon(codec, ({ id }) => ({ id, method: 23, body }));
    expect(await ctl("reload", { socket: at.socket, codec })).toEqual({
      status: 1,
      stdout: "added    frontend front\nfailed   front: the address is in use\n",
      stderr: "proxygwctl: not everything of the new configuration could be brought up\n",
    });
  });

  it("reload of a wrong file prints the report as it is: exit status 2", async () => {
    const msg = "/etc/proxygw.yaml:3:5: no\n\n1 problem";
    await using at = await daemon(codec, ({ id }) => ({ id, method: 1, body: { msg, code: "CONFIG_INVALID" } }));
    expect(await ctl("reload", { socket: at.socket, codec })).toEqual({ status: 2, stdout: "", stderr: `${msg}\n` });
  });

  it("reload that is refused otherwise: exit status 1", async () => {
    const msg = "dataplane cannot change while the daemon runs";
    await using at = await daemon(codec, ({ id }) => ({ id, method: 1, body: { msg, code: "RELOAD_NEEDS_RESTART" } }));
    expect(await ctl("reload", { socket: at.socket, codec })).toEqual({ status: 1, stdout: "", stderr: `proxygwctl: ${msg}\n` });
  });

  it("drain --force says so", async () => {
    await using at = await daemon(codec, done);
    await ctl("drain --force backend", { socket: at.socket, codec });
    expect(at.requests).toEqual([{ id: 1, method: 10, body: { name: "backend", force: true } }]);
  });

  it("says what the daemon says when it refuses", async () => {
    await using at = await daemon(codec, ({ id }) => ({ id, method: 1, body: { msg: 'there is no target "x"' } }));
    const outcome = await ctl("warm x", { socket: at.socket, codec });
    expect(outcome).toEqual({ status: 1, stdout: "", stderr: 'proxygwctl: there is no target "x"\n' });
  });

  it("waits for its own answer and passes over other packets", async () => {
    await using at = await daemon(codec, ({ id, method }) =>
      Buffer.concat(
        [
          { id: 0, method: 32768, body: { name: "f" } },
          { id: 9, method: 9 },
          { id, method: method + 1, body: {} },
        ].map((each) => codecOf(codec).encode(each)),
      ),
    );
    expect(await ctl("warm x", { socket: at.socket, codec })).toMatchObject({ status: 0, stderr: "" });
  });

  it("says plainly that the daemon speaks the other codec", async () => {
    const other = codec === "json" ? "cbor" : "json";
    await using at = await daemon(other, done);
    const outcome = await ctl("status", { socket: at.socket, codec });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe(
      `proxygwctl: the daemon speaks ${other} on ${at.socket}, but the configuration says ${codec}: ` +
        `set plugins.ctl.codec to what the daemon was started with, or restart the daemon\n`,
    );
    const told = `proxygwctl: the daemon speaks ${other} on ${at.socket}: `;
    const given = await ctl(`--codec ${codec} status`, { socket: at.socket, codec: other });
    expect(given.stderr).toBe(`${told}say --codec ${other}\n`);
    // without --codec it is JSON
    if (codec === "json") expect((await ctl(`--socket ${at.socket} status`)).stderr).toBe(`${told}add --codec cbor\n`);
  });
});

describe("proxygwctl: a daemon that does not answer", () => {
  it("there is no socket", async () => {
    const outcome = await ctl("status", { socket: "/nowhere/sock" });
    expect(outcome).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "proxygwctl: there is no socket /nowhere/sock: " +
        "proxygw is not running, has another plugins.ctl.socket, or was started with a configuration without plugins.ctl\n",
    });
  });

  it("nobody listens", async () => {
    const directory = await mkdtemp(join(tmpdir(), "proxygwctl-"));
    const path = join(directory, "sock");
    const server = createServer().listen(`${path}.bound`);
    await once(server, "listening");
    await rename(`${path}.bound`, path);
    server.close();
    await once(server, "close");
    const outcome = await ctl("status", { socket: path });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(/^proxygwctl: nobody listens on .*: proxygw is not running/);
    await rm(directory, { recursive: true });
  });

  it("status is given up after 5 s", async () => {
    const clock = new FakeClock();
    await using at = await daemon("json", () => undefined);
    const outcome = ctl("status", { socket: at.socket, clock });
    while (at.requests.length === 0) await settle();
    await clock.advance(4999);
    await clock.advance(1);
    expect(await outcome).toEqual({ status: 1, stdout: "", stderr: "proxygwctl: no answer from the daemon within 5 s\n" });
    expect(clock.sleeping).toBe(0);
  });

  it("warm and drain wait as long as it takes, until interrupted", async () => {
    for (const command of ["warm", "drain"]) {
      const clock = new FakeClock();
      const interrupt = new AbortController();
      await using at = await daemon("json", () => undefined);
      const outcome = ctl(`${command} x`, { socket: at.socket, clock, interrupt: interrupt.signal });
      while (at.requests.length === 0) await settle();
      expect(clock.sleeping).toBe(0);
      interrupt.abort();
      expect(await outcome).toEqual({ status: 130, stdout: "", stderr: "" });
    }
  });

  it.each<[string, Behaviour]>([
    ["ends the stream", (_request, socket) => void socket.end()],
    ["resets the connection", (_request, socket) => void socket.destroy()],
    ["ends it within the answer", (_request, socket) => void socket.end('{"id":1,"met')],
  ])("it %s", async (_what, behave) => {
    await using at = await daemon("json", behave);
    const outcome = await ctl("status", { socket: at.socket });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toBe("proxygwctl: the daemon closed the connection before it answered; its log may say why\n");
  });

  it.each([
    ["HTTP/1.1 400 Bad Request\r\n", "is not one of proxygw: expected a packet in JSON"],
    ['{"id":1}', 'is not one of proxygw: the packet has no "method"'],
    ['{"id":1,"method":9}', "the daemon answered method 2 with method 9: are both of the same version?"],
    ['{"id":1,"method":1}', "the daemon refused, and gave no reason"],
    ['{"id":0,"method":1,"body":{"msg":"too many"}}', "proxygwctl: too many\n"],
  ])("it answers %s", async (answer, message) => {
    await using at = await daemon("json", () => Buffer.from(answer));
    const outcome = await ctl("status", { socket: at.socket });
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr.trimEnd()).not.toContain("\n");
  });
});

describe("proxygwctl: usage", () => {
  it.each([
    "",
    "nonsense",
    "warm",
    "completion",
    "completion csh",
    "--codec xml status",
    "--nonsense",
    "status --nonsense",
    "--config",
  ])('"%s" is wrong usage: exit status 2', async (args) => {
    const outcome = await ctl(args);
    expect(outcome.status).toBe(2);
    expect(outcome.stdout).toBe("");
    expect(outcome.stderr).toMatch(args === "" ? /^Usage: proxygwctl/ : /^proxygwctl: /);
  });

  it("suggests the command that was meant", async () => {
    expect((await ctl("statsu")).stderr).toContain("(Did you mean status?)");
  });

  it("says whose help tells more", async () => {
    expect((await ctl("--nonsense")).stderr).toContain("\n(proxygwctl --help shows what there is)\n");
    expect((await ctl("statsu")).stderr).toContain("\n(proxygwctl --help shows what there is)\n");
    expect((await ctl("drain")).stderr).toContain("\n(proxygwctl drain --help shows what there is)\n");
    expect((await ctl("status -o xml")).stderr).toContain("\n(proxygwctl status --help shows what there is)\n");
  });

  it("prints version and help", async () => {
    expect(await ctl("--version")).toEqual({ status: 0, stdout: "0.0.0-dev\n", stderr: "" });
    const { status, stdout } = await ctl("--help");
    expect(status).toBe(0);
    for (const text of [
      "--config <file>",
      "/etc/proxygw.yaml",
      "status",
      "warm",
      "drain",
      "start",
      "stop",
      "Exit status",
      "130",
    ]) {
      expect(stdout).toContain(text);
    }
    expect((await ctl("warm --help")).stdout).toContain("name of the target");
  });

  it("takes the configuration file before or after the command, or the default", async () => {
    const configs: string[] = [];
    for (const args of ["status", "--config a.yaml status", "status --config=b.yaml"]) await ctl(args, { configs });
    expect(configs).toEqual(["/etc/proxygw.yaml", "a.yaml", "b.yaml"]);
  });

  it("says what is wrong with the configuration file: exit status 2", async () => {
    const outcome = await ctl("--config bad.yaml status");
    expect(outcome).toEqual({
      status: 2,
      stdout: "",
      stderr: "bad.yaml: not a configuration\n(with --socket PATH no configuration is read)\n",
    });
  });
});
