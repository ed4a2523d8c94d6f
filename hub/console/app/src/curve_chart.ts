// The offered curves of an interval: energy on the x axis, price on the y axis, the root's cleared price as a level.

import type { ChartColours } from "./colours";
import type { CurvePoint, IntervalResult } from "./documents";
import { scaled } from "./figures";

/** Corners of a curve in merit order: at each price level the energy up to it. */
export function corners(points: readonly CurvePoint[]): [number, number][] {
  const line: [number, number][] = [];
  let before = 0;
  for (const point of points) {
    line.push([before, point.price_uyuan_per_kwh], [point.cumulative_wh, point.price_uyuan_per_kwh]);
    before = point.cumulative_wh;
  }
  return line;
}

function curve(points: readonly CurvePoint[], lineStyle: object) {
  return { type: "line", data: corners(points), clip: true, showSymbol: false, silent: true, animation: false, lineStyle };
}

/** The tie with the province offers far more than is ever traded: show the curves to twice the cleared energy. */
function shownTo(result: IntervalResult | null): number | undefined {
  if (!result) return undefined;
  const offered = Math.max(result.supply.at(-1)?.cumulative_wh ?? 0, result.demand.at(-1)?.cumulative_wh ?? 0);
  const cleared = result.supply.reduce((sum, point) => sum + point.filled_wh, 0);
  const round = 10 ** Math.floor(Math.log10(Math.max(1, 2 * cleared)) - 1);
  return cleared ? Math.min(offered, Math.ceil((2 * cleared) / round) * round) : undefined;
}

export function curveOption(result: IntervalResult | null) {
  return (colours: ChartColours) => {
    const root = result?.prices.root_uyuan_per_kwh ?? null;
    const label = { color: colours.faint, fontFamily: colours.font, fontSize: 11 };
    return {
      animation: false,
      grid: { left: 58, right: 22, top: 10, bottom: 24 },
      xAxis: {
        type: "value",
        min: 0,
        max: shownTo(result),
        splitNumber: 6,
        axisLine: { onZero: false, lineStyle: { color: colours.line } },
        splitLine: { lineStyle: { color: colours.grid } },
        axisLabel: { ...label, formatter: (wh: number) => scaled(wh, 6, 2) },
      },
      yAxis: {
        type: "value",
        splitNumber: 4,
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { lineStyle: { color: colours.grid } },
        axisLabel: { ...label, formatter: (value: number) => scaled(value, 6, 2) },
      },
      series: [
        curve(result?.demand ?? [], { color: colours.soft, width: 1.6, type: [5, 3] }),
        {
          ...curve(result?.supply ?? [], { color: colours.ink, width: 2 }),
          markLine:
            root === null
              ? undefined
              : {
                  silent: true,
                  animation: false,
                  symbol: "none",
                  data: [{ yAxis: root }],
                  lineStyle: { color: colours.soft, width: 1.2, type: [1.5, 2.5] },
                  label: { show: false },
                },
        },
      ],
    };
  };
}
