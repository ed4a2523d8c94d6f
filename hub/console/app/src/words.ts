// Words for the names that the API uses; a name without a word is shown as it is, never hidden.

import { useI18n } from "vue-i18n";

export function useWords() {
  const { t, te } = useI18n();

  function word(area: string, name: string): string {
    return te(`${area}.${name}`) ? t(`${area}.${name}`) : name;
  }

  /** "ENERGY.paid" -> "Energy · paid". */
  function lineWord(kind: string): string {
    const [name = kind, role] = kind.split(".");
    return role ? `${word("lines", name)} · ${word("roles", role)}` : word("lines", name);
  }

  function age(seconds: number): string {
    if (seconds < 120) return t("units.seconds", { n: seconds });
    if (seconds < 7200) return t("units.minutes", { n: Math.floor(seconds / 60) });
    return t("units.hours", { n: Math.floor(seconds / 3600) });
  }

  return { t, word, lineWord, age };
}
