/** The words of a view: English, or what a language pack of the application makes of them. */

export interface Language {
  /** A text; `%1`, `%2` … stand for the values that follow. */
  __(text: string, ...values: unknown[]): string;
  /** The one or the other text by a count, which is `%1`. */
  _n(one: string, many: string, count: number, ...values: unknown[]): string;
}

const filled = (text: string, values: readonly unknown[]): string =>
  text.replace(/%(\d+)/g, (place, index: string) => {
    const value = values[Number(index) - 1];
    return value === undefined ? place : String(value);
  });

/** Where there is no JupyterLab: in a widget of another front end. */
const english: Language = {
  __: (text, ...values) => filled(text, values),
  _n: (one, many, count, ...values) => filled(count === 1 ? one : many, [count, ...values])
};

export let trans: Language = english;

/** Say everything that is made from now on in another language. */
export function speak(language: Language): void {
  trans = language;
}
