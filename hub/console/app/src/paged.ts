// A list that is read page by page as the reader scrolls, by the hub's cursors.

import { ref, shallowRef } from "vue";
import { isAborted, read, type Query } from "./api";
import type { Page } from "./documents";

export function usePaged<T>() {
  const rows = shallowRef<readonly T[]>([]);
  const more = ref(false);
  const failed = ref(false);
  const loaded = ref(false);
  let path = "";
  let query: Query = {};
  let cursor: string | null = null;
  let running: AbortController | null = null;

  async function next(replace: boolean): Promise<void> {
    running?.abort();
    const mine = new AbortController();
    running = mine;
    try {
      const page = await read<Page<T>>(path, { ...query, cursor: replace ? null : cursor }, mine.signal);
      rows.value = replace ? page.items : [...rows.value, ...page.items];
      cursor = page.next_cursor;
      more.value = cursor !== null;
      failed.value = false;
      loaded.value = true;
    } catch (error) {
      if (isAborted(error)) return;
      failed.value = true;
      more.value = false;
      if (replace) rows.value = [];
    }
    if (running === mine) running = null;
  }

  /** Start the list `where` from its beginning; the old rows stand until the new ones are there. */
  function start(where: string, which: Query): Promise<void> {
    path = where;
    query = which;
    return next(true);
  }

  /** Read the next page unless one is on its way. */
  function extend(): void {
    if (more.value && !running) void next(false);
  }

  function clear(): void {
    running?.abort();
    running = null;
    rows.value = [];
    more.value = false;
    loaded.value = false;
  }

  return { rows, more, failed, loaded, start, extend, clear };
}
