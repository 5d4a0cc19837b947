import { argument, head, literal, prose } from "./mdoc.ts";
import type { Field, Section } from "./reference-model.ts";

const INTRODUCTION = [
  ".Sh NAME",
  ".Nm proxygw.yaml",
  ".Nd configuration of proxygw",
  ".Sh SYNOPSIS",
  ".Pa /etc/proxygw.yaml",
  ".Sh DESCRIPTION",
  "One YAML file says which services there are",
  ".Pq targets",
  "and what clients connect to",
  ".Pq frontends .",
  ".Xr proxygw 8",
  "reads it at its start and when it is told to reload;",
  ".Dl proxygw check",
  "tells every mistake in it with its place.",
  "For editors there is a schema, which",
  ".Dl proxygw schema",
  "prints, too: name its file in the first line of the configuration, as in",
  ".Dl # yaml-language-server: $schema=/usr/share/proxygw/proxygw.schema.json",
  ".Pp",
  "A duration is a number and a unit",
  ".Pq ms, s, m, h ,",
  "such as 90s or 1h30m.",
  "An address and port is 192.0.2.1:80 or [2001:db8::1]:80;",
  "the latter in quotes, since YAML takes the bracket for the beginning of a list.",
  "Names are any text without a colon.",
  "A key without a value is a key left out.",
  "Unknown keys are mistakes.",
];

const EXAMPLE = `\
version: v1
plugins:
  ctl: { socket: /run/proxygw/ctl.sock, group: proxygw }
targets:
  - name: files
    kind: static:cmd
    idle_timeout: 5m
    endpoints:
      - { name: http, protocol: tcp, address: 127.0.0.1:8080 }
    options:
      command: exec python3 -m http.server 8080 --bind 127.0.0.1
      user: nobody
frontends:
  - name: public-files
    kind: static:on-demand
    listen: 0.0.0.0:8088
    target: files:http
`;

const CLOSING = [
  ".Sh FILES",
  ".Bl -tag -width Ds",
  ".It Pa /etc/proxygw.yaml",
  "The configuration, unless",
  ".Fl -config",
  "names another.",
  "The daemon refuses a file that others could change.",
  ".It Pa /usr/share/proxygw/proxygw.schema.json",
  "Its schema.",
  ".El",
  ".Sh EXAMPLES",
  "A web server that is started by its first client, and stopped when it has been idle for five minutes:",
  ".Bd -literal -offset indent",
  ...EXAMPLE.trimEnd().split("\n").map(literal),
  ".Ed",
  ".Sh SEE ALSO",
  ".Xr proxygw 8 ,",
  ".Xr proxygwctl 8",
];

/** proxygw.yaml(5) */
export function configPage(sections: readonly Section[]): string {
  return [...head("PROXYGW.YAML", 5), ...INTRODUCTION, ...sections.flatMap(section), ...CLOSING, ""].join("\n");
}

function section({ path, description, fields }: Section): string[] {
  const heading = path === "" ? "The file" : path;
  const tags = fields.flatMap(field);
  return [
    `.Ss ${argument(heading)}`,
    ...prose(path === "" ? "At the top level there are:" : description),
    ".Bl -tag -width Ds",
    ...tags,
    ".El",
  ];
}

function field({ name, type, section: inner, isRequired, fallback, description, example }: Field): string[] {
  const presence = isRequired ? "required" : fallback === undefined ? "optional" : `default: ${fallback}`;
  const where = inner === undefined ? [] : ["see", `.Sx ${argument(inner)} .`];
  const lines = [
    `.It Ic ${name}`,
    `${literal(type)}; ${literal(presence)}${where.length > 0 ? ";" : "."}`,
    ...where,
    ".br",
    ...prose(description),
  ];
  return example === undefined || example === fallback ? lines : [...lines, `Example: ${literal(example)}`];
}
