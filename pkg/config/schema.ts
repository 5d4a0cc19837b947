import type { FromSchema } from "json-schema-to-ts";

const name = { type: "string", minLength: 1, title: "name", examples: ["backend"] } as const;

const kind = (side: string, examples: readonly [string, ...string[]]) =>
  ({
    type: "string",
    title: "kind",
    description: `Kind of ${side} as namespace:name; the namespace is that of a plugin.`,
    examples,
  }) as const;

const options = (side: string) =>
  ({
    type: "object",
    description: `Options of the kind; see the description of the ${side}'s kind. Default: none.`,
  }) as const;

export const endpointSchema = {
  type: "object",
  title: "endpoint",
  description: "An address at which the target serves. It takes either address or addresses.",
  additionalProperties: false,
  required: ["name", "protocol"],
  properties: {
    name: { ...name, description: "Name of the endpoint, unique within its target; no colon.", examples: ["http"] },
    protocol: { enum: ["tcp", "udp"], title: "protocol", description: "Protocol that the endpoint speaks: tcp or udp." },
    address: {
      type: "string",
      title: "address and port",
      description: "IP address and port, such as 127.0.0.1:8080 or [2001:db8::1]:8080.",
      examples: ["127.0.0.1:8080"],
    },
    addresses: {
      type: "array",
      title: "list of addresses",
      description: "An IPv4 and an IPv6 address, each with its port: the same service reached over either family.",
      minItems: 1,
      items: {
        type: "string",
        title: "address and port",
        description: "IP address and port.",
        examples: ["127.0.0.1:8080"],
      },
      examples: [["192.0.2.10:8080", "[2001:db8::10]:8080"]],
    },
  },
} as const;

export const targetSchema = {
  type: "object",
  title: "target",
  description: "A service that is started when it is wanted and stopped when it is idle.",
  additionalProperties: false,
  required: ["name", "kind"],
  properties: {
    name: { ...name, description: "Name of the target, unique among targets; no colon." },
    kind: kind("target", ["static:cmd", "static:none"]),
    idle_timeout: {
      type: "string",
      title: "duration",
      description: "How long no flow may have been alive before the target is stopped: a Go duration above 0. Default 5m.",
      default: "5m",
      examples: ["5m", "1h30m"],
    },
    ready: {
      type: "object",
      title: "mapping",
      description: "When the target, once started, counts as ready: all its TCP endpoints have to pass the probe.",
      additionalProperties: false,
      default: {},
      properties: {
        probe: {
          enum: ["tcp", "http", "command", "none"],
          title: "probe",
          description:
            "tcp: connections are accepted; http: GET path is answered with a status of 200 to 399; command: it exits with 0; none: ready as soon as it is started. Default tcp for a kind that starts a service with a TCP endpoint, none otherwise.",
        },
        path: {
          type: "string",
          pattern: "^/[^\\s]*$",
          title: "path without white space",
          description: "For probe http: what is asked for. Default /.",
          examples: ["/health"],
        },
        command: {
          type: "string",
          minLength: 1,
          title: "command line",
          description: "For probe command: run by /bin/sh until it exits with 0. No default.",
          examples: ["pg_isready -q"],
        },
        timeout: {
          type: "string",
          title: "duration",
          description: "Not ready within this time, the start has failed: a Go duration above 0. Default 30s.",
          default: "30s",
          examples: ["30s", "5m"],
        },
      },
    },
    endpoints: {
      type: "array",
      title: "list of endpoints",
      description: "Where the target serves. Default: nowhere.",
      default: [],
      items: endpointSchema,
    },
    options: options("target"),
  },
} as const;

const blocks = (description: string, fallback: string) =>
  ({
    type: ["string", "array"],
    title: "block of addresses",
    description: `${description} A block (192.168.0.0/16, 2001:db8::/32), an address, or a list of them. Default: ${fallback}.`,
    items: {
      type: "string",
      title: "block of addresses",
      description: "A block of addresses, or one address.",
      examples: ["192.168.0.0/16"],
    },
    default: [],
    examples: ["192.168.0.0/16", ["192.168.0.0/16", "2001:db8::/32"]],
  }) as const;

