// Options of the two charts of the day. The x axis counts intervals from 0 to 96, so that a value fills its quarter-hour.

import type { ChartColours } from "./colours";
import type { Series } from "./documents";
import { scaled } from "./figures";

type Values = (number | null)[];
type Point = [number, number | null];

/** Corners of a step line: each value holds from its interval's start to its end; a gap where there is none. */
export function steps(values: Values): Point[] {
  const points: Point[] = [];
  values.forEach((value, i) => {
    points.push([i, value]);
    if (value !== null && (values[i + 1] ?? null) === null) points.push([i + 1, value]);
  });
  return points;
}

const AREA = { left: 58, right: 14 };

function timeAxis(colours: ChartColours, gridIndex = 0, withText = true) {
  return {
    type: "value",
    gridIndex,
    min: 0,
    max: 96,
    interval: 8,
    axisLine: { lineStyle: { color: colours.line }, onZero: false },
    axisTick: { show: withText, lineStyle: { color: colours.line } },
    splitLine: { show: true, lineStyle: { color: colours.grid } },
    axisLabel: {
      show: withText,
      hideOverlap: true,
      color: colours.faint,
      fontFamily: colours.font,
      fontSize: 11,
      formatter: (x: number) => `${String(x / 4).padStart(2, "0")}:00`,
    },
  };
}

function valueAxis(colours: ChartColours, formatter: (value: number) => string, gridIndex = 0, more: object = {}) {
  return {
    type: "value",
    gridIndex,
    scale: true,
    splitNumber: 4,
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colours.grid } },
    axisLabel: { color: colours.faint, fontFamily: colours.font, fontSize: 11, formatter },
    ...more,
  };
}

function line(values: Values, style: object, more: object = {}) {
  return {
    type: "line",
    data: steps(values),
    step: "end",
    showSymbol: false,
    silent: true,
    animation: false,
    connectNulls: false,
    lineStyle: style,
    ...more,
  };
}

export function priceOption(series: Series | null) {
  return (colours: ChartColours) => ({
    animation: false,
    grid: { ...AREA, top: 8, bottom: 22 },
    xAxis: timeAxis(colours),
    yAxis: valueAxis(colours, (value) => scaled(value, 6, 2)),
    series: series
      ? [
          line(series.indicative_uyuan_per_kwh, { color: colours.soft, width: 1.3, type: [5, 3] }),
          line(series.real_time_uyuan_per_kwh, { color: colours.soft, width: 1.3, type: [1.5, 2.5] }),
          line(series.root_uyuan_per_kwh, { color: colours.ink, width: 2 }),
        ]
      : [],
  });
}

export function gatewayOption(scheduled: Values, metered: Values, deviation: Values) {
  const megawattHours = (value: number) => scaled(value, 6, 1).replace("\u22120.0", "0");
  return (colours: ChartColours) => ({
    animation: false,
    grid: [
      { ...AREA, top: 8, bottom: 76 },
      { ...AREA, height: 38, bottom: 22 },
    ],
    xAxis: [timeAxis(colours, 0, false), timeAxis(colours, 1)],
    yAxis: [
      valueAxis(colours, megawattHours, 0, { scale: false }),
      valueAxis(colours, (value) => scaled(value, 6, 2), 1, { scale: false, splitNumber: 1 }),
    ],
    series: [
      line(metered, { width: 0 }, { areaStyle: { color: colours.fill, opacity: 0.75, origin: 0 } }),
      line(scheduled, { color: colours.ink, width: 1.8 }),
      line(deviation, { width: 0 }, { xAxisIndex: 1, yAxisIndex: 1, areaStyle: { color: colours.soft, opacity: 0.9, origin: 0 } }),
    ],
  });
}

/** Day-ahead against real-time price of the exchange. */
export function twoPricesOption(dayAhead: Values, realTime: Values) {
  return (colours: ChartColours) => ({
    animation: false,
    grid: { ...AREA, top: 8, bottom: 22 },
    xAxis: timeAxis(colours),
    yAxis: valueAxis(colours, (value) => scaled(value, 6, 2)),
    series: [line(realTime, { color: colours.soft, width: 1.3, type: [1.5, 2.5] }), line(dayAhead, { color: colours.ink, width: 2 })],
  });
}
