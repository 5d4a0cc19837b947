import type { JSONSchema } from "json-schema-to-ts";

/** For kinds that take no options. */
export const NO_OPTIONS = { type: "object", additionalProperties: false } as const satisfies JSONSchema;
