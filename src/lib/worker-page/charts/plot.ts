import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Drawing, Series } from './drawing.ts';
import { ON_PAPER, paletteOf, sheer, type Palette } from './palette.ts';
import { STEPS, WHOLE_STEPS } from './scale.ts';
import { markText, timeMarks } from './time-axis.ts';

/** Width of the scale's labels in CSS pixels: "1,204", "98.8M", "250 ms". */
const SCALE_WIDTH = 50;
/** Width of a time label with its distance to the next. */
const MARK_WIDTH = 50;
/** The size for print on A4 or letter, in CSS pixels; the height is the one in Chart.svelte. */
const ON_A_PAGE = { width: 620, height: 152 };

/**
 * A chart in an element, by uPlot. Only this module loads uPlot (24 KB).
 *
 * Follows the size of its element and the colours of the page.
 */
export class Plot {
  readonly #node: HTMLElement;
  readonly #chart: uPlot;
  readonly #ending = new AbortController();
  #drawing: Drawing;
  #palette: Palette;

  /** @param read called with the step under the pointer, null when the pointer leaves */
  constructor(node: HTMLElement, drawing: Drawing, read: (index: number | null) => void) {
    this.#node = node;
    this.#drawing = drawing;
    this.#palette = paletteOf(node);
    this.#chart = new uPlot(this.#options(read), dataOf(drawing), node);
    this.#follow();
  }

  /** Draws new data. */
  show(drawing: Drawing): void {
    this.#drawing = drawing;
    this.#chart.setData(dataOf(drawing));
  }

