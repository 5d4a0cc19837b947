import { expect, it } from "vitest";
import { settle } from "../clock/fake-clock.ts";
import { Wants } from "./wants.ts";

it("Wants waits until nobody is left, however often one lets go", async () => {
  const wants = new Wants();
  const [one, two] = [wants.add("one"), wants.add("two")];
  let free = false;
  const waiting = wants.none(new AbortController().signal).then(() => (free = true));
  one();
  one();
  await settle();
  expect([free, wants.first()]).toEqual([false, "two"]);
  two();
  await waiting;
  expect(wants.first()).toBeUndefined();
  await wants.none(new AbortController().signal);
});

it("Wants ends a wait with the signal's reason, before or after it began", async () => {
  const wants = new Wants();
  wants.add("one");
  const abort = new AbortController();
  const waiting = wants.none(abort.signal);
  const reason = new Error("no longer active");
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(wants.none(abort.signal)).rejects.toBe(reason);
});
