// The colours of the style sheet, for what is drawn on a canvas.

export interface ChartColours {
  ink: string;
  soft: string;
  faint: string;
  line: string;
  grid: string;
  fill: string;
  alarm: string;
  panel: string;
  font: string;
}

export function readColours(): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: colour("--ink"),
    soft: colour("--ink-soft"),
    faint: colour("--ink-faint"),
    line: colour("--line"),
    grid: colour("--grid"),
    fill: colour("--fill"),
    alarm: colour("--alarm"),
    panel: colour("--panel"),
    font: style.getPropertyValue("--font").trim(),
  };
}
