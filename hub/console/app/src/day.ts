// The running day, read once for all screens and read anew whenever the hub says that something happened.

import { shallowReactive } from "vue";
import { read } from "./api";
import type { Overview } from "./documents";

interface DayState {
  overview: Overview | null;
  failed: boolean;
}

export const day = shallowReactive<DayState>({ overview: null, failed: false });

let reading = false;
let again = false;

/** Read the overview; calls that come while one is under way are answered by one more read after it. */
export async function readDay(): Promise<void> {
  if (reading) {
    again = true;
    return;
  }
  reading = true;
  do {
    again = false;
    try {
      day.overview = await read<Overview>("overview");
      day.failed = false;
    } catch {
      day.failed = true; // shown as an alarm; what is on the screen stays, with the time it is of
    }
  } while (again);
  reading = false;
}
