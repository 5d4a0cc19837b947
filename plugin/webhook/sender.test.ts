import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../pkg/clock/clock.ts";
import { paced } from "../../test/pace.ts";
import { type Outcome, Sender } from "./sender.ts";
import { parseSecrets, signedHeaders } from "./signature.ts";
import { answers, type Receiver, receiver } from "./test-receiver.ts";

const MESSAGE = { id: "msg_1", body: '{"type":"hold","text":"é"}' };
const KEYS = parseSecrets(`whsec_${Buffer.alloc(32, 5).toString("base64")}`, "file");
const PATIENT_MS = paced(10_000);

function post(url: string, options: { timeoutMs?: number; ca?: string; signal?: AbortSignal } = {}): Promise<Outcome> {
  const { timeoutMs = PATIENT_MS, ca, signal = new AbortController().signal } = options;
  return new Sender({ url: new URL(url), keys: KEYS, ca, timeoutMs, clock: systemClock }).post(MESSAGE, signal);
}

describe("an attempt", () => {
  it("posts the body, signed", async () => {
    await using server = await receiver([answers.status(204)]);
    expect(await post(`${server.url}/hooks/x?y=z`)).toEqual({ result: "delivered" });
    const [{ method, path, headers, body }] = server.received as [Receiver["received"][number]];
    expect({ method, path, body }).toEqual({ method: "POST", path: "/hooks/x?y=z", body: MESSAGE.body });
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": expect.stringMatching(/^proxygw\//) as string,
    });
    const date = new Date(Number(headers["webhook-timestamp"]) * 1000);
    expect(headers).toMatchObject(signedHeaders(MESSAGE, KEYS, date));
    expect(Math.abs(date.getTime() - Date.now())).toBeLessThan(60_000 + PATIENT_MS);
  });

  it("shows the user and password of the URL to the receiver", async () => {
    await using server = await receiver([answers.status(200)]);
    await post(server.url.replace("//", "//me:secret@"));
    expect(server.received[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`);
  });

  it.each([408, 425, 429, 500, 502, 503, 504])("with status %i may be tried again", async (status) => {
    await using server = await receiver([answers.status(status)]);
    expect(await post(server.url)).toEqual({ result: "failed", why: `status ${status}` });
  });

  it.each([400, 401, 403, 404, 410])("with status %i is of no use to try again", async (status) => {
    await using server = await receiver([answers.status(status, { "retry-after": "1" })]);
    expect(await post(server.url)).toEqual({ result: "refused", why: `status ${status}` });
  });

  it("tells how long the receiver asks to wait", async () => {
    await using server = await receiver([answers.status(429, { "retry-after": "7" })]);
    expect(await post(server.url)).toEqual({ result: "failed", why: "status 429", retryAfterMs: 7000 });
  });

  it.each([301, 302, 307, 308])(
    "does not follow a redirect (%i), and tells of its goal no more than the host",
    async (status) => {
      await using goal = await receiver([answers.status(200)]);
      await using server = await receiver([answers.status(status, { location: `${goal.url}/token` })]);
      expect(await post(server.url)).toEqual({
        result: "refused",
        why: `status ${status}: a redirect to ${goal.url}, which is not followed; change "url"`,
      });
      expect(goal.received).toEqual([]);
    },
  );

  it("ends when its time is over", async () => {
    await using server = await receiver([answers.hang]);
    expect(await post(server.url, { timeoutMs: 100 })).toEqual({ result: "failed", why: "no answer within 100ms" });
  });

  it("ends when its time is over before the connection is there", async () => {
    // a listener that accepts nobody, behind a full backlog, is not had without namespaces: this one never speaks TLS
    const server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(await post(`https://127.0.0.1:${String(port)}/`, { timeoutMs: 100 })).toMatchObject({ why: "no answer within 100ms" });
    server.close();
  });

  it("ends when it is called off", async () => {
    await using server = await receiver([answers.hang]);
    const off = new AbortController();
    const outcome = post(server.url, { signal: off.signal });
    while (server.received.length === 0) await new Promise((wake) => setImmediate(wake));
    off.abort(new Error("the daemon ends"));
    expect(await outcome).toEqual({ result: "failed", why: "the daemon ends" });
    expect(await post(server.url, { signal: off.signal })).toEqual({ result: "failed", why: "the daemon ends" });
  });

  it("has succeeded when the answer begins so, whatever becomes of the rest of it", async () => {
    await using server = await receiver([answers.hangAfterHeaders, answers.endless]);
    expect(await post(server.url, { timeoutMs: 200 })).toEqual({ result: "delivered" });
    expect(await post(server.url)).toEqual({ result: "delivered" });
  });

  it("tells of a connection that is reset, and of one that is refused", async () => {
    const server = await receiver([answers.reset]);
    expect(await post(server.url)).toMatchObject({
      result: "failed",
      why: expect.stringMatching(/ECONNRESET|hang up/) as string,
    });
    await server[Symbol.asyncDispose]();
    expect(await post(`${server.url}/token`)).toMatchObject({
      result: "failed",
      why: expect.stringMatching(/^(?!.*token).*ECONNREFUSED/) as string,
    });
  });

  it("takes no proxy from the environment", async () => {
    await using proxy = await receiver([answers.status(200)]);
    await using server = await receiver([answers.status(200)]);
    const names = ["http_proxy", "HTTP_PROXY", "NODE_USE_ENV_PROXY"];
    for (const name of names) process.env[name] = name.startsWith("NODE") ? "1" : proxy.url;
    try {
      expect(await post(server.url)).toEqual({ result: "delivered" });
    } finally {
      for (const name of names) Reflect.deleteProperty(process.env, name);
    }
    expect([server.received.length, proxy.received.length]).toEqual([1, 0]);
  });
});

describe("an attempt by https", () => {
  let directory: string;
  let cert: string;
  let key: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "proxygw-webhook-"));
    const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"];
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    execFileSync("openssl", [...made, "-keyout", keyFile, "-out", certFile, ...subject], { stdio: "ignore" });
    cert = readFileSync(certFile, "utf8");
    key = readFileSync(keyFile, "utf8");
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  it("is delivered to who has a certificate of the CA", async () => {
    await using server = await receiver([answers.status(200)], { key, cert });
    expect(await post(server.url, { ca: cert })).toEqual({ result: "delivered" });
  });

  it("tells what is wrong with the certificate, and sends nothing", async () => {
    await using server = await receiver([answers.status(200)], { key, cert });
    expect(await post(`${server.url}/token`)).toEqual({
      result: "failed",
      why:
        "the certificate of localhost is not accepted: self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT); " +
        '"ca_file" names a CA of your own',
    });
    const other = server.url.replace("localhost", "127.0.0.1");
    expect(await post(other, { ca: cert })).toMatchObject({
      why: expect.stringContaining("the certificate of 127.0.0.1 is not accepted: Hostname/IP does not match") as string,
    });
    expect(server.received).toEqual([]);
  });
});