export const frontendSchema = {
  type: "object",
  title: "frontend",
  description: "Addresses that clients connect to, and the endpoint that they reach there.",
  additionalProperties: false,
  required: ["name", "kind", "listen", "target"],
  properties: {
    name: { ...name, description: "Name of the frontend, unique among frontends; no colon.", examples: ["public-http"] },
    kind: kind("frontend", ["static:always", "static:http"]),
    listen: {
      type: ["string", "array"],
      title: "address and port",
      description:
        "IP address and port that clients connect to, or a list of them; 0.0.0.0 and [::] stand for all of this machine's own addresses.",
      minItems: 1,
      items: { type: "string", title: "address and port", description: "IP address and port.", examples: ["0.0.0.0:80"] },
      examples: ["0.0.0.0:80", ["0.0.0.0:80", "[::]:80"]],
    },
    protocol: {
      enum: ["tcp", "udp"],
      title: "protocol",
      description: "Protocol, tcp or udp; it has to be that of the endpoint. Default: that of the endpoint.",
    },
    flow_timeout: {
      type: "string",
      title: "duration",
      description: "How long a flow without packets stays alive: a Go duration above 0, at most 24 days (576h). Default 5m.",
      default: "5m",
      examples: ["5m", "1h30m"],
    },
    masquerade: {
      enum: ["auto", "always", "never"],
      title: "masquerade mode",
      description:
        "Whether the endpoint sees this machine's address in place of the client's: auto (only where it could not answer otherwise), always or never. Default auto.",
      default: "auto",
    },
    hold: {
      type: "object",
      title: "mapping",
      description: "How first packets wait while the target is started, with kinds that hold them.",
      additionalProperties: false,
      default: {},
      properties: {
        timeout: {
          type: "string",
          title: "duration",
          description: "How long a flow is held before it is refused: a Go duration above 0. Default 30s.",
          default: "30s",
          examples: ["30s", "2m"],
        },
        max_flows: {
          type: "integer",
          minimum: 1,
          maximum: 16384,
          title: "number of flows",
          description: "Flows held at once, 1 to 16384; further ones are dropped, so that TCP tries again. Default 1024.",
          default: 1024,
        },
      },
    },
    allow: blocks("The only addresses that may reach the frontend.", "all may"),
    deny: blocks("Addresses that may not reach the frontend, whatever allow says.", "none"),
    ignore: blocks(
      "Addresses that are served while the target is active and refused while it is not, and that keep it neither awake nor wake it, such as a monitor's.",
      "none",
    ),
    wake_limit: {
      type: "string",
      title: "rate",
      description:
        "How many new flows of one source address may wake the target, as count/duration: a bucket of so many that refills in that time. Default: no limit.",
      examples: ["5/1m"],
    },
    target: {
      type: "string",
      title: "reference",
      description: "Where flows go, as target:endpoint.",
      examples: ["backend:http"],
    },
    options: options("frontend"),
  },
} as const;

const logSchema = {
  type: "object",
  title: "mapping",
  description: "What the daemon logs, and where.",
  additionalProperties: false,
  default: {},
  properties: {
    output: {
      type: "string",
      minLength: 1,
      title: "output",
      description: "stdout, stderr, or the path of a file, which is appended to. Default stderr.",
      default: "stderr",
      examples: ["stdout", "stderr", "/var/log/proxygw.log"],
    },
    level: {
      type: "string",
      title: "log level",
      description:
        "Least severity that is written: DEBUG, INFO, WARN or ERROR in any case, with an offset if wanted (INFO+2). Default INFO.",
      default: "INFO",
      examples: ["DEBUG", "INFO", "WARN", "ERROR"],
    },
    format: {
      enum: ["text", "json"],
      title: "log format",
      description: "How a line is written: text (key=value) or json. Default text.",
      default: "text",
    },
  },
} as const;

const mark = (word: string, purpose: string, bit: number) =>
  ({
    type: "integer",
    minimum: 1,
    maximum: 0x80000000,
    title: `bit of the ${word}`,
    description: `The one bit of the ${word} that the daemon uses ${purpose}: a power of two from 0x1 to 0x80000000 that nothing else on this machine uses. Default 0x${bit.toString(16)}.`,
    default: bit,
  }) as const;

