/** Configurations with many targets, each with a frontend on a port of its own. */
import { BACKEND, GATEWAY } from "../e2e/topology.ts";
import { FIRST_PORT } from "./web-server.ts";

interface Parts extends Record<string, unknown> {
  readonly targets: Record<string, unknown>[];
  readonly frontends: Record<string, unknown>[];
}

/** Nothing is started for these: the service runs already. */
export function runningTargets(count: number, more: { target?: object; frontend?: object } = {}): Parts {
  return parts(count, () => ({ kind: "static:none", ...more.target }), more.frontend);
}

/** As people have them, with commands; the first runs already, so that it can be woken without a start. */
export function commandTargets(count: number): Parts {
  const command = "exec sleep infinity";
  return parts(count, (at) => (at === 0 ? { kind: "static:none" } : { kind: "static:cmd", options: { command } }));
}

export function targetName(at: number): string {
  return `target-${String(at)}`;
}

function parts(count: number, target: (at: number) => object, frontend: object = {}): Parts {
  const indexes = Array.from({ length: count }, (_, at) => at);
  const port = (at: number): string => String(FIRST_PORT + at);
  return {
    targets: indexes.map((at) => ({
      name: targetName(at),
      endpoints: [{ name: "main", protocol: "tcp", address: `${BACKEND}:${port(at)}` }],
      ...target(at),
    })),
    frontends: indexes.map((at) => ({
      name: `frontend-${String(at)}`,
      kind: "static:on-demand",
      listen: `${GATEWAY}:${port(at)}`,
      target: `${targetName(at)}:main`,
      ...frontend,
    })),
  };
}
