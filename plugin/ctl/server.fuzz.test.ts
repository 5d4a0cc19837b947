import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe } from "vitest";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { CODECS } from "../../pkg/ctl/packet.ts";
import { fuzzAsync } from "../../test/fuzz/fuzz.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import { CtlServer } from "./server.ts";
import { TestClient } from "./test-client.ts";

describe.each(CODECS)("control socket, %s", (name) => {
  const codec = codecOf(name);
  let directory: string;
  let server: CtlServer;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ctl-"));
    server = new CtlServer({ path: join(directory, "sock"), gid: undefined, codec, engine: new FakeEngine() });
    await server.start();
  });
  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const start = fc.constantFrom("", "{", "\xa3", "{}", "\xa1", '{"id":1,"method":8,"body":');
  const stream = fc.tuple(start, fc.uint8Array({ maxLength: 200 }));
  const survives = async ([head, tail]: [string, Uint8Array<ArrayBuffer>]): Promise<void> => {
    await using client = (await TestClient.connect(join(directory, "sock"), codec)).read();
    client.socket.end(Buffer.concat([Buffer.from(head, "latin1"), tail]));
    while ((await client.next()) !== undefined);
    await using other = (await TestClient.connect(join(directory, "sock"), codec)).read();
    assert.equal((await other.ask(77, Method.statusRequest))?.["method"], Method.statusResponse);
  };
  // real sockets: what the bytes mean is for the other properties
  fuzzAsync("survives any bytes, and goes on serving", stream, survives, { share: 0.002 });
});
