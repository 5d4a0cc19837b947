/** The warm path as a picture: bars for each contender, in parts of plain routing. */
import { PLAIN, PROXYGW } from "./names.ts";
import { WARM_METRICS, type WarmResults } from "./results.ts";
import { ratio } from "./statistics.ts";

const PANELS = ["stream8", "kept", "fresh"] as const;
const NAMES_WIDTH = 170;
const BAR_WIDTH = 180;
const PANEL_WIDTH = BAR_WIDTH + 60;
const ROW = 26;
const TOP = 44;

/** Readable on a light and on a dark page: no background, and colours in between. */
const STYLE = `text { font: 13px system-ui, sans-serif; fill: #808080 } .head { font-weight: 600 } .own { fill: #2f81f7 } .other { fill: #9aa4b0 }`;

export function svg(warm: WarmResults): string {
  const names = Object.keys(warm.stream8);
  const width = NAMES_WIDTH + PANELS.length * PANEL_WIDTH;
  const height = TOP + names.length * ROW + 8;
  const labels = names.map((name, row) => text(NAMES_WIDTH - 10, middle(row), name, "end", name === PROXYGW ? "head" : ""));
  const panels = PANELS.map((metric, panel) => {
    const left = NAMES_WIDTH + panel * PANEL_WIDTH;
    const bars = names.map((name, row) => {
      const values = warm[metric][name];
      const reference = warm[metric][PLAIN];
      if (values === undefined || reference === undefined) return text(left, middle(row), "–", "start");
      const part = ratio(values, reference);
      const length = Math.round(Math.min(part, 1.2) * (BAR_WIDTH / 1.2));
      const bar = `<rect class="${name === PROXYGW ? "own" : "other"}" x="${left}" y="${TOP + row * ROW + 4}" width="${length}" height="${ROW - 8}" rx="2"/>`;
      return `${bar}${text(left + length + 6, middle(row), `${String(Math.round(part * 100))} %`, "start")}`;
    });
    return `${text(left, 20, WARM_METRICS[metric].title, "start", "head")}${bars.join("")}`;
  });
  const title = "The warm path compared with plain routing (more is better)";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<title>${title}</title>
<style>${STYLE}</style>
${[...labels, ...panels].join("\n")}
</svg>
`;
}

function middle(row: number): number {
  return TOP + row * ROW + ROW / 2 + 4;
}

function text(x: number, y: number, content: string, anchor: "start" | "end", style = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${style === "" ? "" : ` class="${style}"`}>${escaped}</text>`;
}
