// The operating day that a screen shows: the running one, or another that the reader picks; screens share the choice.

import { computed, ref } from "vue";
import { day } from "./day";

const picked = ref<string | null>(null);

/** The day asked for; null: the newest, as the hub sees it. */
export const pickedDay = computed<string | null>(() => picked.value);

/** The day on the screen, as far as it is known. */
export const shownDay = computed<string | null>(() => picked.value ?? day.overview?.day ?? null);

export function pickDay(value: string): void {
  picked.value = /^\d{4}-\d{2}-\d{2}$/.test(value) && value !== day.overview?.day ? value : null;
}
