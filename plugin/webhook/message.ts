import { randomUUID } from "node:crypto";
import type { EngineEvent } from "../../pkg/plugin/plugin.ts";

/** What is sent for an event, as often as it takes. */
export interface Message {
  /** The same however often it is sent: a receiver knows by it what it has had already. */
  readonly id: string;
  readonly body: string;
}

/** `gateway`: the name of this machine. */
export function messageOfEvent(event: EngineEvent, gateway: string): Message {
  const { type, at: timestamp, ...data } = event;
  return { id: `msg_${randomUUID().replaceAll("-", "")}`, body: JSON.stringify({ type, timestamp, gateway, data }) };
}
