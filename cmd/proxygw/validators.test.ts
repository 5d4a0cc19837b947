import { describe, expect, it } from "vitest";
import { namedSchemas } from "../../pkg/config/named-schemas.ts";
import { fingerprint, useCompiled, validate } from "../../pkg/config/validate.ts";
import { registrations } from "./plugins.gen.ts";
import { compiledSchemas } from "./validators.gen.ts";

const subject = (path: readonly (string | number)[]): string => path.join(".");

const WRONG: readonly unknown[] = [
  {},
  [],
  "text",
  { verson: "v1" },
  { version: "v2", log: { format: "xml", levl: 1 }, dataplane: { table: "a b", queue: 1e9 }, runtime_dir: "here" },
  {
    version: "v1",
    targets: [{ name: "", endpoints: [{ protocol: "sctp" }] }, 7],
    frontends: [{ listen: [], hold: { max_flows: 0 } }],
  },
  { command: "", socket: 5, listen: "", hooks: [{ url: 1 }], content: {}, codec: "xml", stop_timeout: 3 },
];

/** Copies, since what is refused is taken out. */
function results(schema: Parameters<typeof fingerprint>[0]): unknown[] {
  return WRONG.map((each) => {
    const value = structuredClone(each);
    return { refusals: validate(value, schema, subject), value };
  });
}

describe("schemas compiled at build time", () => {
  const schemas = namedSchemas(registrations);

  it("are all there, and of the schemas as they are", () => {
    expect(Object.fromEntries(Object.entries(compiledSchemas).map(([name, each]) => [name, each.fingerprint]))).toEqual(
      Object.fromEntries([...schemas].map(([name, schema]) => [name, fingerprint(schema)])),
    );
  });

  it.each([...schemas])("say what those say that are compiled at the start: %s", (name, schema) => {
    const fresh = structuredClone(schema);
    const own = structuredClone(schema);
    useCompiled(new Map([[name, own]]), compiledSchemas);
    expect(results(own)).toEqual(results(fresh));
    expect(results(own).some((each) => JSON.stringify(each).includes("message"))).toBe(true);
  });

  it("are not used for a schema that has changed since", () => {
    const changed = { type: "object", required: ["new"], properties: { new: {} } };
    useCompiled(new Map([["configuration", changed]]), compiledSchemas);
    expect(validate({ new: 1 }, changed, subject)).toEqual([]);
    expect(validate({}, changed, subject)).toHaveLength(1);
  });
});
