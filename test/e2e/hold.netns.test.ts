/** The first connection to a stopped service succeeds. */
import { describe, expect, it } from "vitest";
import { fewer, paced } from "../pace.ts";
import { datagrams, visit } from "./clients.ts";
import { Daemon } from "./daemon.ts";
import { onDemand, onDemandElsewhere, PYTHON, quick, together } from "./on-demand.ts";
import { BACKEND, CLIENT, CLIENT6, GATEWAY, GATEWAY6, Topology } from "./topology.ts";

const WAKES = fewer(1000);

describe("a client of a stopped service", () => {
  it("is served, whatever program it is, from elsewhere and from the gateway itself", async () => {
    await using topology = await Topology.create();
    const web = onDemand();
    const dns = onDemand({ name: "dns", mode: "dns", endpoint: "127.0.0.1:5300", listen: "0.0.0.0:53" });
    await using daemon = await Daemon.start(topology, together(web, dns));
    const seconds = paced(10);
    for (const [host, address] of [
      ["client", CLIENT],
      ["gateway", GATEWAY],
    ] as const) {
      const programs: [target: string, command: string, answer: string][] = [
        ["backend", `curl -s --max-time ${String(seconds)} http://${GATEWAY}:8088/`, address],
        ["backend", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w ${String(seconds)} ${GATEWAY} 8088 | tail -n 1`, address],
        [
          "backend",
          `${PYTHON} -c 'import urllib.request as u; print(u.urlopen("http://${GATEWAY}:8088/").read().decode())'`,
          address,
        ],
        ["dns", `dig +short +tries=1 +time=${String(seconds)} @${GATEWAY} TXT who.test`, `"${address}"`],
      ];
      for (const [target, command, answer] of programs) {
        expect(await daemon.targetState(target)).toBe("inactive");
        expect((await topology.shell(host, command)).trim(), `${host}: ${command}`).toBe(answer);
        await daemon.drain(target);
      }
    }
    expect((await visit(topology, "gateway", "127.0.0.1", 8088)).answer).toBe("127.0.0.1");
  });

  it(
    `is served each of ${String(WAKES)} times, and the service sees the client's own address`,
    { timeout: paced(400_000) },
    async () => {
      await using topology = await Topology.create();
      await using daemon = await Daemon.start(topology, onDemand());
      const visits = new Map<string, number>();
      for (let count = 0; count < WAKES; count++) {
        const { answer, outcome } = await visit(topology, "client", GATEWAY, 8088);
        const what = `${outcome} as ${answer}`;
        visits.set(what, (visits.get(what) ?? 0) + 1);
        await daemon.drain();
      }
      expect(Object.fromEntries(visits)).toEqual({ [`served as ${CLIENT}`]: WAKES });
      expect(await daemon.times("active")).toBe(WAKES);
    },
  );

  it.each([
    ["IPv4", "127.0.0.1:5300", "0.0.0.0:5353", GATEWAY, CLIENT],
    ["IPv6", `[${GATEWAY6}]:5300`, "[::]:5353", GATEWAY6, CLIENT6],
  ])(
    "sends 64 datagrams back to back over %s: each arrives once, in order",
    async (_family, endpoint, listen, address, client) => {
      await using topology = await Topology.create();
      await using daemon = await Daemon.start(topology, onDemand({ mode: "udp", endpoint, listen }));
      for (let round = 0; round < 3; round++) {
        const answers = await datagrams(topology, "client", address, 5353, 64);
        // the service numbers them as they come
        expect(answers).toEqual(Array.from({ length: 64 }, (_, n) => `${String(n)} ${client} datagram ${String(n)}`));
        await daemon.drain();
      }
      expect(await daemon.frontend()).toMatchObject({ held: 3 });
    },
  );

  it("is refused, not left waiting, once it has been held for hold.timeout", async () => {
    await using topology = await Topology.create();
    const patient = { target: { ready: { probe: "tcp", timeout: "1m" } }, frontend: { hold: { timeout: "1500ms" } } };
    const command = { target: { ready: { probe: "command", command: "false", timeout: "1m" } } };
    await using daemon = await Daemon.start(
      topology,
      together(
        onDemandElsewhere(["127.0.0.1:8080"], patient),
        onDemandElsewhere(["127.0.0.1:5300"], { ...patient, ...command, name: "udp", mode: "udp", listen: "0.0.0.0:5353" }),
        onDemandElsewhere([`${BACKEND}:8080`, "[fd77:2::2]:8080"], {
          ...patient,
          name: "dual",
          listen: ["0.0.0.0:8089", "[::]:8089"],
        }),
      ),
    );
    const begun = performance.now();
    const [tcp, local, ipv6, udp] = await Promise.all([
      visit(topology, "client", GATEWAY, 8088),
      visit(topology, "gateway", "127.0.0.1", 8088),
      visit(topology, "client", GATEWAY6, 8089),
      datagrams(topology, "client", GATEWAY, 5353, 3).then((answers) => ({ answers, ms: performance.now() - begun })),
    ]);
    for (const { outcome } of [tcp, local, ipv6]) expect(outcome).toBe("refused");
    expect(udp.answers).toEqual(["ConnectionRefusedError"]);
    for (const { ms } of [tcp, local, ipv6, udp]) {
      expect(ms).toBeGreaterThan(1490);
      expect(ms).toBeLessThan(paced(4000));
    }
    expect(await daemon.frontend()).toMatchObject({ held: 2, timed_out: 2 });
    expect(await daemon.frontend("front-udp")).toMatchObject({ held: 1, timed_out: 1 });
    // the start goes on all the same
    expect(await daemon.targetState()).toBe("warming");
  });

  it("is on record as the one who woke it", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: quick("tcp", "127.0.0.1:8080", 0.3) }));
    expect((await daemon.target())?.last_wake).toBeUndefined();
    const before = Date.now();
    await visit(topology, "client", GATEWAY, 8088);
    const wake = JSON.parse((await daemon.control("status")).stdout) as { targets: { last_wake: Record<string, unknown> }[] };
    const record = wake.targets[0]?.last_wake;
    expect(record).toMatchObject({ frontend: "front", source: expect.stringMatching(`^${CLIENT}:[0-9]+$`) as string });
    expect(record?.["took_ms"]).toBeGreaterThanOrEqual(300);
    expect(record?.["took_ms"]).toBeLessThan(Date.now() - before);
    expect(Date.parse(record?.["at"] as string)).toBeGreaterThanOrEqual(before);
    const logged = (await daemon.log()).find((line) => line["to"] === "active");
    expect(logged).toMatchObject({
      target: "backend",
      frontend: "front",
      source: record?.["source"],
      took_ms: record?.["took_ms"],
    });
  });
});
