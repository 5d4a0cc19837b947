/** This machine's interfaces and routes, as os.networkInterfaces() and `ip -j` tell them. */
import type { Family } from "../value/protocol.ts";
import { addressRange } from "./address-range.ts";
import { parseCidr } from "../value/cidr.ts";

export interface InterfaceAddress {
  readonly name: string;
  readonly address: string;
  readonly family: Family;
  /** Of its network: "192.0.2.1/24". */
  readonly block: string;
}

/** How a packet of this machine gets to an address. */
export interface WayTo {
  readonly device: string;
  /** undefined: it is a neighbour. */
  readonly gateway: string | undefined;
}

export interface Network {
  readonly addresses: readonly InterfaceAddress[];
  /** By endpoint address; "none": there is no route. Missing: it could not be found out. */
  readonly ways: ReadonlyMap<string, WayTo | "none">;
  readonly areRoutesKnown: boolean;
  /** Default routes. */
  readonly defaults: readonly (WayTo & { readonly family: Family })[];
  /** Bridges, and whether rules of IP see what they bridge. */
  readonly bridges: ReadonlySet<string>;
  readonly bridgeCallsIptables: boolean;
  /** Interfaces with a strict source check (rp_filter 1, of itself or of all). */
  readonly strict: ReadonlySet<string>;
}

/** Answer of `ip -j route get` or `ip -j route show`; entries that cannot be read are left out. */
export function parseRoutes(text: string): WayTo[] {
  let routes: unknown;
  try {
    routes = JSON.parse(text === "" ? "[]" : text);
  } catch {
    return [];
  }
  return (Array.isArray(routes) ? (routes as unknown[]) : []).flatMap((route) => {
    const { dev, gateway } = route as { dev?: unknown; gateway?: unknown };
    if (typeof dev !== "string") return [];
    return [{ device: dev, gateway: typeof gateway === "string" ? gateway : undefined }];
  });
}

/** Whether `address` is in one of the interface's own networks. */
export function isNeighbour(addresses: readonly InterfaceAddress[], device: string, address: string): boolean {
  const number = addressRange(address)?.[0];
  return addresses.some(({ name, block, family }) => {
    const [own = "", length = ""] = block.split("/");
    const first = addressRange(own)?.[0];
    if (name !== device || number === undefined || first === undefined || !/^\d+$/.test(length)) return false;
    if (family !== parseCidr(address).family) return false;
    const size = 1n << BigInt((family === "ipv4" ? 32 : 128) - Number(length));
    return first / size === number / size;
  });
}

/** Interfaces that containers and virtual machines of this machine are behind. */
export function isInner(name: string): boolean {
  return /^(?:lo$|docker\d|br-[0-9a-f]{12}$|podman\d|cni|cali|flannel|virbr\d|lxcbr\d|lxdbr\d|veth|vnet\d|tap\d)/.test(name);
}
