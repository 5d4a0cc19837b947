import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Fault } from "../../pkg/fault/fault.ts";
import { parseSecrets } from "./signature.ts";
import type { HookConfig } from "./webhook-config.ts";

/** The keys for a hook's signatures; none where it has no file of secrets. @throws Fault WEBHOOK_FILE_UNREADABLE, WEBHOOK_SECRET_INVALID */
export async function keysOf({ secret_file: file }: HookConfig): Promise<Buffer[]> {
  return file === undefined ? [] : parseSecrets(await contentOf(file), file);
}

/** Those who may vouch for its receiver, in PEM. @throws Fault WEBHOOK_FILE_UNREADABLE, WEBHOOK_CA_INVALID */
export async function certificatesOf({ ca_file: file }: HookConfig): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const ca = await contentOf(file);
  try {
    // TLS passes over what it cannot read, and would say so only with the first message
    const found = ca.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
    if (found.length === 0) throw new Error("there is none in it");
    for (const each of found) new X509Certificate(each);
  } catch (error) {
    throw new Fault("WEBHOOK_CA_INVALID", `${file} has no certificates in PEM that can be used`, { cause: error });
  }
  return ca;
}

async function contentOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw new Fault("WEBHOOK_FILE_UNREADABLE", `cannot read ${file}`, { cause: error });
  });
}
