import { Method } from "../../pkg/ctl/method.ts";
import { daemonStatus } from "./daemon-status.ts";
import { Screen } from "./screen.ts";
import { FLOWS_TIMEOUT_MS, Interruption, type Session } from "./session.ts";
import { isSortKey, lastOffset, type Sample, topLines, type TopView } from "./top-view.ts";

const LEFT = new Error("left");
const CTRL_C = new Interruption(130);

/** Shows the targets on the whole screen until somebody leaves it. @throws as Session.ask(), with the terminal as it was before */
export async function top(session: Session, { interval }: { readonly interval: number }): Promise<void> {
  const { openTerminal, clock, interrupt, outputClosed, style } = session.surroundings;
  const terminal = await openTerminal();
  const leaving = new AbortController();
  const ended = AbortSignal.any([interrupt, outputClosed, leaving.signal]);
  const take = async (): Promise<Sample> => {
    const request = { method: Method.statusRequest, body: { traffic: true }, timeoutMs: FLOWS_TIMEOUT_MS };
    const status = daemonStatus(await session.ask(request, ended));
    return { status, date: clock.date(), now: clock.now() };
  };
  // what is wrong with the daemon is told before there is a screen
  let view: TopView = {
    socket: await session.socket(),
    intervalMs: interval,
    sample: await take(),
    before: undefined,
    sort: "f",
    reverse: false,
    offset: 0,
  };
  const screen = new Screen(terminal, clock, {
    paint: (size) => topLines(view, size, style),
    key: (key) => {
      if (key === "q" || key === "ctrl-c") leaving.abort(key === "q" ? LEFT : CTRL_C);
      else {
        view = pressed(view, key, terminal.size);
        screen.draw();
      }
    },
  });
  try {
    screen.open();
    for (;;) {
      await clock.sleep(interval, ended);
      const sample = await take();
      view = { ...view, before: view.sample, sample };
      screen.draw();
    }
  } catch (error) {
    if (error !== LEFT && !outputClosed.aborted) throw error;
  } finally {
    screen.close();
  }
}

/** What a key does to what is seen. */
export function pressed(view: TopView, key: string, size: { readonly columns: number; readonly rows: number }): TopView {
  if (isSortKey(key)) return { ...view, sort: key, reverse: false, offset: 0 };
  const page = Math.max(1, size.rows - 5);
  const last = lastOffset(view, size);
  const to = (offset: number): TopView => ({ ...view, offset: Math.max(0, Math.min(last, offset)) });
  switch (key) {
    case "r":
      return { ...view, reverse: !view.reverse, offset: 0 };
    case "up":
      return to(view.offset - 1);
    case "down":
      return to(view.offset + 1);
    case "page-up":
      return to(view.offset - page);
    case "page-down":
    case " ":
      return to(view.offset + page);
    case "home":
      return to(0);
    case "end":
      return to(last);
    default:
      return view;
  }
}