  /** Moves the crosshair to a step. */
  point(index: number | null): void {
    const x = index === null ? undefined : this.#chart.data[0][index];
    const left = x === undefined ? -10 : this.#chart.valToPos(x, 'x');
    if (Math.abs(left - (this.#chart.cursor.left ?? -10)) > 0.5 || x === undefined)
      this.#chart.setCursor({ left, top: x === undefined ? -10 : 0 }, false);
  }

  /** The position of a step in CSS pixels from the left; null while not drawn. */
  leftOf(index: number): number | null {
    const x = this.#chart.data[0][index];
    return x === undefined ? null : this.#chart.valToPos(x, 'x') + this.#chart.bbox.left / uPlot.pxRatio;
  }

  end(): void {
    this.#ending.abort();
    this.#chart.destroy();
  }

  #options(read: (index: number | null) => void): uPlot.Options {
    const axis: uPlot.Axis = {
      stroke: () => this.#palette.faint,
      font: this.#palette.font,
      ticks: { show: false },
      gap: 6,
    };
    return {
      ...this.#size(),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: {
          size: 7,
          stroke: (_, index) => this.#strokeOf(index),
          fill: () => this.#palette.surface,
          width: 2,
        },
      },
      scales: {
        x: { time: false, range: () => [this.#drawing.at[0] ?? 0, endOf(this.#drawing)] },
        y: { range: (_, __, max) => [0, this.#topFor(max)] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          grid: { stroke: () => this.#palette.line, width: 1 },
          splits: (chart, _, min, max) =>
            timeMarks(min, max, Math.floor((chart.width - SCALE_WIDTH) / MARK_WIDTH), this.#drawing.zone),
          values: (chart, marks) =>
            marks.map((mark) => (this.#cutOff(chart, mark) ? '' : markText(mark, this.#drawing.zone))),
        },
        {
          ...axis,
          size: SCALE_WIDTH,
          space: 34,
          incrs: [...(this.#drawing.whole ? WHOLE_STEPS : STEPS)],
          grid: { stroke: () => this.#palette.line, width: 1 },
          values: (_, values) => values.map((value) => this.#drawing.format(value)),
        },
      ],
      series: [{}, ...this.#drawing.series.map((series, index) => this.#series(series, index + 1))],
      bands: this.#band(),
      hooks: {
        drawClear: [(chart) => this.#shade(chart)],
        draw: [(chart) => this.#mark(chart)],
        setCursor: [
          ({ cursor: { left, idx } }) => read(left === undefined || left < 0 ? null : (idx ?? null)),
        ],
      },
    };
  }

  #series({ look }: Series, index: number): uPlot.Series {
    const stroke = () => this.#strokeOf(index);
    if (look === 'bars')
      return {
        stroke,
        fill: stroke,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars!({ size: [0.7, 24, 1] }),
      };
    return {
      stroke,
      width: look === 'thin' ? 1 : 1.75,
      ...(look === 'area' && { fill: () => sheer(this.#strokeOf(index), 0.14) }),
      // A value between two gaps has no line, so draw a point.
      points: { show: false, size: 4, fill: stroke, filter: () => lonely(this.#drawing.series[index - 1]!) },
    };
  }

  /** Fills the area between the highest and the mean. */
  #band(): uPlot.Band[] {
    const high = this.#drawing.series.findIndex(({ look }) => look === 'thin');
    return high < 0 ? [] : [{ series: [high + 1, 1], fill: () => sheer(this.#strokeOf(1), 0.12) }];
  }

  #strokeOf(index: number): string {
    const { tone, look } = this.#drawing.series[index - 1]!;
    return look === 'thin' ? sheer(this.#palette[tone], 0.55) : this.#palette[tone];
  }

  /** Whether the label of a mark would be cut off at the right edge. */
  #cutOff({ scales, width }: uPlot, mark: number): boolean {
    const { min, max } = scales.x!;
    return ((max! - mark) / (max! - min!)) * (width - SCALE_WIDTH) < 14;
  }

  #topFor(max: number | null): number {
    const { top } = this.#drawing;
    return max !== null && max > top ? max * 1.08 : top;
  }

  /** Paints downtime and time without data behind everything else. */
  #shade({ ctx, bbox, valToPos }: uPlot): void {
    ctx.save();
    for (const { kind, from, to } of this.#drawing.shades) {
      const left = Math.max(bbox.left, valToPos(from, 'x', true));
      const right = Math.min(bbox.left + bbox.width, valToPos(to, 'x', true));
      ctx.fillStyle =
        kind === 'down' ? sheer(this.#palette.critical, 0.13) : hatching(ctx, this.#palette.lineStrong);
      // At least one pixel wide, however short it was.
      ctx.fillRect(left, bbox.top, Math.max(right - left, uPlot.pxRatio), bbox.height);
    }
    ctx.restore();
  }

  /** Draws thresholds and the mean over everything else, with labels at the right. */
  #mark({ ctx, bbox, scales, valToPos }: uPlot): void {
    const ratio = uPlot.pxRatio;
    ctx.save();
    ctx.font = this.#palette.font.replace('12px', `${11 * ratio}px`);
    ctx.textAlign = 'right';
    ctx.textBaseline = 'bottom';
    ctx.lineWidth = ratio;
    for (const { label, value, tone } of this.#drawing.marks) {
      if (value > (scales.y!.max ?? 0)) continue;
      const y = Math.round(valToPos(value, 'y', true)) + 0.5;
      const right = bbox.left + bbox.width;
      ctx.strokeStyle = this.#palette[tone];
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(right, y);
      ctx.stroke();
      // An outline keeps the label readable over a line.
      ctx.setLineDash([]);
      ctx.lineJoin = 'round';
      ctx.lineWidth = 3 * ratio;
      ctx.strokeStyle = this.#palette.surface;
      ctx.strokeText(label, right - 4 * ratio, y - ratio);
      ctx.lineWidth = ratio;
      ctx.fillStyle = this.#palette[tone];
      ctx.fillText(label, right - 4 * ratio, y - ratio);
    }
    ctx.restore();
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(120, this.#node.clientWidth), height: Math.max(80, this.#node.clientHeight) };
  }

  #fit(size = this.#size()): void {
    const { width, height } = this.#chart;
    if (width !== size.width || height !== size.height) this.#chart.setSize(size);
  }

  #recolour(colours: Partial<Palette> = {}): void {
    this.#palette = { ...paletteOf(this.#node), ...colours };
    // Existing paths keep their colours, so draw them again.
    this.#chart.redraw(true, true);
  }

  #follow(): void {
    const { signal } = this.#ending;
    const sizes = new ResizeObserver(() => this.#fit());
    sizes.observe(this.#node);
    // The system's colour scheme, and a chosen one, which is an attribute of the document.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#recolour(), { signal });
    const chosen = new MutationObserver(() => this.#recolour());
    chosen.observe(document.documentElement, { attributes: true });
    signal.addEventListener('abort', () => {
      sizes.disconnect();
      chosen.disconnect();
    });
    const print = () => {
      this.#fit(ON_A_PAGE);
      this.#recolour(ON_PAPER);
    };
    addEventListener('beforeprint', print, { signal });
    addEventListener('afterprint', () => (this.#fit(), this.#recolour()), { signal });
  }
}

/** Each value is drawn at the middle of its step. */
function dataOf({ at, stepSeconds, series }: Drawing): uPlot.AlignedData {
  return [at.map((start) => start + stepSeconds / 2), ...series.map(({ values }) => [...values])];
}

function endOf({ at, stepSeconds }: Drawing): number {
  return (at.at(-1) ?? 0) + stepSeconds;
}

/** Values between two gaps, by index. */
function lonely({ values }: Series): number[] | null {
  const empty = (index: number) => (values[index] ?? null) === null;
  const found = values.map((_, index) => index).filter((i) => !empty(i) && empty(i - 1) && empty(i + 1));
  return found.length > 0 ? found : null;
}

const patterns = new Map<string, CanvasPattern | string>();

/** A hatch pattern for time without data, because a colour could have a meaning. */
function hatching(ctx: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
  const key = `${colour} ${uPlot.pxRatio}`;
  let pattern = patterns.get(key);
  if (!pattern) {
    const size = Math.round(6 * uPlot.pxRatio);
    const tile = new OffscreenCanvas(size, size);
    const brush = tile.getContext('2d')!;
    brush.strokeStyle = colour;
    brush.lineWidth = uPlot.pxRatio;
    for (const shift of [-size, 0, size]) {
      brush.moveTo(shift, size);
      brush.lineTo(shift + size, 0);
    }
    brush.stroke();
    pattern = ctx.createPattern(tile, 'repeat') ?? colour;
    patterns.set(key, pattern);
  }
  return pattern;
}
