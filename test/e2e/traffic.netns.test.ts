/** Real clients through the gateway, on every path that a packet can take. */
import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { BACKEND, BACKEND6, CLIENT, CLIENT6, GATEWAY, GATEWAY6, GATEWAY_INNER, type Host, Topology } from "./topology.ts";

const SERVICE = resolve(import.meta.dirname, "service.py");

/** A target that runs the test's service on the gateway, wanted always through `listen`. */
function local(protocol: "tcp" | "udp", endpoint: string, listen: string | string[], frontend: Record<string, unknown> = {}) {
  const separator = endpoint.lastIndexOf(":");
  const address = endpoint.slice(0, separator).replaceAll(/[[\]]/g, "");
  const command = `exec python3 ${SERVICE} ${protocol} ${address} ${endpoint.slice(separator + 1)}`;
  return {
    targets: [
      { name: "backend", kind: "static:cmd", endpoints: [{ name: "main", protocol, address: endpoint }], options: { command } },
    ],
    frontends: [{ name: "front", kind: "static:always", listen, target: "backend:main", ...frontend }],
  };
}

/** A target that is not the daemon's to start. */
function remote(protocol: "tcp" | "udp", addresses: string[], listen: string | string[], frontend: Record<string, unknown> = {}) {
  return {
    targets: [{ name: "backend", kind: "static:none", endpoints: [{ name: "main", protocol, addresses }] }],
    frontends: [{ name: "front", kind: "static:always", listen, target: "backend:main", ...frontend }],
  };
}

