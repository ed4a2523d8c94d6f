// Where the reader is: #/overview, #/market/1625632, #/statements/P00001. The address is the state, so it can be kept.

import { computed, ref } from "vue";

export type Screen = "overview" | "market" | "statements";

const hash = ref(location.hash);
window.addEventListener("hashchange", () => {
  hash.value = location.hash;
});

const parts = computed(() => hash.value.replace(/^#\/?/, "").split("/").map(decodeURIComponent));

export const screen = computed<Screen>(() => {
  const name = parts.value[0];
  return name === "market" || name === "statements" ? name : "overview";
});

export const chosen = computed<string | null>(() => parts.value[1] || null);

export function address(name: Screen, what?: string | number | null): string {
  return `#/${name}` + (what === undefined || what === null ? "" : `/${encodeURIComponent(String(what))}`);
}

export function go(name: Screen, what?: string | number | null): void {
  location.hash = address(name, what);
}
