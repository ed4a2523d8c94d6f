// Numbers as people read them: thousands separators, a fixed number of decimals, a real minus sign, never a float of money.

const MINUS = "\u2212";
const THOUSANDS = /\B(?=(\d{3})+(?!\d))/g;

/** Decimal text as the hub sends it, grouped; no digit is cut. */
export function grouped(text: string): string {
  const negative = text.startsWith("-");
  const [whole = "0", fraction = ""] = (negative ? text.slice(1) : text).split(".");
  return (negative ? MINUS : "") + whole.replace(THOUSANDS, ",") + (fraction ? "." + fraction : "");
}

/** An integer of 10^-exponent units with `decimals` shown, rounded half away from zero where digits are cut. */
export function scaled(value: number, exponent: number, decimals: number): string {
  const cut = 10 ** (exponent - decimals);
  const digits = String(Math.floor((Math.abs(value) + cut / 2) / cut)).padStart(decimals + 1, "0");
  const split = digits.length - decimals;
  const sign = value < 0 && Number(digits) !== 0 ? "-" : "";
  return grouped(sign + digits.slice(0, split) + (decimals ? "." + digits.slice(split) : ""));
}

/** Price in yuan/kWh, all six decimals. */
export function price(uyuanPerKwh: number | null | undefined): string | null {
  return uyuanPerKwh === null || uyuanPerKwh === undefined ? null : scaled(uyuanPerKwh, 6, 6);
}

/** Energy in kWh with the decimals asked for; three are exact. */
export function kwh(wh: number | null | undefined, decimals = 3): string | null {
  return wh === null || wh === undefined ? null : scaled(wh, 3, decimals);
}

/** Energy in MWh. */
export function mwh(wh: number | null | undefined, decimals = 3): string | null {
  return wh === null || wh === undefined ? null : scaled(wh, 6, decimals);
}

/** A whole number of kW. */
export function kw(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : scaled(value, 0, 0);
}

/** The same with a sign in front of positive values too. */
export function signed(text: string | null): string | null {
  return text === null || text.startsWith(MINUS) || /^[0.,]*$/.test(text) ? text : "+" + text;
}

/** Whether a decimal text is exactly zero. */
export function isZero(text: string): boolean {
  return /^-?[0.]+$/.test(text);
}

/** County clock time (UTC+8) of an instant. */
export function clock(utcS: number, withSeconds = false): string {
  const iso = new Date((utcS + 8 * 3600) * 1000).toISOString();
  return iso.slice(11, withSeconds ? 19 : 16);
}

/** "2026-04-01T00:00:00+08:00" -> "2026-04-01 00:00". */
export function localMinute(iso: string): string {
  return iso.slice(0, 16).replace("T", " ");
}
