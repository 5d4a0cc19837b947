import { networkInterfaces } from "node:os";

/** Whether this machine has `address` now. */
export function isLocal(address: string): boolean {
  if (address.startsWith("127.") || address === "::1") return true;
  return Object.values(networkInterfaces()).some((infos) => infos?.some((info) => info.address === address));
}
