/**
 * Package version: which build this is.
 *
 * Owns the one constant that the bundler puts in (esbuild's `define`). Must not read files: a bundle has none beside it.
 */

declare const PROXYGW_VERSION: string | undefined;

/** The version in package.json, or "0.0.0-dev" when run from source. */
export const version: string = typeof PROXYGW_VERSION === "undefined" ? "0.0.0-dev" : PROXYGW_VERSION;
