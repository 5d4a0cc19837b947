import type { Command, Option } from "commander";
import { ALL_EVENTS } from "../../pkg/ctl/event-type.ts";

/** What could stand where the cursor is. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** Paths, which shells know best. */
export const FILES = "files";

export type Nouns = "target" | "frontend" | "name";

export interface CompletionContext {
  readonly program: Command;
  /** Names that the daemon knows; none when it can't be asked. `given`: the options of the program that stand in the line. */
  readonly names: (noun: Nouns, given: Readonly<Record<string, string>>) => Promise<readonly Candidate[]>;
}

/** What the last of `words` could be. The words before it have been typed; the first is an option or command of the program. */
export async function candidates(
  words: readonly string[],
  { program, names }: CompletionContext,
): Promise<typeof FILES | Candidate[]> {
  const line = read(program, words.slice(0, -1));
  const word = words.at(-1) ?? "";
  const { command, given, positional, pending, onlyNames } = line;
  if (pending !== undefined) return valuesOf(pending, word, "");
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  if (!onlyNames && flag !== undefined && value !== undefined) {
    const option = optionOf(program, command, flag);
    return option?.required === true ? valuesOf(option, value, `${flag}=`) : [];
  }
  if (!onlyNames && word.startsWith("-")) return starting(word, options(program, command));
  if (command === program)
    return starting(
      word,
      program.commands.map((each) => candidate(each.name(), each.description())),
    );
  const { registeredArguments: all } = command;
  const argument = all[Math.min(positional.length, all.length - 1)];
  if (argument === undefined || (positional.length >= all.length && !argument.variadic)) return [];
  if (argument.argChoices !== undefined)
    return starting(
      word,
      argument.argChoices.map((each) => candidate(each, "")),
    );
  const found = await names(argument.name() as Nouns, given);
  return starting(
    word,
    found.filter((each) => !positional.includes(each.word)),
  );
}

interface Line {
  readonly command: Command;
  /** Values of the program's own options. */
  readonly given: Readonly<Record<string, string>>;
  readonly positional: readonly string[];
  /** An option whose value comes next. */
  readonly pending: Option | undefined;
  /** After `--`. */
  readonly onlyNames: boolean;
}

function read(program: Command, words: readonly string[]): Line {
  let command = program;
  let pending: Option | undefined;
  let onlyNames = false;
  const given: Record<string, string> = {};
  const positional: string[] = [];
  const take = (option: Option, value: string): void => {
    if (program.options.includes(option)) given[option.attributeName()] = value;
  };
  for (const word of words) {
    if (pending !== undefined) {
      take(pending, word);
      pending = undefined;
    } else if (!onlyNames && word === "--") onlyNames = true;
    else if (!onlyNames && word.startsWith("-")) {
      const [, flag = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
      const option = optionOf(program, command, flag);
      if (option?.required !== true) continue;
      if (value === undefined) pending = option;
      else take(option, value);
    } else if (command === program) command = program.commands.find((each) => each.name() === word) ?? program;
    else positional.push(word);
  }
  return { command, given, positional, pending, onlyNames };
}

function optionOf(program: Command, command: Command, flag: string): Option | undefined {
  return [...command.options, ...program.options].find(({ long, short }) => long === flag || short === flag);
}

function options(program: Command, command: Command): Candidate[] {
  const both =
    command === program ? program.options : [...command.options, ...program.options.filter(({ long }) => long !== "--version")];
  return [
    ...both.map(({ long, short, description }) => candidate(long ?? short ?? "", description)),
    candidate("--help", "print help and exit"),
  ];
}

/** Of a list, the part after the last comma is completed. */
function valuesOf(option: Option, value: string, prefix: string): typeof FILES | Candidate[] {
  if (option.attributeName() === "events") {
    const before = value.slice(0, value.lastIndexOf(",") + 1);
    const rest = ALL_EVENTS.filter((each) => !before.split(",").includes(each));
    return starting(
      `${prefix}${value}`,
      rest.map((each) => candidate(`${prefix}${before}${each}`, "")),
    );
  }
  if (option.argChoices !== undefined) {
    return starting(
      `${prefix}${value}`,
      option.argChoices.map((each) => candidate(`${prefix}${each}`, "")),
    );
  }
  return ["config", "socket"].includes(option.attributeName()) && prefix === "" ? FILES : [];
}

function starting(word: string, all: readonly Candidate[]): Candidate[] {
  return all.filter((each) => each.word.startsWith(word));
}

function candidate(word: string, description: string): Candidate {
  return { word, description };
}
