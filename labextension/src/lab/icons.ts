import { LabIcon } from '@jupyterlab/ui-components';

const svg = (paths: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${paths}</g></svg>`;

/** Trials that scatter and one that is best. */
export const workbenchIcon = new LabIcon({
  name: 'workbench:sweep',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><path d="M3 3h2v16h16v2H3z"/><circle cx="9" cy="15" r="1.8"/><circle cx="12" cy="10.5" r="1.8"/><circle cx="15" cy="14" r="1.8"/><path d="M18.5 2.5l1.2 2.6 2.8.3-2.1 1.9.6 2.8-2.5-1.4-2.5 1.4.6-2.8-2.1-1.9 2.8-.3z"/></g></svg>'
});

export const modelsIcon = new LabIcon({ name: 'workbench:models', svgstr: svg('<path d="M12 2l9 4.6-9 4.6-9-4.6zM2.5 8.6l8.5 4.3V22l-8.5-4.3zM21.5 8.6L13 12.9V22l8.5-4.3z"/>') });
