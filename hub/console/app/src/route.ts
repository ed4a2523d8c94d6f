// Where the reader is: #/overview, #/market/1625632, #/sessions/R%2F1626062, #/statements/P00001, #/bills/2026-01/M000001,
// #/registry/points/M000001, #/hosting/1463500800. The address is the state, so it can be kept.

import { computed, ref } from "vue";

// In the order of an operator's work: the running day, its money, the month's, then what the county consists of.
export const SCREENS = ["overview", "market", "sessions", "statements", "bills", "green", "registry", "hosting"] as const;
export type Screen = (typeof SCREENS)[number];

const hash = ref(location.hash);
window.addEventListener("hashchange", () => {
  hash.value = location.hash;
});

const parts = computed(() => hash.value.replace(/^#\/?/, "").split("/").map(decodeURIComponent));

export const screen = computed<Screen>(() => SCREENS.find((name) => name === parts.value[0]) ?? "overview");

export const chosen = computed<string | null>(() => parts.value[1] || null);

/** What is chosen inside the chosen: a bill of a month, a metering point of the registry. */
export const chosenInside = computed<string | null>(() => parts.value[2] || null);

type Part = string | number | null | undefined;

export function address(name: Screen, ...what: Part[]): string {
  const known = what.filter((one) => one !== undefined && one !== null);
  return [`#/${name}`, ...known.map((one) => encodeURIComponent(String(one)))].join("/");
}

export function go(name: Screen, ...what: Part[]): void {
  location.hash = address(name, ...what);
}
