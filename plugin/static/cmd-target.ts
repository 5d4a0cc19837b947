import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import type { TargetKind } from "../../pkg/plugin/plugin.ts";
import { OutputTail } from "../../pkg/process/output-tail.ts";
import type { Command, CommandExit } from "../../pkg/process/process.ts";
import type { TargetContext, TargetHandler } from "../../pkg/target/handler.ts";
import { Accounts } from "./accounts.ts";
import { examineCommand } from "./cmd-examine.ts";
import { checkCmdOptions, CMD_OPTIONS, parseSignal, parseStopTimeout } from "./cmd-options.ts";
import type { CmdOptions } from "./cmd-options.ts";
import { CommandRecord } from "./command-record.ts";

/** Between two looks whether a group is gone: the kernel tells of the end of its leader only. */
const FIRST_LOOK_MS = 2;
const LAST_LOOK_MS = 20;

/** What SIGKILL does not end within ten seconds waits in the kernel (a dead disk or NFS server) and may do so for ever. */
const KILL_TRIES = 10;
const KILL_TRY_MS = 1000;

/** For what comes after: the rest of the output. */
const END_MS = 5000;

/** Between two tries to write down which process the command is: a disk that is full now may have room later. */
const RECORD_MS = 5000;

/** Of the output, for the message that says how the command ended. */
const LINES_TOLD = 3;
const TOLD_LENGTH = 200;

interface Run {
  readonly command: Command;
  readonly tail: OutputTail;
  /** Aborted when it need not be written down any more. */
  readonly unrecorded: AbortController;
  /** Under way or done; undefined while it runs, and after a stop that failed. */
  stopping: Promise<void> | undefined;
}

/** A shell command, with all processes that it starts. */
export class CmdTarget implements TargetHandler {
  readonly #context: TargetContext<CmdOptions>;
  #options: CmdOptions;
  #run: Run | undefined;

  constructor(context: TargetContext<CmdOptions>) {
    this.#context = context;
    this.#options = context.options;
  }

  // made when they are needed: of thousands of commands, few ever are
  get #output(): string {
    return join(this.#context.directory, "output");
  }

  get #record(): CommandRecord {
    return new CommandRecord(join(this.#context.directory, "command.json"));
  }

  get stopLimitMs(): number {
    return parseStopTimeout(this.#options.stop_timeout) + KILL_TRIES * KILL_TRY_MS + END_MS;
  }

  async warm(signal: AbortSignal): Promise<void> {
    // processes of a command that died by itself may still be stopping
    await this.#stop();
    signal.throwIfAborted();
    const run = await this.#start();
    this.#run = run;
    const ended = await Promise.race([run.command.exited, Promise.resolve(undefined)]);
    if (ended === undefined && !signal.aborted) {
      void this.#watch(run);
      return;
    }
    await this.#stop();
    signal.throwIfAborted();
    if (ended !== undefined) throw exitFault(ended, run.tail);
  }

  drain(): Promise<void> {
    return this.#stop();
  }

  close(): Promise<void> {
    return this.#stop();
  }

  /** How it is stopped, it need not be told at its start. */
  reconfigure(options: unknown): (() => void) | undefined {
    const next = options as CmdOptions;
    if (!isDeepStrictEqual(startOptions(this.#options), startOptions(next))) return undefined;
    return () => {
      this.#options = next;
    };
  }

  async detach(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    if (!run.unrecorded.signal.aborted) this.#write(run.command);
    run.unrecorded.abort();
    // whoever comes next looks after it
    run.stopping = Promise.resolve();
    await run.tail.close().catch(() => undefined);
  }

  async adopt(): Promise<boolean> {
    const { clock, commands, log } = this.#context;
    const recorded = this.#record.read(log);
    const command = recorded === undefined ? undefined : commands.adopt(recorded.identity, clock);
    if (recorded === undefined || command === undefined) {
      this.#record.remove();
      await this.#stopUnrecorded();
      return false;
    }
    const tail = this.#newTail();
    await tail.start("end");
    const run: Run = { command, tail, unrecorded: new AbortController(), stopping: undefined };
    run.unrecorded.abort();
    this.#run = run;
    if (!recorded.isOf(startOptions(this.#options))) {
      log.warn("stopping the command of a former configuration, which a daemon that is no more had started", {
        pid: command.pid,
      });
      await this.#stop();
      return false;
    }
    log.info("found the command still running", { pid: command.pid });
    void this.#watch(run);
    return true;
  }

  /** What a daemon started that was killed before it could write down what: with which options, nobody knows. */
  async #stopUnrecorded(): Promise<void> {
    const { clock, commands, log } = this.#context;
    for (const identity of commands.writingTo(this.#output)) {
      const command = commands.adopt(identity, clock);
      if (command === undefined) continue;
      log.warn("stopping a command that a daemon which is no more had just started", { pid: command.pid });
      this.#run = { command, tail: this.#newTail(), unrecorded: new AbortController(), stopping: undefined };
      await this.#stop();
    }
  }

  #newTail(): OutputTail {
    const { clock, log, name } = this.#context;
    const onLine = (line: string): void => {
      if (line !== "") log.info(line, { target: name, stream: "output" });
    };
    return new OutputTail({ path: this.#output, clock, onLine });
  }

  async #start(): Promise<Run> {
    const { commands, log } = this.#context;
    const options = this.#options;
    const { env, ...account } = Accounts.ofSystem().account(options.user, options.group);
    const tail = this.#newTail();
    const output = await tail.start().then(
      () => this.#output,
      (error: unknown) => {
        // a service without its output is better than none
        log.warn("the command's output goes nowhere: the file for it cannot be made", { error: messageOf(error) });
        return "/dev/null";
      },
    );
    try {
      const command = await commands.start({
        argv: ["/bin/sh", "-c", options.command],
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...env, ...options.env },
        ...account,
        output,
      });
      log.debug("command started", { pid: command.pid });
      const run: Run = { command, tail, unrecorded: new AbortController(), stopping: undefined };
      const failure = this.#write(command);
      if (failure === undefined) run.unrecorded.abort();
      else {
        log.warn(
          "could not write down which process the command is; after a crash it would not be found again, until that succeeds",
          {
            error: messageOf(failure),
          },
        );
        void this.#writeLater(run);
      }
      return run;
    } catch (error) {
      await this.#endOutput(tail);
      throw error;
    }
  }

  #write({ identity }: Command): unknown {
    return identity === undefined ? undefined : this.#record.write(identity, startOptions(this.#options));
  }

  async #writeLater({ command, unrecorded }: Run): Promise<void> {
    const { clock, log } = this.#context;
    const { signal } = unrecorded;
    do await clock.sleep(RECORD_MS, signal).catch(() => undefined);
    while (!signal.aborted && this.#write(command) !== undefined);
    if (signal.aborted) return;
    unrecorded.abort();
    log.info("wrote down which process the command is", { pid: command.pid });
  }

  async #watch(run: Run): Promise<void> {
    const exit = await run.command.exited;
    if (run.stopping !== undefined) return;
    // what the leader leaves behind is not the service any more
    this.#stop().catch((error: unknown) => {
      this.#context.log.error("processes of a command that ended could not be stopped", { error });
    });
    await run.tail.catchUp().catch(() => undefined);
    this.#context.died(exitFault(exit, run.tail));
  }

  /** Joins a stop under way. Nothing of the command is left when it resolves. @throws Fault COMMAND_UNKILLABLE */
  async #stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    run.unrecorded.abort();
    run.stopping ??= this.#end(run).catch((error: unknown) => {
      // so that the next stop, or the next start, tries again
      run.stopping = undefined;
      throw error;
    });
    await run.stopping;
    if (this.#run === run) this.#run = undefined;
  }

