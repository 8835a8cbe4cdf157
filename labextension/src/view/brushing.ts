/** Which trials a brush lets through. It is asked of the trials, not of what is drawn: they change while nobody looks. */
import type { Axis, Header, Ranges, Scalar, Trial } from './protocol';

/** Keys of the two axes that are no parameters. */
export const TRIAL = '#trial';
export const METRIC = '#metric';

/**
 * The names of the trials that all brushes let through.
 *
 * @param trials all there are.
 * @param header of the sweep.
 * @param brushes by axis, in its units.
 * @param top only so many of the best count; null for all.
 */
export function brushed(trials: Iterable<Trial>, header: Header, brushes: ReadonlyMap<string, Ranges[string]>, top: number | null): Set<string> {
  const axes = new Map(header.axes.map(axis => [axis.name, axis]));
  const tests = [...brushes].filter(([key, ranges]) => ranges.length && (key === TRIAL || key === METRIC || axes.has(key)));
  const passes = (trial: Trial): boolean =>
    tests.every(([key, ranges]) => {
      const axis = axes.get(key);
      const place = key === TRIAL ? trial.number : key === METRIC ? trial.score : axis ? placeOf(axis, trial.params[key]) : null;
      return place !== null && ranges.some(([low, high]) => low <= place && place <= high);
    });
  return new Set(best([...trials].filter(trial => trial.score !== null), header, top).filter(passes).map(trial => trial.name));
}

/** Where a value lies along an axis, as Python's `Axis.place` has it; null for nowhere. */
export function placeOf(axis: Axis, value: Scalar | undefined): number | null {
  switch (axis.scale) {
    case 'category': {
      const place = value === undefined ? -1 : (axis.categories ?? []).indexOf(value);
      return place < 0 ? null : place;
    }
    case 'log':
      return typeof value === 'number' && value > 0 ? Math.log10(value) : null;
    case 'linear':
      return typeof value === 'number' ? value : null;
  }
}

function best(scored: Trial[], header: Header, top: number | null): Trial[] {
  if (top === null || scored.length <= top) {
    return scored;
  }
  const sign = header.metric?.goal === 'minimize' ? 1 : -1;
  return scored.toSorted((a, b) => sign * ((a.score ?? 0) - (b.score ?? 0)) || a.number - b.number).slice(0, top);
}
