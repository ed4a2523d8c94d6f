// Reads of /api/v1. An error is the hub's problem document, or the fact that the hub did not answer.

export class ProblemError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    detail: string,
  ) {
    super(detail);
  }
}

const BASE = new URL("api/v1/", document.baseURI);

export type Query = Record<string, string | number | null | undefined>;

/** Where a document stands; what is empty in the query is left out. */
export function documentAddress(path: string, query: Query = {}): string {
  const address = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") address.searchParams.set(name, String(value));
  }
  return address.href;
}

export async function read<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await fetch(documentAddress(path, query), { headers: { accept: "application/json" }, ...(signal ? { signal } : {}) });
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => null)) as { type?: string; detail?: string } | null;
  throw new ProblemError(response.status, problem?.type ?? "about:blank", problem?.detail ?? response.statusText);
}

export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
