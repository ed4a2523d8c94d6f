// One event stream for all tabs of this browser: a browser opens at most six connections to a host, and a stream in
// every tab would use them up, so that the seventh tab never loads.

import { listen, type Heard } from "./stream";

interface WorkerScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const ports = new Set<MessagePort>();
let last: Heard = { kind: "connecting" };

listen((heard) => {
  last = heard.kind === "alive" || heard.kind === "lost" ? heard : last;
  for (const port of ports) port.postMessage(heard);
});

(self as unknown as WorkerScope).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  ports.add(port);
  port.onmessage = (message: MessageEvent<string>) => {
    if (message.data === "bye") ports.delete(port);
  };
  port.postMessage(last);
};
