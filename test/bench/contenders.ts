/** The ways of a connection from client to backend that the warm path is measured with; each is up only in its turn. */
import { access, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Method } from "../../pkg/ctl/method.ts";
import { fastPathProbe } from "../../pkg/dataplane/nft/fast-path.ts";
import { until } from "../e2e/daemon.ts";
import { BACKEND, GATEWAY, type Topology } from "../e2e/topology.ts";
import { GatewayDaemon } from "./gateway-daemon.ts";
import { DNAT, HAPROXY, PLAIN, PROXYGW, PROXYGW_FAST } from "./names.ts";
import { WEB_PORT } from "./web-server.ts";

export const IPERF_PORT = 5201;
/** Where the gateway's contenders listen. */
const WEB = `${GATEWAY}:${String(WEB_PORT)}`;
const IPERF = `${GATEWAY}:${String(IPERF_PORT)}`;
/**
 * proxygw's clients come to a port of the backend of their own: those of plain routing have the same addresses there, and
 * the backend would take them, whose sequence numbers the client chose for another destination, for late packets of
 * connections in TIME_WAIT, and let them wait a second.
 */
const TRANSLATED_WEB_TO = `${BACKEND}:${String(WEB_PORT + 1)}`;
const WEB_TO = `${BACKEND}:${String(WEB_PORT)}`;
const IPERF_TO = `${BACKEND}:${String(IPERF_PORT)}`;

export interface Contender {
  readonly name: string;
  /** Where clients connect to. */
  readonly host: string;
  readonly udp: boolean;
  /** Whether this kernel can. Without it, any can. */
  isPossible?(topology: Topology): Promise<boolean>;
  /** Resolves when it serves. */
  start(topology: Topology, directory: string): Promise<AsyncDisposable>;
}

const SOCKET_PROXYD = ["/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd"];

export const CONTENDERS: readonly Contender[] = [
  { name: PLAIN, host: BACKEND, udp: true, start: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }) },
  { name: DNAT, host: GATEWAY, udp: true, start: translate },
  { name: PROXYGW, host: GATEWAY, udp: true, start: (topology) => startProxygw(topology) },
  {
    name: PROXYGW_FAST,
    host: GATEWAY,
    udp: false,
    isPossible: async (topology) => {
      const probe = await topology.run("gateway", "sh", "-c", `nft -c -f - <<'END'\n${fastPathProbe("bench")}END`);
      return probe.exitCode === 0;
    },
    start: (topology) => startProxygw(topology, { dataplane: { fastpath: "on" } }),
  },
  {
    name: HAPROXY,
    host: GATEWAY,
    udp: false,
    start: async (topology, directory) => {
      const file = join(directory, "haproxy.cfg");
      await writeFile(file, haproxyConfig());
      return running(topology, [["haproxy", "-db", "-f", file]]);
    },
  },
  {
    name: "nginx stream",
    host: GATEWAY,
    udp: true,
    start: async (topology, directory) => {
      const file = join(directory, "stream.conf");
      await writeFile(file, nginxConfig(directory));
      return running(topology, [["nginx", "-e", "stderr", "-c", file]]);
    },
  },
  {
    name: "socat",
    host: GATEWAY,
    udp: true,
    start: (topology) => {
      const tcp = (port: number, to: string): string[] => [
        "socat",
        `TCP-LISTEN:${String(port)},bind=${GATEWAY},fork,reuseaddr,nodelay,backlog=4096`,
        `TCP:${to},nodelay`,
      ];
      const udp = ["socat", `UDP-LISTEN:${String(IPERF_PORT)},bind=${GATEWAY},fork,reuseaddr`, `UDP:${IPERF_TO}`];
      return running(topology, [tcp(WEB_PORT, WEB_TO), tcp(IPERF_PORT, IPERF_TO), udp]);
    },
  },
  {
    name: "systemd-socket-proxyd",
    host: GATEWAY,
    udp: false,
    start: async (topology) => {
      const program = await socketProxyd();
      // as its unit would (IgnoreSIGPIPE=, systemd.exec(5)): else a client that goes first may kill it
      const ignoring = ["sh", "-c", 'trap "" PIPE; exec "$@"', "sh"];
      const activated = (listen: string, to: string): string[] => [
        ...ignoring,
        ...["systemd-socket-activate", "-l", listen, program, to],
      ];
      return running(topology, [activated(WEB, WEB_TO), activated(IPERF, IPERF_TO)]);
    },
  },
  {
    name: "Node relay",
    host: GATEWAY,
    udp: false,
    start: (topology) => {
      const script = resolve(import.meta.dirname, "relay.ts");
      return running(topology, [[process.execPath, "--import", "tsx", script, WEB, WEB_TO, IPERF, IPERF_TO]]);
    },
  },
];

