import { expect, test } from 'vitest';
import { METRIC, TRIAL, brushed, placeOf } from '../src/view/brushing';
import type { Header, Trial } from '../src/view/protocol';

const header = {
  metric: { name: 'loss', goal: 'minimize' },
  axes: [
    { name: 'lr', scale: 'log', categories: [] },
    { name: 'optimizer', scale: 'category', categories: ['sgd', 'adam', 'rmsprop'] },
    { name: 'drop', scale: 'linear', categories: [] }
  ]
} as unknown as Header;

const trial = (number: number, lr: number, optimizer: string, drop: number, score: number | null): Trial =>
  ({ name: `sweep_${number}`, number, params: { lr, optimizer, drop }, score }) as unknown as Trial;

const trials = [
  trial(0, 0.001, 'sgd', 0.1, 0.9),
  trial(1, 0.01, 'adam', 0.2, 0.3),
  trial(2, 0.1, 'adam', 0.3, 0.5),
  trial(3, 0.01, 'rmsprop', 0.4, null)
];

const through = (brushes: [string, [number, number][]][], top: number | null = null): number[] =>
  [...brushed(trials, header, new Map(brushes), top)].map(name => Number(name.split('_')[1]));

test('a brush is in the units of its axis', () => {
  expect(through([['lr', [[-2.5, -0.5]]]])).toEqual([1, 2]);
  expect(through([['optimizer', [[-0.2, 0.4]]]])).toEqual([0]);
  expect(through([['drop', [[0, 0.15], [0.25, 1]]]])).toEqual([0, 2]);
  expect(through([[METRIC, [[0, 0.4]]]])).toEqual([1]);
  expect(through([[TRIAL, [[1.5, 2.5]]]])).toEqual([2]);
});

test('several brushes let through what all of them do', () => {
  expect(through([['optimizer', [[0.8, 1.2]]], [METRIC, [[0.4, 1]]]])).toEqual([2]);
  expect(through([['optimizer', [[0.8, 1.2]]], [METRIC, []]])).toEqual([1, 2]);
});

test('where only the best are drawn, a brush means these', () => {
  expect(through([['drop', [[0, 1]]]], 2)).toEqual([1, 2]);
});

test('a brush of an axis that is gone means nothing', () => {
  expect(through([['depth', [[0, 1]]]])).toEqual([0, 1, 2]);
});

test('what has no place on an axis is under no brush', () => {
  expect(placeOf({ name: 'lr', scale: 'log' }, 0)).toBeNull();
  expect(placeOf({ name: 'lr', scale: 'linear' }, 'three')).toBeNull();
  expect(placeOf({ name: 'lr', scale: 'category', categories: [1, 2] }, undefined)).toBeNull();
});
