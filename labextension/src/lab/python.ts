/** What stands in Python as a value, read without Python. Nothing is worked out but what is written there. */

export type Literal = string | number | boolean | null | Literal[] | { [key: string]: Literal };

const WORDS: Record<string, boolean | null> = { True: true, False: false, None: null, true: true, false: false, null: null };
const NUMBER = /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?(?:\d[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)(?![\w.])/y;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const OPERATOR = /\*\*|\/\/|[+\-*/%]/y;
const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v', a: '\x07', '0': '\0', '\\': '\\', "'": "'", '"': '"', '\n': '' };

class Unreadable extends Error {}

/** The value that a text is as a Python or JSON literal; undefined for anything else. A tuple is a list, as in JSON. */
export function literalOf(text: string): Literal | undefined {
  return read(text, reader => {
    reader.space(true);
    const value = reader.value();
    reader.space(true);
    return reader.atEnd ? value : undefined;
  });
}

/** Whether a text is a sum, a product or the like of numbers that are written there. */
export function isArithmetic(text: string): boolean {
  return (
    read(text, reader => {
      reader.space(true);
      const found = reader.arithmetic();
      reader.space(true);
      return found && reader.atEnd;
    }) ?? false
  );
}

/** Whether a cell does nothing but give names to values that stand there, as a cell of parameters does. */
export function isOnlyAssignments(source: string): boolean {
  return (
    read(source, reader => {
      let found = 0;
      for (reader.blank(); !reader.atEnd; reader.blank()) {
        reader.assignment();
        found += 1;
      }
      return found > 0;
    }) ?? false
  );
}

function read<T>(text: string, how: (reader: Reader) => T): T | undefined {
  try {
    return how(new Reader(text));
  } catch (error) {
    if (error instanceof Unreadable || error instanceof RangeError) {
      return undefined; // it is no literal, or nested too deeply
    }
    throw error;
  }
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** Pass blanks and comments, and line ends where the statement cannot end with them. */
  space(lines: boolean): void {
    this.take(lines ? /(?:\s|\\\r?\n|#[^\n]*)*/y : /(?:[ \t\r]|\\\r?\n)*/y);
  }

  /** Pass what is between two statements; what is indented belongs to another statement. */
  blank(): void {
    this.take(/(?:[ \t\r]*(?:#[^\n]*)?\n)*/y);
    this.take(/[ \t\r]*(?:#[^\n]*)?$/y);
  }

  /** `name = value` or `name: type = value` or `name: type`, to the end of its line. */
  assignment(): void {
    this.need(/(?!(?:try|else|except|finally)\b)/y);
    this.need(NAME);
    this.space(false);
    const typed = this.take(/:[ \t]*/y) !== null && this.annotation();
    this.space(false);
    if (this.take(/=(?!=)/y) !== null) {
      this.space(false);
      if (this.take(/\.\.\.(?!\.)/y) === null) {
        this.assigned();
      }
    } else if (!typed) {
      throw new Unreadable();
    }
    this.space(false);
    this.need(/(?:#[^\n]*)?(?:\n|$)|;[ \t]*/y);
  }

  /** A value, or a calculation with numbers only; a tuple needs no brackets here. */
  private assigned(): void {
    const begin = this.at;
    if (!this.arithmetic()) {
      this.at = begin;
      this.value();
    }
    this.space(false);
    if (this.text[this.at] === ',') {
      this.rest([null], null, false);
    }
  }

  /** The type in `name: type`; whether there is one. */
  private annotation(): boolean {
    let depth = 0;
    const begin = this.at;
    for (; !this.atEnd; this.at += 1) {
      const sign = this.text[this.at] as string;
      depth += sign === '[' ? 1 : sign === ']' ? -1 : 0;
      if (depth === 0 && /[=\n#;]/.test(sign)) {
        break;
      }
      if (/["']/.test(sign)) {
        this.string('');
        this.at -= 1;
      } else if (!/[\w\s.|,[\]]/.test(sign)) {
        throw new Unreadable(); // a block, such as `if x: f()`, or what is worked out
      }
    }
    return /^["'\p{L}_]/u.test(this.text.slice(begin, this.at));
  }

  /** Numbers with signs and operators between them. False, wherever it stands then, for anything else. */
  arithmetic(inside = false): boolean {
    for (;;) {
      while (this.take(/[+-]\s*/y) !== null) {
        // a sign
      }
      if (this.take(/\(/y) !== null) {
        this.space(true);
        if (!this.arithmetic(true)) {
          return false;
        }
        this.space(true);
        if (this.take(/\)/y) === null) {
          return false;
        }
      } else if (this.take(NUMBER) === null) {
        return false;
      }
      this.space(inside);
      if (this.take(OPERATOR) === null) {
        return true;
      }
      this.space(inside);
    }
  }

  value(): Literal {
    const sign = this.text[this.at] ?? '';
    if (sign === '[') {
      this.at += 1;
      return this.rest([], ']', false);
    }
    if (sign === '(') {
      this.at += 1;
      return this.rest([], ')', true);
    }
    if (sign === '{') {
      this.at += 1;
      return this.dict();
    }
    const prefix = this.take(/(?:[rR]|[uU])?(?=["'])/y);
    if (prefix !== null) {
      return this.strings(prefix);
    }
    const signs = this.take(/(?:[+-]\s*)*/y) ?? '';
    const number = this.take(NUMBER);
    if (number !== null) {
      const value = Number(number.replaceAll('_', ''));
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value) && !/[.eE]/.test(number))) {
        throw new Unreadable(); // it would arrive as another number
      }
      return (signs.match(/-/g)?.length ?? 0) % 2 ? -value : value;
    }
    const word = signs ? null : this.take(NAME);
    if (word !== null && Object.hasOwn(WORDS, word)) {
      return WORDS[word] as boolean | null;
    }
    throw new Unreadable();
  }

  /** Values up to a bracket; up to the end of the line for null. Brackets around one value alone are no list. */
  private rest(found: Literal[], end: ']' | ')' | null, alone: boolean): Literal {
    let commas = 0;
    for (;;) {
      this.space(end !== null);
      if (end !== null ? this.text[this.at] === end : /^(?:[#;\n]|$)/.test(this.text.slice(this.at, this.at + 1))) {
        this.at += end === null ? 0 : 1;
        return alone && commas === 0 && found.length === 1 ? (found[0] as Literal) : found;
      }
      if (found.length > commas) {
        this.need(/,/y);
        commas += 1;
      } else {
        found.push(this.value());
      }
    }
  }

  private dict(): Literal {
    const found: [string, Literal][] = [];
    for (let first = true; ; first = false) {
      this.space(true);
      if (!first && this.take(/\}/y) === null) {
        this.need(/,/y);
        this.space(true);
      } else if (!first) {
        return Object.fromEntries(found);
      }
      if (this.take(/\}/y) !== null) {
        return Object.fromEntries(found);
      }
      const key = this.value();
      if (typeof key !== 'string') {
        throw new Unreadable(); // JSON would make a text of it
      }
      this.space(true);
      this.need(/:/y);
      this.space(true);
      found.push([key, this.value()]);
    }
  }

  /** Texts that stand side by side are one. */
  private strings(prefix: string): string {
    let found = '';
    for (let next: string | null = prefix; next !== null; next = this.take(/[ \t]*(?:[rR]|[uU])?(?=["'])/y)) {
      found += this.string(next.trim());
    }
    return found;
  }

  private string(prefix: string): string {
    const quote = this.need(/"""|'''|"|'/y);
    const raw = /r/i.test(prefix);
    let found = '';
    while (!this.text.startsWith(quote, this.at)) {
      const sign = this.text[this.at];
      if (sign === undefined || (sign === '\n' && quote.length === 1)) {
        throw new Unreadable();
      }
      if (sign === '\\') {
        found += raw ? this.text.slice(this.at, this.at + 2) : this.escaped();
        this.at += raw ? 2 : 0;
      } else {
        found += sign;
        this.at += 1;
      }
    }
    this.at += quote.length;
    return found;
  }

  private escaped(): string {
    const code = this.take(/\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}/y);
    if (code !== null) {
      return String.fromCodePoint(parseInt(code.slice(2), 16));
    }
    const sign = this.text[this.at + 1] ?? '';
    this.at += 2;
    if (/[xuUN1-7]/.test(sign)) {
      throw new Unreadable(); // rare ones
    }
    return ESCAPES[sign] ?? `\\${sign}`;
  }

  private need(pattern: RegExp): string {
    const found = this.take(pattern);
    if (found === null) {
      throw new Unreadable();
    }
    return found;
  }

  /** Pass what a sticky pattern finds here. */
  private take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) {
      return null;
    }
    this.at += found[0].length;
    return found[0];
  }
}
