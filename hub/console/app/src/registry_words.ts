// What an event of the registry says, in few words: the names and values in it that a reader looks for.

import type { RegistryRecord } from "./documents";

const LEFT_OUT = new Set(["event", "event_id", "recorded_on", "effective_from", "identity", "settlement_account", "certificate_account"]);

/** The record's own fields as text, without what stands in columns of its own. */
export function about(record: RegistryRecord): string {
  return Object.entries(record.event)
    .filter(([name, value]) => !LEFT_OUT.has(name) && value !== null)
    .map(([, value]) => valueText(value))
    .filter(Boolean)
    .join(" · ");
}

/** The day from which the event is effective, if it names one. */
export function effective(record: RegistryRecord): string {
  const { effective_from: from, period, until_day: until, version } = record.event as Record<string, unknown>;
  if (typeof from === "string") return from;
  if (typeof until === "string") return until;
  const held = (period ?? (version as Record<string, unknown> | undefined)?.["period"]) as { from_day?: string } | undefined;
  return held?.from_day ?? "";
}

/** The whole event, one field a line. */
export function whole(record: RegistryRecord): string {
  return JSON.stringify(record.event, null, 1);
}

function valueText(value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  if (Array.isArray(value)) return value.length > 3 ? `${value.length}` : value.map(valueText).join(", ");
  if (value && typeof value === "object") {
    const { version_id: version, contract_id: contract, from_day: from, until_day: until } = value as Record<string, unknown>;
    if (from) return `${String(from)} – ${until ? String(until) : ""}`.trim();
    return String(version ?? contract ?? "");
  }
  return "";
}

/** "abcdef01…" */
export function shortHash(hash: string): string {
  return hash.slice(0, 10) + "…";
}
