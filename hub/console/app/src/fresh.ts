// A document that is read when its address changes and read anew when the hub says that something happened.

import { onBeforeUnmount, ref, shallowRef, watch, type WatchSource } from "vue";
import { isAborted, ProblemError, read, type Query } from "./api";

interface Wanted {
  path: string;
  query?: Query;
}

/** `what` says what to read (null: nothing); `news` moves when it may have changed. */
export function useFresh<T>(what: () => Wanted | null, news: WatchSource<unknown>) {
  const found = shallowRef<T | null>(null);
  const problem = ref<number | null>(null);
  let running: AbortController | null = null;

  async function again(replace: boolean): Promise<void> {
    running?.abort();
    const wanted = what();
    if (!wanted) {
      found.value = null;
      problem.value = null;
      return;
    }
    const mine = new AbortController();
    running = mine;
    try {
      found.value = await read<T>(wanted.path, wanted.query ?? {}, mine.signal);
      problem.value = null;
    } catch (error) {
      if (isAborted(error)) return;
      problem.value = error instanceof ProblemError ? error.status : 0;
      if (replace) found.value = null; // what was read before stays on the screen while the hub is away
    }
  }

  watch(() => JSON.stringify(what()), () => again(true), { immediate: true });
  watch(news, () => again(false));
  onBeforeUnmount(() => running?.abort());
  return { found, problem, again };
}
