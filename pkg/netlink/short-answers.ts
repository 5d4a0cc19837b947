import { eachMessage, type Message } from "./message.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Of questions that are answered in one message. */
const ANSWER_BYTES = 1024;

/**
 * Calls `visit` for all messages that are there: the kernel has answered when a question was sent. Their data is valid during the call
 * only. @throws what `visit` does, Fault named after errno
 */
export function eachAnswer(socket: NetlinkSocket, visit: (message: Message, data: Buffer) => void): void {
  const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
  for (let length = socket.receive(buffer); length !== undefined; length = socket.receive(buffer)) {
    eachMessage(buffer.subarray(0, length), (message) => {
      visit(message, buffer);
    });
  }
}