  async #end({ command, tail }: Run): Promise<void> {
    const options = this.#options;
    command.signalGroup(parseSignal(options.stop_signal));
    // one that is suspended could not take the signal
    command.signalGroup("SIGCONT");
    if (!(await this.#gone(command, parseStopTimeout(options.stop_timeout)))) await this.#kill(command);
    await this.#endOutput(tail);
  }

  async #kill(command: Command): Promise<void> {
    this.#context.log.warn("command did not stop in time and is killed", {
      pid: command.pid,
      stop_timeout: this.#options.stop_timeout,
    });
    for (let left = KILL_TRIES; left > 0; left--) {
      command.signalGroup("SIGKILL");
      if (await this.#gone(command, KILL_TRY_MS)) return;
    }
    throw new Fault("COMMAND_UNKILLABLE", `processes of the command (process group ${command.pid}) do not end even by SIGKILL`);
  }

  /** Whether the whole group is gone within `ms`. */
  async #gone(command: Command, ms: number): Promise<boolean> {
    const { clock } = this.#context;
    const end = clock.now() + ms;
    for (let pause = FIRST_LOOK_MS; command.groupAlive(); pause = Math.min(2 * pause, LAST_LOOK_MS)) {
      const left = end - clock.now();
      if (left <= 0) return false;
      await clock.sleep(Math.min(pause, left));
    }
    return true;
  }

  /** Never throws: it is about a log only. */
  async #endOutput(tail: OutputTail): Promise<void> {
    try {
      await tail.close();
      this.#record.remove();
      await rm(this.#output, { force: true });
    } catch (error) {
      this.#context.log.warn("the command's output could not be read to its end", { error });
    }
  }
}

/** Those that a running command has been started with: not how it is to be stopped. */
function startOptions(options: CmdOptions): unknown {
  return { ...options, stop_signal: undefined, stop_timeout: undefined };
}

function exitFault({ exitCode, signal }: CommandExit, tail: OutputTail): Fault {
  const how = signal === null ? `ended with exit code ${exitCode ?? "unknown"}` : `was killed by ${signal}`;
  const lines = tail.last(LINES_TOLD).map((line) => (line.length > TOLD_LENGTH ? `${line.slice(0, TOLD_LENGTH)}...` : line));
  const told = lines.length === 0 ? "" : `; its last output: ${lines.join(" | ")}`;
  return new Fault("COMMAND_EXITED", `command ${how}${told}`);
}

export const CMD_KIND: TargetKind<never> = {
  description: "Runs a shell command while the target is active.",
  startsService: true,
  options: CMD_OPTIONS,
  check: ({ options }) => checkCmdOptions(options as CmdOptions, Accounts.ofSystem()),
  examine: ({ name, options }, examination) =>
    examineCommand(name, options as CmdOptions, examination, Accounts.ofSystem(), process.env),
  create: (context) => new CmdTarget(context),
};
