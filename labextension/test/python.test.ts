import { describe, expect, it } from 'vitest';
import { isOnlyAssignments, literalOf } from '../src/lab/python';

describe('a Python or JSON literal', () => {
  it.each<[string, unknown]>([
    ['1', 1],
    ['1_000', 1000],
    ['-2.5e-3', -0.0025],
    ['+.5', 0.5],
    ['0x10', 16],
    ['True', true],
    ['false', false],
    ['None', null],
    ["'a'", 'a'],
    ['"b"', 'b'],
    ["'it\\'s\\n\\u00fc'", "it's\nü"],
    ["r'\\d+'", '\\d+'],
    ['"""two\nlines"""', 'two\nlines'],
    ["'a' 'b'", 'ab'],
    ["''", ''],
    ['[64, 64]', [64, 64]],
    ['(28, 28,)', [28, 28]],
    ['(28)', 28],
    ['()', []],
    ['[\n  1,  # one\n  [2],\n]', [1, [2]]],
    ['{"a": [1, None], \'b\': {}}', { a: [1, null], b: {} }]
  ])('%s is read', (text, value) => {
    expect(literalOf(text)).toEqual(value);
  });

  it.each(['', 'f(1)', '2 * 16', 'adam', "'a", '[1', '[1 2]', '[,]', '{1: 2}', 'f"{x}"', 'b"x"', '1 2', '1.2.3', '1e999', '12345678901234567890', '[1] + [2]', '['.repeat(100_000)])(
    '%.20s is none',
    text => {
      expect(literalOf(text)).toBeUndefined();
    }
  );
});

describe('a cell that only gives names to values', () => {
  it.each([
    '# defaults\nrate = 0.1\nname: str = "x"\n',
    'shape = (28, 28)',
    'layers = [\n    64,\n    64,  # the second\n]\n\nfast = True',
    "options = {'a': 1,\n           'b': [2]}",
    'hidden = 2 * 16  # twice',
    'rate = (1 + 2) / -4',
    'a = 1; b = 2',
    'pair = 1, 2',
    "data: 'str | None' = None",
    'needed: int\nalso = ...',
    'größe = 3',
    'text = """a\nb = f(x)\n"""'
  ])('is one: %j', source => {
    expect(isOnlyAssignments(source)).toBe(true);
  });

  it.each([
    '',
    '# only words',
    'import os',
    'x = f(1)',
    'x == 1',
    'x = 1\nprint(x)',
    'for i in x:\n    y = 1',
    'try: x = 1',
    'X = data[:, :-1]',
    'y = df["target"]',
    'y = df.target',
    'a = b = 1',
    'a, b = 1, 2',
    'x += 1',
    'x = other',
    'x = 2 * other',
    'x = [other]',
    'x = 1 if y else 2',
    '  x = 1',
    'x = 1\n  y = 2',
    'text = "open',
    '%matplotlib inline\nx = 1'
  ])('is none: %j', source => {
    expect(isOnlyAssignments(source)).toBe(false);
  });
});
