// The catalogue of texts that the console and the reports share (hub/texts); only the console's areas are bundled.

import { createI18n } from "vue-i18n";
import * as en from "../../../texts/en.json";
import * as zh from "../../../texts/zh-CN.json";

export const LANGUAGES = ["zh-CN", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

const STORED = "microbalance.language";

function areas(texts: typeof zh) {
  const { app, common, units, stages, modes, sides, parties, kinds, accounts, refused, reasons, causes } = texts;
  const { outcomes, supply, sale, lines, roles, violations, violationStages, overview, market, statements } = texts;
  const { hosting, hostingOmissions, hostingLimits, grades, checkOutcomes } = texts;
  const { sessions, sessionKinds, sessionStates, sessionMeanings, sessionActions } = texts;
  const { handOverStates, handOverMeanings, finality, levels, registry, participantClasses, participantStatuses } = texts;
  const { meterKinds, registryEvents, registryOutcomes, bill, bills, green } = texts;
  return {
    ...{ app, common, units, stages, modes, sides, parties, kinds, accounts, refused, reasons, causes, outcomes },
    ...{ supply, sale, lines, roles, violations, violationStages, overview, market, statements },
    ...{ hosting, hostingOmissions, hostingLimits, grades, checkOutcomes },
    ...{ sessions, sessionKinds, sessionStates, sessionMeanings, sessionActions, handOverStates, handOverMeanings },
    ...{ finality, levels, registry, participantClasses, participantStatuses, meterKinds },
    ...{ registryEvents, registryOutcomes, bill, bills, green },
  };
}

function stored(): Language {
  const asked = new URLSearchParams(location.search).get("language") ?? localStorage.getItem(STORED);
  return asked === "en" ? "en" : "zh-CN";
}

export const texts = createI18n({
  legacy: false,
  locale: stored(),
  fallbackLocale: "zh-CN",
  messages: { "zh-CN": areas(zh), en: areas(en) },
  missingWarn: false,
  fallbackWarn: false,
});

export function setLanguage(language: Language): void {
  texts.global.locale.value = language;
  localStorage.setItem(STORED, language);
  document.documentElement.lang = language;
}

document.documentElement.lang = texts.global.locale.value;
