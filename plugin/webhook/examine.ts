import { messageOf } from "../../pkg/fault/fault.ts";
import type { Finding } from "../../pkg/plugin/finding.ts";
import { certificatesOf, keysOf } from "./hook-files.ts";
import type { WebhookConfig } from "./webhook-config.ts";

/** Whether the files of hooks hold what they are to. */
export async function examineHooks(config: WebhookConfig | undefined): Promise<Finding[]> {
  const found = (config?.hooks ?? []).flatMap((hook) =>
    [keysOf, certificatesOf].map(async (read): Promise<Finding[]> => {
      try {
        await read(hook);
        return [];
      } catch (error) {
        return [{ id: "webhook-file", severity: "error", what: messageOf(error), where: `plugins.webhook, hook "${hook.name}"` }];
      }
    }),
  );
  return (await Promise.all(found)).flat();
}
