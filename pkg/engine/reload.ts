/**
 * From one configuration to the next: what did not change is not touched.
 *
 * Everything that can be refused is found out by planReload(), which changes nothing. applyReload() then cannot fail as a whole:
 * what can't be brought up is left as a start would leave it, stopped with its error, and is told of.
 */
import { isDeepStrictEqual } from "node:util";
import type { Config, FrontendConfig, TargetConfig } from "../config/types.ts";
import { messageOf } from "../fault/fault.ts";
import type { Frontend } from "../frontend/frontend.ts";
import type { Log } from "../log/log.ts";
import type { ReloadedResources, ReloadReport } from "../plugin/plugin.ts";
import type { Target } from "../target/target.ts";
import { type Changed, type Difference, difference } from "./difference.ts";
import type { Resources } from "./resources.ts";

interface Replacement<T> {
  readonly former: T;
  readonly next: T;
}

export interface ReloadPlan {
  readonly after: Config;
  readonly targetDifference: Difference<TargetConfig>;
  readonly frontendDifference: Difference<FrontendConfig>;
  readonly newTargets: readonly Target[];
  readonly replacedTargets: readonly Replacement<Target>[];
  readonly newFrontends: readonly Frontend[];
  readonly replacedFrontends: readonly Replacement<Frontend>[];
}

/** Makes what is to be new, without any effect yet. @throws what a handler's constructor throws */
export function planReload(resources: Resources, before: Config, after: Config): ReloadPlan {
  const targetDifference = difference(before.targets, after.targets);
  const frontendDifference = difference(before.frontends, after.frontends);
  const replacedTargets = targetDifference.changed
    .filter((each) => needsNewGroup(each) || !resources.target(each.after.name).accepts(each.after))
    .map(({ after: config }) => ({ former: resources.target(config.name), next: resources.newTarget(config) }));
  const newTargets = targetDifference.added.map((config) => resources.newTarget(config));
  const made = new Map([...newTargets, ...replacedTargets.map(({ next }) => next)].map((each) => [each.name, each]));
  const targetOf = ({ target }: FrontendConfig): Target => made.get(target) ?? resources.target(target);
  const replacedFrontends = [...frontendDifference.changed.map((each) => each.after), ...frontendDifference.same]
    .filter((config) => made.has(config.target) || !resources.frontend(config.name).accepts(config))
    .map((config) => ({ former: resources.frontend(config.name), next: resources.newFrontend(config, targetOf(config)) }));
  const newFrontends = frontendDifference.added.map((config) => resources.newFrontend(config, targetOf(config)));
  return { after, targetDifference, frontendDifference, newTargets, replacedTargets, newFrontends, replacedFrontends };
}

function needsNewGroup({ before, after }: Changed<TargetConfig>): boolean {
  return !isDeepStrictEqual([before.kind, before.endpoints], [after.kind, after.endpoints]);
}

/** Never rejects: failures are logged, and in the report. */
export async function applyReload(resources: Resources, plan: ReloadPlan, log: Log): Promise<ReloadReport> {
  const failures: { name: string; error: string }[] = [];
  const tried = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => {
      failures.push({ name, error: messageOf(error) });
      log.error("not everything of the new configuration could be brought up", { name, error: messageOf(error) });
    });
  };
  const removedTargets = plan.targetDifference.removed.map(({ name }) => resources.target(name));
  await exchangeTargets(resources, plan, tried);
  await exchangeFrontends(resources, plan, tried);
  const formerTargets = plan.replacedTargets.map(({ former }) => former);
  await Promise.all([...formerTargets, ...removedTargets].map((each) => tried(each.name, () => each.close())));
  await Promise.all(removedTargets.map(({ name }) => resources.directory(name).remove()));
  keepOrder(resources.targets, plan.after.targets);
  keepOrder(resources.frontends, plan.after.frontends);
  return { ...reportOf(plan), ...(failures.length > 0 ? { failures } : {}) };
}

