import type { Command } from "commander";
import { Method } from "../../pkg/ctl/method.ts";
import type { CodecName } from "../../pkg/ctl/packet.ts";
import { oneLine } from "./cell-text.ts";
import { type Candidate, candidates, FILES, type Nouns } from "./completion.ts";
import { daemonStatus } from "./daemon-status.ts";
import { findEndpoint } from "./endpoint.ts";
import { Session, type Surroundings } from "./session.ts";

/** Who presses Tab does not wait longer for a daemon that hangs. */
const TIMEOUT_MS = 1000;

/** Prints what the last of `words` could be, as completion-scripts.ts wants it. What goes wrong is nothing to find. */
export async function complete(program: Command, words: readonly string[], surroundings: Surroundings): Promise<void> {
  const names = (noun: Nouns, given: Readonly<Record<string, string>>): Promise<Candidate[]> =>
    namesOf(noun, given, surroundings).catch(() => []);
  const found = await candidates(words, { program, names });
  if (found === FILES) surroundings.stdout(`:${FILES}\n`);
  else for (const { word, description } of found) surroundings.stdout(`${word}\t${oneLine(description)}\n`);
}

async function namesOf(noun: Nouns, given: Readonly<Record<string, string>>, surroundings: Surroundings): Promise<Candidate[]> {
  const { config, socket, codec } = given;
  const options = {
    ...(config === undefined ? {} : { config }),
    ...(socket === undefined ? {} : { socket }),
    ...(codec === undefined ? {} : { codec: codec as CodecName }),
  };
  const session = new Session(surroundings, () => findEndpoint(options, surroundings.files));
  const request = { method: Method.statusRequest, body: {}, timeoutMs: TIMEOUT_MS };
  const { targets, frontends } = daemonStatus(await session.ask(request));
  const described = (what: string, all: readonly { readonly name: string; readonly state: string }[]): Candidate[] =>
    all.map(({ name, state }) => ({ word: name, description: `${what}, ${state}` }));
  return [
    ...(noun === "frontend" ? [] : described("target", targets)),
    ...(noun === "target" ? [] : described("frontend", frontends)),
    // one that would break the line is nothing that a shell could complete
  ].filter(({ word }) => oneLine(word) === word);
}
