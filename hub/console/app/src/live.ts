// Live state of this page: whether the line to the hub is alive, and a counter that moves when something new is to be read.

import { reactive, readonly } from "vue";
import { listen, type Heard } from "./stream";

const state = reactive({
  line: "connecting" as "connecting" | "alive" | "lost",
  lostSince: 0,
  news: 0,
  settledNews: 0,
});

export const live = readonly(state);

let scheduled: ReturnType<typeof setTimeout> | undefined;

function heard(message: Heard): void {
  switch (message.kind) {
    case "alive":
      if (state.line === "lost") announce();
      state.line = "alive";
      break;
    case "lost":
      if (state.line !== "lost") state.lostSince = Date.now();
      state.line = "lost";
      break;
    case "stage":
      if (message.event.stage === "settled" || message.event.stage === "day-closed") state.settledNews += 1;
      announce();
      break;
    case "resync":
      state.settledNews += 1;
      announce();
      break;
    case "connecting":
      break;
  }
}

// Several stages of an interval come within moments of each other: read once for all of them.
function announce(): void {
  scheduled ??= setTimeout(() => {
    scheduled = undefined;
    state.news += 1;
  }, 250);
}

export function connect(): void {
  if (typeof SharedWorker === "undefined") {
    listen(heard);
    return;
  }
  const worker = new SharedWorker(new URL("./live.worker.ts", import.meta.url), { type: "module", name: "live" });
  worker.onerror = () => listen(heard);
  worker.port.onmessage = (message: MessageEvent<Heard>) => heard(message.data);
  window.addEventListener("pagehide", () => worker.port.postMessage("bye"));
}
