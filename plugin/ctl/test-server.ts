/** A control socket with a fake engine behind it, for one test. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../pkg/clock/clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method } from "../../pkg/ctl/method.ts";
import type { CodecName } from "../../pkg/ctl/packet.ts";
import type { Status } from "../../pkg/plugin/plugin.ts";
import { LINGER_MS } from "./connection.ts";
import { FakeEngine } from "./fake-engine.ts";
import { CtlServer } from "./server.ts";
import { TestClient } from "./test-client.ts";

export const STATUS: Status = {
  closed: false,
  targets: [
    {
      name: "backend",
      kind: "static:none",
      state: "inactive",
      since: "2026-01-01T00:00:00.000Z",
      idle_timeout_ms: 300_000,
      endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:80" }],
    },
  ],
};

interface Setup extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly server: CtlServer;
  connect(): Promise<TestClient>;
  /** Shows that somebody else is still served. */
  expectServed(): Promise<void>;
}

export async function setUp(codec: CodecName = "json"): Promise<Setup> {
  const directory = await mkdtemp(join(tmpdir(), "ctl-"));
  const path = join(directory, "sock");
  const engine = new FakeEngine();
  engine.current = STATUS;
  const server = new CtlServer({ path, gid: undefined, codec: codecOf(codec), engine });
  await server.start();
  const connect = (): Promise<TestClient> => TestClient.connect(path, codecOf(codec));
  return {
    engine,
    server,
    connect,
    async expectServed() {
      await using other = (await connect()).read();
      assert.equal((await other.ask(77, Method.statusRequest))?.["method"], Method.statusResponse);
    },
    async [Symbol.asyncDispose]() {
      const closed = server.close();
      for (let turn = 0; turn < 20; turn++) await engine.clock.advance(LINGER_MS);
      await closed;
      await rm(directory, { recursive: true });
    },
  };
}

/** Real sockets take real turns of the event loop: waits, for a bounded time, until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 4000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`still not so: ${condition.toString()}`);
    await systemClock.sleep(2);
  }
}