export async function socketProxyd(): Promise<string> {
  for (const path of SOCKET_PROXYD) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new Error("systemd-socket-proxyd is not there; is the package systemd installed?");
}

/** By hand, the least that sends the same packets to the same places. */
async function translate(topology: Topology): Promise<AsyncDisposable> {
  const rule = (port: number, to: string): string =>
    `add rule ip bench nat ip daddr ${GATEWAY} meta l4proto { tcp, udp } th dport ${String(port)} dnat to ${to}`;
  const chain = "add chain ip bench nat { type nat hook prerouting priority dstnat; }";
  const lines = ["add table ip bench", chain, rule(WEB_PORT, TRANSLATED_WEB_TO), rule(IPERF_PORT, IPERF_TO)];
  await topology.shell("gateway", `nft -f - <<'END'\n${lines.join("\n")}\nEND`);
  return {
    [Symbol.asyncDispose]: async () => {
      await topology.shell("gateway", "nft delete table ip bench");
    },
  };
}

async function startProxygw(topology: Topology, more: Record<string, unknown> = {}): Promise<AsyncDisposable> {
  const endpoint = (name: string, protocol: string, address: string): object => ({ name, protocol, address });
  const frontend = (name: string, listen: string): object => ({
    name,
    kind: "static:on-demand",
    listen,
    target: `backend:${name}`,
  });
  const endpoints = [
    endpoint("web", "tcp", TRANSLATED_WEB_TO),
    endpoint("iperf", "tcp", IPERF_TO),
    endpoint("udp", "udp", IPERF_TO),
  ];
  const daemon = await GatewayDaemon.start(topology, {
    targets: [{ name: "backend", kind: "static:none", endpoints }],
    frontends: [frontend("web", WEB), frontend("iperf", IPERF), frontend("udp", IPERF)],
    ...more,
  });
  try {
    await daemon.ask(Method.warmTargetRequest, { name: "backend" });
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

/** Processes of the gateway, up when both ports are. Their end says so if one of them had ended before, and why. */
async function running(topology: Topology, commands: readonly (readonly string[])[]): Promise<AsyncDisposable> {
  const children = commands.map(([file = "", ...args]) => topology.start("gateway", file, args));
  const failures: string[] = [];
  children.forEach(({ ended }, at) => {
    void ended.then(({ exitCode, stderr }) => {
      failures.push(`${commands[at]?.join(" ") ?? ""} ended with ${String(exitCode)}: ${stderr}`);
    });
  });
  const check = (): void => {
    if (failures.length > 0) throw new Error(failures.join("\n"));
  };
  const end = async (): Promise<void> => {
    // what forks for each connection leaves those behind, with the output open
    await topology.killAll("gateway");
    await Promise.all(children.map(({ ended }) => ended));
  };
  try {
    await until(`${commands[0]?.[0] ?? ""} listens`, async () => {
      check();
      const { stdout } = await topology.run("gateway", "ss", "-Hltn");
      return [WEB, IPERF].every((each) => stdout.includes(each));
    });
  } catch (error) {
    await end();
    throw error;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      try {
        check();
      } finally {
        await end();
      }
    },
  };
}

function haproxyConfig(): string {
  const listen = (name: string, from: string, to: string): string => `listen ${name}
  bind ${from}
  server backend ${to}
`;
  return `global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
${listen("web", WEB, WEB_TO)}${listen("iperf", IPERF, IPERF_TO)}`;
}

function nginxConfig(directory: string): string {
  const server = (listen: string, to: string, udp = ""): string => `server { listen ${listen}${udp}; proxy_pass ${to}; }`;
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
pid ${join(directory, "stream.pid")};
worker_processes auto;
error_log /dev/null;
events { worker_connections 4000; }
stream {
  ${server(WEB, WEB_TO)}
  ${server(IPERF, IPERF_TO)}
  ${server(IPERF, IPERF_TO, " udp")}
}
`;
}