type Tried = (name: string, work: () => Promise<unknown>) => Promise<void>;

async function exchangeTargets(resources: Resources, plan: ReloadPlan, tried: Tried): Promise<void> {
  const { newTargets, replacedTargets } = plan;
  // while its clients are held, the service makes way for the next one
  await Promise.all(replacedTargets.map(({ former }) => tried(former.name, () => former.retire("its configuration changed"))));
  const next = [...newTargets, ...replacedTargets.map((each) => each.next)];
  for (const each of next) resources.targets.set(each.name, each);
  for (const { after: config } of plan.targetDifference.changed) {
    const target = resources.target(config.name);
    if (!next.includes(target)) target.update(config);
  }
  await Promise.all(next.map((each) => tried(each.name, () => each.open(false))));
}

/** In one turn, and so in one transaction: there is no moment at which a listen address that stays is nobody's. */
async function exchangeFrontends(resources: Resources, plan: ReloadPlan, tried: Tried): Promise<void> {
  const { newFrontends, replacedFrontends, frontendDifference } = plan;
  const removed = frontendDifference.removed.map(({ name }) => resources.frontend(name));
  const replaced = replacedFrontends.map(({ former }) => former);
  const kept = [...frontendDifference.changed.map(({ after }) => after), ...frontendDifference.same]
    .map((config) => ({ config, frontend: resources.frontend(config.name) }))
    .filter(({ frontend }) => !replaced.includes(frontend));
  const next = [
    ...newFrontends.map((each) => ({ each, isToRun: true })),
    ...replacedFrontends.map((each) => ({ each: each.next, isToRun: each.former.isWanted })),
  ];
  const leaving = [...removed, ...replaced];
  await Promise.all(leaving.map((each) => each.quiesce()));
  const work = [
    ...leaving.map((each) => tried(each.name, () => each.close())),
    ...kept.map(({ config, frontend }) =>
      tried(config.name, async () => {
        await frontend.update(config);
        // one that somebody stopped stays so; one that failed is tried again
        if (frontend.isWanted) await frontend.start("tried again with a new configuration");
      }),
    ),
    ...next.map(({ each, isToRun: starts }) => {
      resources.frontends.set(each.name, each);
      return tried(each.name, async () => {
        each.open();
        if (starts) await each.start("configured");
      });
    }),
  ];
  await Promise.all(work);
}

/** That of the file, and none that it does not name. */
function keepOrder<T>(resources: Map<string, T>, configs: readonly { readonly name: string }[]): void {
  const former = new Map(resources);
  resources.clear();
  for (const { name } of configs) {
    const resource = former.get(name);
    if (resource !== undefined) resources.set(name, resource);
  }
}

function reportOf(plan: ReloadPlan): ReloadReport {
  const targets = reloaded(plan.targetDifference, new Set(plan.replacedTargets.map(({ next }) => next.name)));
  const frontends = reloaded(plan.frontendDifference, new Set(plan.replacedFrontends.map(({ next }) => next.name)));
  return { ...(targets === undefined ? {} : { targets }), ...(frontends === undefined ? {} : { frontends }) };
}

function reloaded(
  { added, removed, changed }: Difference<{ readonly name: string }>,
  replaced: ReadonlySet<string>,
): ReloadedResources | undefined {
  if (added.length + removed.length + changed.length === 0) return undefined;
  const names = (each: readonly { readonly name: string }[]): string[] => each.map(({ name }) => name);
  return {
    ...(added.length > 0 ? { added: names(added) } : {}),
    ...(removed.length > 0 ? { removed: names(removed) } : {}),
    ...(changed.length > 0 ? { changed: changed.map((each) => reloadedOne(each, replaced)) } : {}),
  };
}

function reloadedOne(
  { after, fields }: Changed<{ readonly name: string }>,
  replaced: ReadonlySet<string>,
): NonNullable<ReloadedResources["changed"]>[number] {
  return { name: after.name, fields: [...fields], ...(replaced.has(after.name) ? { made_anew: true } : {}) };
}
