// Where the reader is: #/overview, #/market/1625632, #/statements/P00001, #/hosting/1463500800. The address is the state, so it can be kept.

import { computed, ref } from "vue";

export const SCREENS = ["overview", "market", "statements", "hosting"] as const;
export type Screen = (typeof SCREENS)[number];

const hash = ref(location.hash);
window.addEventListener("hashchange", () => {
  hash.value = location.hash;
});

const parts = computed(() => hash.value.replace(/^#\/?/, "").split("/").map(decodeURIComponent));

export const screen = computed<Screen>(() => SCREENS.find((name) => name === parts.value[0]) ?? "overview");

export const chosen = computed<string | null>(() => parts.value[1] || null);

export function address(name: Screen, what?: string | number | null): string {
  return `#/${name}` + (what === undefined || what === null ? "" : `/${encodeURIComponent(String(what))}`);
}

export function go(name: Screen, what?: string | number | null): void {
  location.hash = address(name, what);
}
