/** What to say to which firewall, so that it lets this gateway's packets through. */
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Chain } from "./rules.ts";

/** Where packets are to be let through. */
export interface Opening {
  readonly to: AddrPort;
  readonly protocol: Protocol;
  /** It was sent on its way by DNAT, which rules can tell. */
  readonly isTranslated: boolean;
}

const MOST_COMMANDS = 3;

/** For the firewall that `base` belongs to; `openings`: none where any translated packet is meant. */
export function firewallRemedy(base: Chain, chains: readonly Chain[], openings: readonly Opening[]): string {
  const within = chains.filter((each) => each.family === base.family && each.table === base.table && each.legacy === base.legacy);
  const has = (pattern: RegExp): boolean => within.some(({ name }) => pattern.test(name));
  const isForward = base.base?.hook === "forward";
  const iptables = `${base.family === "ip6" ? "ip6tables" : "iptables"}${base.legacy ? "-legacy" : ""}`;
  const pages = openings.filter(({ isTranslated }) => !isTranslated);
  if (base.table === "firewalld") {
    if (pages.length > 0)
      return each(
        pages,
        ({ to, protocol }) => `firewall-cmd --permanent --add-port=${to.port}/${protocol}`,
        "firewall-cmd --reload",
      );
    const chain = isForward ? "FORWARD" : "INPUT";
    return `firewall-cmd --permanent --direct --add-rule ipv4 filter ${chain} 0 -m conntrack --ctstate DNAT -j ACCEPT && firewall-cmd --reload`;
  }
  if (has(/^ufw6?-/) && openings.length > 0) {
    return each(openings, ({ to, protocol, isTranslated }) => {
      if (!isTranslated) return `ufw allow ${to.port}/${protocol}`;
      return `ufw ${isForward ? "route " : ""}allow proto ${protocol} to ${to.address} port ${to.port}`;
    });
  }
  if (isForward && has(/^DOCKER-USER$/)) return `${iptables} -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT`;
  if (base.legacy || (base.family !== "inet" && base.name === base.name.toUpperCase())) {
    if (pages.length > 0)
      return each(pages, ({ to, protocol }) => `${iptables} -I ${base.name} -p ${protocol} --dport ${to.port} -j ACCEPT`);
    return `${iptables} -I ${base.name} -m conntrack --ctstate DNAT -j ACCEPT`;
  }
  const insert = `nft insert rule ${base.family} ${base.table} ${base.name}`;
  if (pages.length > 0) return each(pages, ({ to, protocol }) => `${insert} ${protocol} dport ${to.port} accept`);
  return `${insert} ct status dnat accept`;
}

function each(openings: readonly Opening[], command: (opening: Opening) => string, last?: string): string {
  const commands = [...new Set(openings.map(command))];
  const shown = commands.slice(0, MOST_COMMANDS);
  const more = commands.length > shown.length ? `, and so on for ${commands.length - shown.length} more` : "";
  return `${[...shown, ...(last === undefined ? [] : [last])].join(" && ")}${more}`;
}
