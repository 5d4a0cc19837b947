/**
 * Package value: the value types that a configuration is written in.
 *
 * Owns their text forms and nothing else: pure functions, no I/O. Each parser throws a Fault with code
 * `VALUE_INVALID` whose message says what was found and what would be accepted.
 */

export type Protocol = "tcp" | "udp";

export type Family = "ipv4" | "ipv6";
