// Sessions as bars over the day. Positions are shares of the day, 0 at its 00:00 and 1 at its 24:00 (UTC+8).

import type { MarketSession } from "./documents";

export interface Segment {
  from: number;
  to: number;
  kind: "open" | "closed" | "delivery";
  planned: boolean;
}

const DAY_S = 86_400;

export function instant(iso: string): number {
  return Date.parse(iso) / 1000;
}

/** The first instant of an operating day. */
export function dayStart(day: string): number {
  return instant(`${day}T00:00:00+08:00`);
}

/** The bars of a session: what is past is drawn full, what the timetable plans is not. */
export function segments(session: MarketSession, day: string, nowUtcS: number): Segment[] {
  const start = dayStart(day);
  const [opens, closes] = [instant(session.opens), instant(session.gate_closes)];
  const [delivers, ends] = [session.first_interval * 900, session.end_interval * 900];
  const spans: [number, number, Segment["kind"]][] = [
    [opens, closes, "open"],
    [closes, Math.max(closes, delivers), "closed"],
    [delivers, ends, "delivery"],
  ];
  return spans.flatMap(([from, to, kind]) => {
    const cuts = nowUtcS > from && nowUtcS < to ? [from, nowUtcS, to] : [from, to];
    return cuts.slice(1).flatMap((end, i) => {
      const begin = cuts[i] ?? from;
      const [left, right] = [clamp((begin - start) / DAY_S), clamp((end - start) / DAY_S)];
      return right > left ? [{ from: left, to: right, kind, planned: begin >= nowUtcS }] : [];
    });
  });
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** The session whose gate closes next, if any takes orders or will. */
export function nextClosing(sessions: readonly MarketSession[], nowUtcS: number): MarketSession | null {
  const open = sessions.filter((one) => ["planned", "announced", "open"].includes(one.state) && instant(one.gate_closes) >= nowUtcS);
  return open.sort((one, other) => instant(one.gate_closes) - instant(other.gate_closes))[0] ?? null;
}