describe("traffic", () => {
  let topology: Topology;
  let daemon: Daemon | undefined;

  beforeEach(async () => {
    topology = await Topology.create();
  });
  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
    await topology[Symbol.asyncDispose]();
  });

  async function started(config: Record<string, unknown>): Promise<Daemon> {
    daemon = await Daemon.start(topology, config);
    await until("the target is active", async () => (await daemon?.targetState()) === "active");
    return daemon;
  }

  async function service(host: Host, protocol: "tcp" | "udp", address: string, port: number): Promise<void> {
    topology.start(host, "python3", [SERVICE, protocol, address, String(port)]);
    const flag = protocol === "tcp" ? "-ltn" : "-lun";
    await until("the service listens", async () => (await topology.run(host, "ss", flag)).stdout.includes(`:${String(port)}`));
  }

  /** What the service says of its client's address; empty when there was no answer. */
  async function get(host: Host, url: string, tries = 50): Promise<string> {
    // a process may not have bound its socket yet when its target counts as active
    const { stdout } = await topology.run(
      host,
      "curl",
      "-sg",
      "--max-time",
      String(paced(3)),
      "--retry",
      String(tries),
      "--retry-delay",
      "0",
      "--retry-connrefused",
      "--retry-max-time",
      String(paced(5)),
      url,
    );
    return stdout;
  }

  async function refused(host: Host, url: string): Promise<void> {
    const { exitCode } = await topology.run(host, "curl", "-sg", "--max-time", "3", url);
    expect(exitCode).not.toBe(0);
  }

  async function datagram(host: Host, address: string, port: number): Promise<string> {
    const script = `import socket,sys
s=socket.socket(socket.AF_INET6 if ":" in "${address}" else socket.AF_INET,socket.SOCK_DGRAM)
s.settimeout(0.3)
for i in range(10):
  try:
    s.sendto(b"ping",("${address}",${String(port)}));print(s.recvfrom(100)[0].decode());break
  except (TimeoutError, ConnectionError): pass`;
    return (await topology.run(host, "python3", "-c", script)).stdout.trim();
  }

  it("carries TCP to a service on the gateway's loopback address, with the client's own address", async () => {
    await started(local("tcp", "127.0.0.1:8080", "0.0.0.0:8088"));
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(CLIENT);
    // also through an address on the far side, and from the gateway itself
    expect(await get("client", `http://${GATEWAY_INNER}:8088/`)).toBe(CLIENT);
    expect(await get("gateway", `http://${GATEWAY}:8088/`)).toBe(GATEWAY);
    expect(await get("gateway", "http://127.0.0.1:8088/")).toBe("127.0.0.1");
  });

  it("carries UDP to a service on the gateway's loopback address", async () => {
    await started(local("udp", "127.0.0.1:5300", "0.0.0.0:53"));
    expect(await datagram("client", GATEWAY, 53)).toBe(`${CLIENT} ping`);
    expect(await datagram("gateway", GATEWAY, 53)).toBe(`${GATEWAY} ping`);
    expect(await datagram("gateway", "127.0.0.1", 53)).toBe("127.0.0.1 ping");
  });

  it("carries TCP over IPv6 to a service on the gateway", async () => {
    await started(local("tcp", `[${GATEWAY6}]:8080`, "[::]:8088"));
    expect(await get("client", `http://[${GATEWAY6}]:8088/`)).toBe(CLIENT6);
    expect(await get("gateway", `http://[${GATEWAY6}]:8088/`)).toBe(GATEWAY6);
  });

  it("carries local IPv6 loopback clients to an IPv6 loopback endpoint", async () => {
    await started(local("tcp", "[::1]:8080", "[::1]:8088"));
    expect(await get("gateway", "http://[::1]:8088/")).toBe("::1");
  });

  it("carries UDP over IPv6", async () => {
    await started(local("udp", `[${GATEWAY6}]:5300`, "[::]:53"));
    expect(await datagram("client", GATEWAY6, 53)).toBe(`${CLIENT6} ping`);
  });

  it("carries TCP and UDP to another machine, for clients elsewhere and on the gateway", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    await started(remote("tcp", [`${BACKEND}:8080`], "0.0.0.0:8088"));
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(CLIENT);
    expect(await get("gateway", `http://${GATEWAY}:8088/`)).toBe(GATEWAY);
    // 127.0.0.1 means nothing to another machine: the gateway's own address instead
    expect(await get("gateway", "http://127.0.0.1:8088/")).toBe(GATEWAY_INNER);
  });

  it("carries UDP to another machine", async () => {
    await service("backend", "udp", BACKEND, 5300);
    await started(remote("udp", [`${BACKEND}:5300`], "0.0.0.0:53"));
    expect(await datagram("client", GATEWAY, 53)).toBe(`${CLIENT} ping`);
    expect(await datagram("gateway", "127.0.0.1", 53)).toBe(`${GATEWAY_INNER} ping`);
  });

  it("maps each family of a dual-stack frontend to the endpoint's address of that family", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    await service("backend", "tcp", BACKEND6, 8080);
    await started(remote("tcp", [`${BACKEND}:8080`, `[${BACKEND6}]:8080`], ["0.0.0.0:8088", "[::]:8088"]));
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(CLIENT);
    expect(await get("client", `http://[${GATEWAY6}]:8088/`)).toBe(CLIENT6);
    expect(await get("gateway", `http://[${GATEWAY6}]:8088/`)).toBe(GATEWAY6);
  });

  it("hides the client's address when told to, and never otherwise", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    await started(remote("tcp", [`${BACKEND}:8080`], "0.0.0.0:8088", { masquerade: "always" }));
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(GATEWAY_INNER);
  });

  it("masquerades by itself for a client on the target's own network, and only there", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    // a second host address on the backend's link stands for a neighbour of the target
    await started(remote("tcp", [`${BACKEND}:8080`], `${GATEWAY_INNER}:8088`));
    expect(await get("backend", `http://${GATEWAY_INNER}:8088/`)).toBe(GATEWAY_INNER);
    expect(await get("client", `http://${GATEWAY_INNER}:8088/`)).toBe(CLIENT);
  });

  it("leaves alone what only passes through, and forwards nothing but its own flows", async () => {
    await service("backend", "tcp", BACKEND, 8088);
    await topology.shell("gateway", "sysctl -qw net.ipv4.ip_forward=1");
    await started(local("tcp", "127.0.0.1:8080", "0.0.0.0:8088"));
    // to the backend's own port 8088, not to the gateway's wildcard
    expect(await get("client", `http://${BACKEND}:8088/`)).toBe(CLIENT);
    const log = await topology.run("gateway", "conntrack", "-L", "-p", "tcp", "--dst", BACKEND);
    expect(log.stdout).toContain(`src=${BACKEND} dst=${CLIENT}`);
  });

  it("does not turn the machine into a router when it has to forward", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    await service("backend", "tcp", BACKEND, 9999);
    await started(remote("tcp", [`${BACKEND}:8080`], "0.0.0.0:8088"));
    expect(await topology.shell("gateway", "sysctl -n net.ipv4.ip_forward")).toBe("1");
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(CLIENT);
    await refused("client", `http://${BACKEND}:9999/`);
    await refused("client", `http://${BACKEND}:8080/`);
  });

  it("keeps 127.0.0.0/8 closed to other hosts but for its own mappings", async () => {
    await service("gateway", "tcp", "127.0.0.1", 9999);
    await started(local("tcp", "127.0.0.1:8080", "0.0.0.0:8088"));
    expect(await topology.shell("gateway", "sysctl -n net.ipv4.conf.all.route_localnet")).toBe("1");
    await topology.shell(
      "client",
      `ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1/32 via ${GATEWAY}; sysctl -qw net.ipv4.conf.all.route_localnet=1`,
    );
    await refused("client", "http://127.0.0.1:9999/");
    await refused("client", "http://127.0.0.1:8080/");
    expect(await get("client", `http://${GATEWAY}:8088/`)).toBe(CLIENT);
  });

  it("lets a specific address win over a wildcard where that is asked for", async () => {
    await service("backend", "tcp", BACKEND, 8080);
    const wild = local("tcp", "127.0.0.1:8080", "0.0.0.0:8088");
    const specific = remote("tcp", [`${BACKEND}:8080`], `${GATEWAY}:8088`);
    await started({
      dataplane: { wildcard_overlap: "specific-wins" },
      targets: [...wild.targets, { ...specific.targets[0], name: "other" }],
      frontends: [...wild.frontends, { ...specific.frontends[0], name: "specific", target: "other:main" }],
    });
    const servedBy = async (address: string): Promise<string> =>
      (
        await topology.run(
          "client",
          "curl",
          "-s",
          "-o",
          "/dev/null",
          "-w",
          "%{http_code}",
          "--max-time",
          String(paced(3)),
          "--retry",
          "20",
          "--retry-delay",
          "0",
          "--retry-connrefused",
          `http://${address}:8088/`,
        )
      ).stdout;
    expect(await servedBy(GATEWAY)).toBe("200");
    expect(await servedBy(GATEWAY_INNER)).toBe("200");
    const flows = async (endpoint: string): Promise<number> =>
      (await topology.run("gateway", "conntrack", "-L", "-p", "tcp", "--reply-src", endpoint)).stdout
        .split("\n")
        .filter((line) => line.includes("dport=8088")).length;
    expect(await flows(BACKEND)).toBe(1);
    expect(await flows("127.0.0.1")).toBe(1);
  });
});
