import { afterEach, expect, test } from 'vitest';

import { type Language, speak, trans } from '../src/view/language';

const english = trans;

afterEach(() => speak(english));

test('English has its values in their places', () => {
  expect(trans.__('%2 of %1', 10, 0)).toBe('0 of 10');
  expect(trans.__('%1 of %2', 'only one')).toBe('only one of %2');
  expect(trans._n('%1 row', '%1 rows', 1)).toBe('1 row');
  expect(trans._n('%1 row of %2', '%1 rows of %2', 3, 7)).toBe('3 rows of 7');
});

test('another language is spoken from then on', () => {
  const loud: Language = { __: text => text.toUpperCase(), _n: (_, many) => many.toUpperCase() };
  speak(loud);
  expect(trans.__('stop')).toBe('STOP');
});
