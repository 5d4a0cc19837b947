/**
 * Reads large configurations in a thread of its own. The tree that the YAML library makes takes some forty times the room of the text:
 * with the thread's heap it goes back to the system, and while a reload reads, the daemon goes on working. At the start nothing is
 * kept waiting yet, and what takes no tree is read at once: a thread costs half a second, and the way from it another copy.
 */
import { stat } from "node:fs/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { ConfigError, type Problem } from "../../pkg/config/config-error.ts";
import { loadConfig, loadSimpleConfig } from "../../pkg/config/load.ts";
import type { Config } from "../../pkg/config/types.ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import type { Registry } from "../../pkg/plugin/registry.ts";

/** Bytes: some hundred targets. Below that, to start a thread takes longer than to read the file. */
const LARGE = 128 * 1024;
/** The tree is all new, and gone soon: with room for it, the collector of garbage need not move it about. */
const YOUNG_MB = 64;

type Answer =
  { readonly config: Config } | { readonly problems: readonly Problem[] } | { readonly code: string; readonly message: string };

/** While nothing has to go on meanwhile. @throws as loadConfig */
export async function readFirstConfig(file: string, registry: Registry): Promise<Config> {
  if (!(await isLarge(file))) return loadConfig(file, registry);
  return (await loadSimpleConfig(file, registry)) ?? readInThread(file, registry);
}

/** @throws as loadConfig */
export async function readConfig(file: string, registry: Registry): Promise<Config> {
  return (await isLarge(file)) ? readInThread(file, registry) : loadConfig(file, registry);
}

async function isLarge(file: string): Promise<boolean> {
  return stat(file).then(
    ({ size }) => size >= LARGE,
    () => false,
  );
}

async function readInThread(file: string, registry: Registry): Promise<Config> {
  const program = process.argv[1];
  if (program === undefined) return loadConfig(file, registry);
  const worker = new Worker(program, { workerData: { file }, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
  const answer = await new Promise<Answer>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => {
      reject(new Fault("CONFIG_UNREAD", `the thread that reads ${file} ended without a result`));
    });
  });
  await worker.terminate();
  if ("config" in answer) return answer.config;
  throw "problems" in answer ? new ConfigError(answer.problems) : new Fault(answer.code, answer.message);
}

/** The file that this thread is to read; undefined in a program's main thread. */
export function fileOfThread(): string | undefined {
  return isMainThread ? undefined : (workerData as { file: string }).file;
}

/** What the thread does. Never rejects. */
export async function answerWith(file: string, registry: Registry): Promise<void> {
  parentPort?.postMessage(await answerOf(file, registry));
}

async function answerOf(file: string, registry: Registry): Promise<Answer> {
  try {
    return { config: await loadConfig(file, registry) };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems };
    const code = error instanceof Fault ? error.code : "CONFIG_UNREAD";
    return { code, message: messageOf(error) };
  }
}
