import type { ToolResult, ToolRunner } from "./process.ts";

/**
 * At most `most` runs of `tools` at the same time, in the order of asking. A thousand processes at once get in each other's way
 * until none of them ends in time; the time a run may take counts from its own start.
 */
export function limitTools(tools: ToolRunner, most: number): ToolRunner {
  let running = 0;
  const waiting: (() => void)[] = [];
  const turn = (): Promise<void> | undefined => {
    if (running < most) {
      running++;
      return undefined;
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  const done = (): void => {
    const next = waiting.shift();
    // whoever is next takes over the place
    if (next === undefined) running--;
    else next();
  };
  return {
    run: async (file, args, options): Promise<ToolResult> => {
      await turn();
      try {
        return await tools.run(file, args, options);
      } finally {
        done();
      }
    },
  };
}