const dataplaneSchema = {
  type: "object",
  title: "mapping",
  description: "What the daemon uses of the kernel's packet filter.",
  additionalProperties: false,
  default: {},
  properties: {
    table: {
      type: "string",
      title: "table name (at most 64 letters, digits and underscores, a letter first)",
      pattern: "^[A-Za-z][A-Za-z0-9_]{0,63}$",
      description:
        "Name of the nft table (family inet) that this daemon owns: a letter, then letters, digits and underscores, at most 64 characters. Default proxygw.",
      default: "proxygw",
      examples: ["proxygw"],
    },
    queue: {
      type: "integer",
      minimum: 0,
      maximum: 65535,
      title: "number of a netfilter queue",
      description:
        "Number of the netfilter queue that held packets go to, 0 to 65535, not used by another program. Default 4080.",
      default: 4080,
    },
    masquerade_mark: mark("packet mark", "for flows that need masquerade", 0x40000000),
    queue_mark: mark("packet mark", "for packets to be held, where the kernel has no queue statement", 0x20000000),
    refuse_mark: mark("packet mark", "for packets to be refused", 0x10000000),
    ignore_mark: mark("connection mark", "for flows that the idle clock does not count", 0x40000000),
    manage_sysctls: {
      type: "boolean",
      description:
        "true: sysctls that are needed (ip_forward, route_localnet) are set, and put back at the end; false: a missing one is an error that names the command. Default true.",
      default: true,
    },
    wildcard_overlap: {
      enum: ["refuse", "specific-wins"],
      title: "overlap mode",
      description:
        "When one frontend listens on all addresses and another on one address of the same port: refuse that as a mistake, or let specific-wins give the one address to the latter. Default refuse.",
      default: "refuse",
    },
    fastpath: {
      enum: ["off", "auto", "on", "flowtable"],
      title: "fast path",
      description:
        "Established TCP flows to other machines are forwarded by a flowtable, past the chains of the packet filter, this machine's other firewall rules included: off; auto, where the kernel has flowtables; on (or flowtable), where a kernel without them is an error. What goes that way is not counted in bytes. Default off.",
      default: "off",
    },
  },
} as const;

/** The configuration file, /etc/proxygw.yaml: the one source of its types, of its checks and of configs/proxygw.schema.json. */
export const configSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "configuration",
  description: "Configuration of proxygw.",
  type: "object",
  additionalProperties: false,
  required: ["version"],
  properties: {
    version: { const: "v1", title: "version", description: "Version of this format: v1." },
    log: logSchema,
    plugins: {
      type: "object",
      title: "mapping",
      description: "Configuration of plugins, by namespace. Default: none.",
      default: {},
    },
    dataplane: dataplaneSchema,
    runtime_dir: {
      type: "string",
      pattern: "^/",
      title: "absolute path",
      description:
        "Directory for what has to outlive the daemon (output of commands, saved sysctls); it is made when missing, and the path is absolute. Default /run/proxygw.",
      default: "/run/proxygw",
      examples: ["/run/proxygw"],
    },
    on_shutdown: {
      enum: ["stop", "keep"],
      description:
        "At the daemon's end: `stop` stops the services and puts everything back; `keep` leaves services, table and settings as they are, and the next start takes them over. Default stop.",
      default: "stop",
      examples: ["keep"],
    },
    targets: {
      type: "array",
      title: "list of targets",
      description: "Services. Default: none.",
      default: [],
      items: targetSchema,
    },
    frontends: {
      type: "array",
      title: "list of frontends",
      description: "What clients connect to. Default: none.",
      default: [],
      items: frontendSchema,
    },
  },
} as const;

/** plugin.yaml: the one source of its types, of its checks and of configs/plugin.schema.json. */
export const pluginListSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "plugin list",
  description: "The plugins that are built into proxygw.",
  type: "object",
  additionalProperties: false,
  required: ["plugins"],
  properties: {
    plugins: {
      type: "object",
      title: "mapping",
      description:
        "From source to namespace, in the order in which they are loaded. A source is a folder under plugin/, or else the name of an npm package.",
      additionalProperties: {
        type: "string",
        minLength: 1,
        title: "namespace",
        description: "Namespace that the plugin's kinds and configuration go by in the configuration file, unique; no colon.",
        examples: ["static"],
      },
    },
  },
} as const;

/** A file of which the parts that its schema refuses have been taken out: anything may be missing. */
type Loose<T> = T extends readonly (infer Item)[]
  ? readonly (Loose<Item> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Loose<T[Key]> | undefined }
    : T;

export type LooseConfig = Loose<FromSchema<typeof configSchema>>;
export type LooseTarget = Loose<FromSchema<typeof targetSchema>>;
export type LooseEndpoint = Loose<FromSchema<typeof endpointSchema>>;
export type LooseFrontend = Loose<FromSchema<typeof frontendSchema>>;
export type LoosePluginList = Loose<FromSchema<typeof pluginListSchema>>;
