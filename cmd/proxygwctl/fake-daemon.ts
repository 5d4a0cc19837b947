/** A daemon that answers as a test says. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { type CodecName, type Packet, parsePacket } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";
import { Fault } from "../../pkg/fault/fault.ts";
import { run } from "./cli.ts";
import { NO_COLOURS } from "./style.ts";

interface Daemon extends AsyncDisposable {
  readonly socket: string;
  readonly requests: Packet[];
}

/** undefined: no answer at all. */
export type Behaviour = (request: Packet, socket: Socket) => Packet | Buffer | undefined;

export async function daemon(codec: CodecName, behave: Behaviour): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), "proxygwctl-"));
  const path = join(directory, "sock");
  const requests: Packet[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = new PacketReader(codecOf(codec), 1000);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      try {
        reader.write(chunk);
        for (let raw = reader.read(); raw !== undefined; raw = reader.read()) {
          const request = parsePacket(raw);
          requests.push(request);
          const answer = behave(request, socket);
          if (answer !== undefined) socket.write(Buffer.isBuffer(answer) ? answer : codecOf(codec).encode(answer));
        }
      } catch (error) {
        socket.write(codecOf(codec).encode({ id: 0, method: 1, body: { msg: (error as Fault).message } }));
      }
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    socket: path,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      await rm(directory, { recursive: true });
    },
  };
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly socket?: string;
  readonly codec?: CodecName;
  readonly clock?: FakeClock;
  readonly interrupt?: AbortSignal;
  readonly configs?: string[];
  readonly isTerminal?: boolean;
  readonly columns?: number;
  readonly outputClosed?: AbortSignal;
  /** Is told what was printed so far. */
  readonly printed?: (stdout: string) => void;
}

export async function ctl(args: string | readonly string[], options: Options = {}): Promise<Outcome> {
  let stdout = "";
  let stderr = "";
  const status = await run(typeof args !== "string" ? args : args === "" ? [] : args.split(" "), {
    stdout: (text) => {
      stdout += text;
      options.printed?.(stdout);
    },
    stderr: (text) => (stderr += text),
    flushed: () => Promise.resolve(),
    outputClosed: options.outputClosed ?? new AbortController().signal,
    heedOutput: () => Promise.resolve(() => undefined),
    isTerminal: options.isTerminal ?? false,
    columns: options.columns ?? Infinity,
    style: NO_COLOURS,
    openTerminal: () => Promise.reject(new Fault("NO_TERMINAL", "no terminal")),
    clock: options.clock ?? new FakeClock(),
    interrupt: options.interrupt ?? new AbortController().signal,
    files: {
      readConfig: (path) => {
        options.configs?.push(path);
        if (path === "secret.yaml") return Promise.reject(new Fault("CONFIG_FORBIDDEN", "secret.yaml: no permission"));
        if (path === "bad.yaml") return Promise.reject(new Fault("CONFIG_INVALID", "bad.yaml: not a configuration"));
        return Promise.resolve({ socket: options.socket ?? "/nowhere/sock", codec: options.codec ?? "json" });
      },
      exists: () => false,
    },
  });
  return { status, stdout, stderr };
}
