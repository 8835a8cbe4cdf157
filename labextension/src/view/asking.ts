/** How a view asks the page around it for a cell: with an event, for it knows of no notebook. */
export const ASK = 'workbench:insert-cell';

export interface Asked {
  source: string;
  /** Whether the cell is run too, where a kernel runs. */
  run: boolean;
  /** Set by whoever has inserted and run it. */
  ran?: boolean;
}

/** Ask for a cell below the one that holds `element`; what came of it, null when nobody here can insert one. */
export function askForCell(element: Element, asked: Asked): 'ran' | 'inserted' | null {
  const refused = element.dispatchEvent(new CustomEvent<Asked>(ASK, { bubbles: true, cancelable: true, detail: asked }));
  return refused ? null : asked.ran ? 'ran' : 'inserted';
}
