// The list of hosting capacity as a reader wants it: which units, in which order, and how deep each stands in the tree.

import type { Grade, HostingUnit } from "./documents";
import type { Sorting } from "./parts/VirtualTable.vue";

export interface HostingFilter {
  grade: Grade | null;
  kind: string | null;
  text: string;
}

export const GRADES: readonly Grade[] = ["green", "yellow", "red"];

export function filtered(items: readonly HostingUnit[], filter: HostingFilter): HostingUnit[] {
  const text = filter.text.trim().toLowerCase();
  return items.filter(
    (one) =>
      (!filter.grade || one.grade === filter.grade) &&
      (!filter.kind || one.kind === filter.kind) &&
      (!text || [one.unit, one.elements, one.hosting_element ?? ""].some((name) => name.toLowerCase().includes(text))),
  );
}

/** Sorted by a column, the list's own order among equals; what is not known comes last, whichever way. */
export function sorted(items: readonly HostingUnit[], sorting: Sorting | null): readonly HostingUnit[] {
  if (!sorting) return items;
  const key = sorting.key as keyof HostingUnit;
  const sign = sorting.descending ? -1 : 1;
  return [...items].sort((first, second) => {
    const [one, other] = [weight(first, key), weight(second, key)];
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    return one === other ? 0 : sign * (one < other ? -1 : 1);
  });
}

function weight(unit: HostingUnit, key: keyof HostingUnit): number | string | null {
  const value = unit[key];
  if (key === "grade") return GRADES.indexOf(unit.grade);
  return typeof value === "boolean" ? Number(value) : value;
}

/** How many superiors each unit has. */
export function depths(items: readonly HostingUnit[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const one of items) found.set(one.unit, one.parent === null ? 0 : (found.get(one.parent) ?? 0) + 1);
  return found;
}

export function counts(items: readonly HostingUnit[]): Record<Grade, number> {
  const found = { green: 0, yellow: 0, red: 0 };
  for (const one of items) found[one.grade] += 1;
  return found;
}
