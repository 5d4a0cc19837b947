import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Codec } from "../../pkg/ctl/codec.ts";
import { RESPONSE_LIMIT, type RawPacket } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";

/** One connection of a test, which may do what no decent client does. */
export class TestClient implements AsyncDisposable {
  readonly socket: Socket;
  readonly #codec: Codec;
  readonly #reader: PacketReader;
  readonly #received: RawPacket[] = [];
  #ended = false;
  #notify: () => void = () => undefined;

  private constructor(socket: Socket, codec: Codec) {
    this.socket = socket;
    this.#codec = codec;
    this.#reader = new PacketReader(codec, RESPONSE_LIMIT);
  }

  static async connect(path: string, codec: Codec): Promise<TestClient> {
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, "connect");
    return new TestClient(socket, codec);
  }

  /** Begins to read; before, nothing is taken from the socket. */
  read(): this {
    this.socket.on("data", (chunk) => {
      this.#reader.write(chunk);
      for (let packet = this.#reader.read(); packet !== undefined; packet = this.#reader.read()) this.#received.push(packet);
      this.#notify();
    });
    for (const event of ["end", "error", "close"]) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#notify();
      });
    }
    return this;
  }

  send(...packets: { id: number; method: number; body?: unknown }[]): void {
    this.socket.write(Buffer.concat(packets.map((each) => this.#codec.encode(each))));
  }

  /** The next packet; undefined when the daemon has ended the stream. */
  async next(): Promise<RawPacket | undefined> {
    while (this.#received.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#notify = resolve));
    }
    return this.#received.shift();
  }

  async ask(id: number, method: number, body: unknown = {}): Promise<RawPacket | undefined> {
    this.send({ id, method, body });
    return this.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    this.socket.destroy();
    await once(this.socket, "close");
  }
}
