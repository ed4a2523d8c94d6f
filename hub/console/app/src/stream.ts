// The hub's event stream. EventSource reconnects by itself and tells the hub where it stopped; the hub says "resync" if
// something may have been missed. Silence for longer than two heartbeats counts as lost, whatever the socket says.

export interface StageEvent {
  stage: string;
  interval: number;
  at_utc_s: number;
  figures: Record<string, number>;
}

export type Heard =
  | { kind: "connecting" }
  | { kind: "alive" }
  | { kind: "lost" }
  | { kind: "resync" }
  | { kind: "stage"; event: StageEvent };

const SILENCE_MS = 12_000;

export function listen(tell: (heard: Heard) => void): void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    source = new EventSource(new URL(/* @vite-ignore */ "../api/v1/events", import.meta.url));
    source.addEventListener("hello", alive);
    source.addEventListener("heartbeat", alive);
    source.addEventListener("resync", () => {
      alive();
      tell({ kind: "resync" });
    });
    source.addEventListener("stage", (message: MessageEvent<string>) => {
      alive();
      tell({ kind: "stage", event: JSON.parse(message.data) as StageEvent });
    });
    source.addEventListener("error", () => {
      tell({ kind: "lost" });
      // A refused connection closes the source for good; try again from scratch.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, 2_000);
    });
  }

  function alive(): void {
    clearTimeout(timer);
    timer = setTimeout(() => tell({ kind: "lost" }), SILENCE_MS);
    tell({ kind: "alive" });
  }

  open();
}
