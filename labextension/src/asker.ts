/** The builder's wish for a cell, handed from the kernel to the page; the answer says whether anybody put one there. */
import { askForCell, type Asked } from './view/asking';

interface Wish extends Asked {
  id: string;
}

interface Model {
  send(message: object): void;
  on(event: 'msg:custom', take: (wish: Wish) => void): void;
  off(event: 'msg:custom', take: (wish: Wish) => void): void;
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  el.hidden = true;
  const take = ({ id, source, run }: Wish): void => {
    if (!fulfilled.has(id)) {
      fulfilled.add(id); // a widget may be shown twice
      model.send({ id, inserted: askForCell(el, { source, run }) !== null });
    }
  };
  model.on('msg:custom', take);
  return () => model.off('msg:custom', take);
}

const fulfilled = new Set<string>();

export default { render };
