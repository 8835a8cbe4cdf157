/** How a view asks the page around it for a cell: with an event, for it knows of no notebook. */
export const ASK = 'workbench:insert-cell';

export interface Asked {
  source: string;
  /** Whether the cell is run too, where a kernel runs. */
  run: boolean;
  /** Set by whoever has inserted and run it. */
  ran?: boolean;
  /** Set by whoever has inserted it into another notebook than the one that asks: which. */
  elsewhere?: string;
}

/** Ask for a cell below the one that holds `element`; what came of it, null when nobody here has inserted one. */
export function askForCell(element: Element, asked: Asked): Asked | null {
  const refused = element.dispatchEvent(new CustomEvent<Asked>(ASK, { bubbles: true, cancelable: true, detail: asked }));
  return refused ? null : asked;
}

/** How a view asks the page around it to open what a job has executed. */
export const OPEN = 'workbench:open-executed';

export interface Wished {
  name: string;
  workspace: string;
}

/** Ask for the executed notebook of a job or trial; whether anybody here opens it. */
export function askForNotebook(element: Element, wished: Wished): boolean {
  return !element.dispatchEvent(new CustomEvent<Wished>(OPEN, { bubbles: true, cancelable: true, detail: wished }));
}
