import { existsSync } from "node:fs";
import { lstat, mkdtemp, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { LINGER_MS } from "./connection.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import { CtlServer } from "./server.ts";
import { TestClient } from "./test-client.ts";

const LOOK_MS = 5000;

describe("a control socket that somebody removes", () => {
  let directory: string;
  let path: string;
  let engine: FakeEngine;
  let server: CtlServer;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "ctl-"));
    path = join(directory, "sock");
    engine = new FakeEngine();
    server = new CtlServer({ path, gid: undefined, codec: codecOf("json"), engine });
    await server.start();
  });
  afterEach(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  /** Also with clients that stay. */
  async function close(): Promise<void> {
    const state = { closed: false };
    const closed = server.close().then(() => {
      state.closed = true;
    });
    const end = Date.now() + 4000;
    while (!state.closed && Date.now() < end) await engine.clock.advance(LINGER_MS);
    await closed;
  }

  async function connect(): Promise<TestClient> {
    return (await TestClient.connect(path, codecOf("json"))).read();
  }

  async function expectAnswer(client: TestClient): Promise<void> {
    expect(await client.ask(1, Method.statusRequest)).toMatchObject({ id: 1, method: Method.statusResponse });
  }

  /** Lets the server look, which takes real turns, until it sleeps again. */
  async function look(): Promise<void> {
    await engine.clock.advance(LOOK_MS);
    const end = Date.now() + 4000;
    while (engine.clock.sleeping === 0 && Date.now() < end) await new Promise((wake) => setTimeout(wake, 2));
    expect(engine.clock.sleeping).toBe(1);
  }

  function said(part: string): number {
    return engine.log.messages().filter((each) => each.includes(part)).length;
  }

  it("is made again, with its mode, and connections that exist go on", async () => {
    const client = await connect();
    await expectAnswer(client);
    await unlink(path);
    await look();
    expect((await lstat(path)).mode & 0o777).toBe(0o660);
    await expectAnswer(await connect());
    await expectAnswer(client);
    expect(said("opened it again")).toBe(1);
    await look();
    expect(said("opened it again")).toBe(1);
    await close();
    expect(existsSync(path)).toBe(false);
  });

  it("is made again over the stale socket of somebody else", async () => {
    const other = createServer();
    other.listen(`${path}.other`);
    await once(other, "listening");
    await rename(`${path}.other`, path);
    other.close();
    await once(other, "close");
    await look();
    await expectAnswer(await connect());
  });

  it("leaves alone what somebody else put there, says so once, and is back once that is gone", async () => {
    await unlink(path);
    await writeFile(path, "precious");
    await look();
    await look();
    expect(await readFile(path, "utf8")).toBe("precious");
    expect(said("somebody else removed the control socket")).toBe(1);
    await unlink(path);
    await look();
    await expectAnswer(await connect());
  });

  it("is back when its directory is back", async () => {
    await rename(directory, `${directory}.gone`);
    await look();
    expect(said("somebody else removed the control socket")).toBe(1);
    await rename(`${directory}.gone`, directory);
    await look();
    await expectAnswer(await connect());
    expect(said("opened it again")).toBe(0);
  });
});
