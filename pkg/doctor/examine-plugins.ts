import type { Clock } from "../clock/clock.ts";
import type { Config } from "../config/types.ts";
import { messageOf } from "../fault/fault.ts";
import type { Examination, Finding } from "../plugin/finding.ts";
import type { Registry } from "../plugin/registry.ts";

/** How long a plugin may look, as its contract says. */
const LIMIT_MS = 3000;

/** What the plugins of a configuration, and the kinds of its targets and frontends, find. One that fails or hangs is a finding itself. */
export async function examinePlugins(
  { plugins, targets, frontends }: Config,
  registry: Registry,
  examination: Examination,
  clock: Clock,
): Promise<Finding[]> {
  const questions: { readonly where: string; readonly ask: () => Promise<Finding[]> | undefined }[] = [
    ...registry.registrations.map(({ namespace, plugin }) => ({
      where: `plugin "${namespace}"`,
      // its own schema has checked what it gets
      ask: () => plugin.examine?.(plugins.get(namespace) as never, examination),
    })),
    ...targets.map((target) => ({
      where: `target "${target.name}"`,
      ask: () => registry.targetKind(target.kind.namespace, target.kind.name)?.examine?.(target, examination),
    })),
    ...frontends.map((frontend) => ({
      where: `frontend "${frontend.name}"`,
      ask: () => registry.frontendKind(frontend.kind.namespace, frontend.kind.name)?.examine?.(frontend, examination),
    })),
  ];
  const found = await Promise.all(questions.map(({ where, ask }) => answer(where, ask, clock)));
  return found.flat();
}

async function answer(where: string, ask: () => Promise<Finding[]> | undefined, clock: Clock): Promise<Finding[]> {
  const over = new AbortController();
  const trouble = (what: string): Finding[] => [{ id: "not-looked-at", severity: "warning", what, where }];
  const late = clock.sleep(LIMIT_MS, over.signal).then(
    () => trouble(`its plugin did not end looking within ${LIMIT_MS} ms`),
    (): Finding[] => [],
  );
  try {
    return (await Promise.race([Promise.resolve(ask()), late])) ?? [];
  } catch (error) {
    return trouble(`its plugin could not look: ${messageOf(error)}`);
  } finally {
    over.abort();
  }
}
