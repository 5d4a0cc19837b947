import { createHmac } from "node:crypto";
import { Fault } from "../../pkg/fault/fault.ts";
import type { Message } from "./message.ts";

/** As the specification has it: https://www.standardwebhooks.com */
const LEAST_BYTES = 24;
const MOST_BYTES = 64;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const EXPECTED = `expected "whsec_" and ${LEAST_BYTES} to ${MOST_BYTES} bytes in base64; make one: echo "whsec_$(head -c 32 /dev/urandom | base64)"`;

/** The keys in a file's text, one a line; empty lines and those with a # in front are passed over. @throws Fault WEBHOOK_SECRET_INVALID */
export function parseSecrets(text: string, file: string): Buffer[] {
  const keys: Buffer[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const secret = line.trim();
    if (secret === "" || secret.startsWith("#")) continue;
    // the message must not tell what is there
    const [, encoded] = /^whsec_(.*)$/.exec(secret) ?? [];
    const key = encoded !== undefined && BASE64.test(encoded) ? Buffer.from(encoded, "base64") : undefined;
    if (key === undefined || key.length < LEAST_BYTES || key.length > MOST_BYTES) {
      throw new Fault("WEBHOOK_SECRET_INVALID", `line ${index + 1} of ${file} is not a secret; ${EXPECTED}`);
    }
    keys.push(key);
  }
  if (keys.length === 0) throw new Fault("WEBHOOK_SECRET_INVALID", `there is no secret in ${file}; ${EXPECTED}`);
  return keys;
}

/** The headers of Standard Webhooks. With several keys, there is a signature by each: a receiver takes the one that it can check. */
export function signedHeaders({ id, body }: Message, keys: readonly Buffer[], date: Date): Record<string, string> {
  const timestamp = String(Math.floor(date.getTime() / 1000));
  const signatures = keys.map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    ...(signatures.length > 0 ? { "webhook-signature": signatures.join(" ") } : {}),
  };
}
