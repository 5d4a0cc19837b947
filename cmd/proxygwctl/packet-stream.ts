import { connect } from "node:net";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { parsePacket, RESPONSE_LIMIT, type Packet } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * Sends packets over a connection of its own, and gives those that come, until the daemon ends the stream. Nothing is read from it
 * while nobody asks for the next one. The connection is closed when the caller stops.
 * @throws Fault CTL_*, system errors of the connection, the signal's reason
 */
export async function* packetStream(
  { socket: path, codec: name }: Endpoint,
  packets: readonly Packet[],
  signal: AbortSignal,
): AsyncGenerator<Packet> {
  signal.throwIfAborted();
  const codec = codecOf(name);
  const reader = new PacketReader(codec, RESPONSE_LIMIT);
  const socket = connect(path);
  // those that matter come out of the iteration
  socket.on("error", () => undefined);
  const abort = (): void => {
    socket.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", abort);
  try {
    for (const packet of packets) socket.write(codec.encode(packet));
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      reader.write(chunk);
      for (let raw = reader.read(); raw !== undefined; raw = reader.read()) yield parsePacket(raw);
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}
