// The figures of a bill, exact. Amounts of nano-yuan may be beyond what a float holds, so they are read as whole numbers
// of any size, and quantity x price is computed with such numbers too: Wh x micro-yuan/kWh = nano-yuan.

import { documentAddress, ProblemError } from "./api";
import type { Bill, BillLine } from "./documents";
import { grouped } from "./figures";

const WHOLE = /"(quantity|\w+_nano_yuan)":\s*(-?\d+)/g;
const WHOLE_FIELD = /^(quantity|\w+_nano_yuan)$/;

/** The text of a bill's document, with its amounts as whole numbers of any size. */
export function parseBill(text: string): Bill {
  return JSON.parse(text.replace(WHOLE, '"$1":"$2"'), (name, value: unknown) =>
    WHOLE_FIELD.test(name) && typeof value === "string" && /^-?\d+$/.test(value) ? BigInt(value) : value,
  ) as Bill;
}

export async function readBill(path: string, version: string | null, signal: AbortSignal): Promise<Bill> {
  const response = await fetch(documentAddress(path, { version }), { signal });
  if (!response.ok) throw new ProblemError(response.status, "about:blank", response.statusText);
  return parseBill(await response.text());
}

/** Whole number of 10^-exponent units as decimal text; zeros at the end beyond `decimals` are left out, digits never. */
export function exact(value: bigint, exponent: number, decimals: number): string {
  const negative = value < 0n;
  const digits = String(negative ? -value : value).padStart(exponent + 1, "0");
  const split = digits.length - exponent;
  const kept = digits.slice(split, split + decimals) + digits.slice(split + decimals).replace(/0+$/, "");
  return grouped((negative ? "-" : "") + digits.slice(0, split) + (kept ? "." + kept : ""));
}

export function yuan(nanoYuan: bigint): string {
  return exact(nanoYuan, 9, 2);
}

export function fen(value: number): string {
  return exact(BigInt(value), 2, 2);
}

/** "1,000 kWh"; null where the line counts nothing. */
export function quantity(line: BillLine): string | null {
  const unit = { Wh: "kWh", W: "kW", VA: "kVA", amount: null }[line.unit];
  return unit === null ? null : `${exact(line.quantity, 3, 0)} ${unit}`;
}

/** Quantity times price, null where the amount is no such product. */
export function product(line: BillLine): bigint | null {
  return line.price_uyuan === null || line.unit === "amount" ? null : line.quantity * BigInt(line.price_uyuan);
}

/** Nano-yuan rounded half away from zero to fen, as the hub rounds each line once. */
export function roundedFen(nanoYuan: bigint): bigint {
  const size = nanoYuan < 0n ? -nanoYuan : nanoYuan;
  const rounded = (size + 5_000_000n) / 10_000_000n;
  return nanoYuan < 0n ? -rounded : rounded;
}

/** Whether every line is its quantity times its price, rounded once, and the bill is the sum of its lines. */
export function computes(bill: Bill): boolean {
  const lines = bill.lines.every((line) => {
    const made = product(line);
    return (made === null || made === line.amount_nano_yuan) && roundedFen(line.amount_nano_yuan) === BigInt(line.amount_fen);
  });
  return lines && bill.lines.reduce((sum, line) => sum + line.amount_fen, 0) === bill.total_fen;
}
