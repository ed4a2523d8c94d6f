// The parts of ECharts that the console draws with, loaded when the first chart is on the screen.

import { LineChart } from "echarts/charts";
import { GridComponent, MarkLineComponent } from "echarts/components";
import { init, use, type ECharts, type EChartsCoreOption } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, GridComponent, MarkLineComponent, CanvasRenderer]);

export { init };
export type { ECharts, EChartsCoreOption as EChartsOption };
