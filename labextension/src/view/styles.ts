/** All rules of a view. Colours are JupyterLab's variables, VS Code's where those are missing, and plain ones elsewhere. */
export const STYLES = `
.wb-view {
  --wb-bg: var(--jp-layout-color1, var(--vscode-editor-background, #fff));
  --wb-bg2: var(--jp-layout-color2, var(--vscode-sideBar-background, #f5f5f5));
  --wb-fg: var(--jp-ui-font-color1, var(--vscode-editor-foreground, #1f1f1f));
  --wb-dim: var(--jp-ui-font-color2, var(--vscode-descriptionForeground, #5c5c5c));
  --wb-border: var(--jp-border-color1, var(--vscode-panel-border, #bdbdbd));
  --wb-grid: var(--jp-border-color2, var(--vscode-panel-border, #e0e0e0));
  --wb-accent: var(--jp-brand-color1, var(--vscode-focusBorder, #1976d2));
  --wb-hover: color-mix(in srgb, var(--wb-accent) 8%, transparent);
  --wb-selected: color-mix(in srgb, var(--wb-accent) 20%, transparent);
  --wb-good: color-mix(in srgb, #1b7f3b 75%, var(--wb-fg));
  --wb-bad: color-mix(in srgb, #c62828 75%, var(--wb-fg));
  --wb-busy: color-mix(in srgb, #1565c0 65%, var(--wb-fg));
  --wb-mark: color-mix(in srgb, #b45309 75%, var(--wb-fg));
  box-sizing: border-box; width: 100%; min-width: 0; color: var(--wb-fg); background: var(--wb-bg);
  font-family: var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif)); font-size: 13px; line-height: 1.4;
  border: 1px solid var(--wb-border); border-radius: 3px; container-type: inline-size;
}
.wb-view *, .wb-view *::before { box-sizing: border-box; }
.wb-view :focus-visible { outline: 2px solid var(--wb-accent); outline-offset: 1px; }
.wb-head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; padding: 8px 10px; }
.wb-title { font-weight: 600; min-width: 0; overflow-wrap: anywhere; font-size: 14px; }
.wb-title small { font-weight: 400; color: var(--wb-dim); margin-left: 6px; font-size: 12px; }
.wb-fact { white-space: nowrap; } .wb-fact b { font-weight: 600; font-variant-numeric: tabular-nums; }
.wb-fact > span:first-child { color: var(--wb-dim); }
.wb-actions { margin-left: auto; display: flex; gap: 6px; flex-wrap: wrap; }
.wb-progress { height: 5px; display: flex; background: var(--wb-bg2); } .wb-progress[hidden] { display: none; }
.wb-progress > i { display: block; height: 100%; }
.wb-progress .wb-Completed { background: #2e8b57; } .wb-progress .wb-Running { background: #2f7ed8; }
.wb-progress .wb-Canceled { background: #9aa0a6; } .wb-progress .wb-Failed { background: #d64545; }
.wb-view button, .wb-view select, .wb-view input, .wb-view textarea {
  font: inherit; color: inherit; background: var(--wb-bg); border: 1px solid var(--wb-border); border-radius: 3px; padding: 2px 8px; min-height: 26px;
}
.wb-view input[type=checkbox] { min-height: 0; margin: 0; vertical-align: -2px; }
.wb-view button { cursor: pointer; } .wb-view button:hover:not(:disabled) { background: var(--wb-hover); }
.wb-view button:disabled { opacity: .55; cursor: default; }
.wb-view button.wb-primary { background: #0b66c3; border-color: #0b66c3; color: #fff; font-weight: 600; }
.wb-view button.wb-primary:hover:not(:disabled) { background: #0a58a8; }
.wb-tabs { display: flex; gap: 2px; padding: 0 6px; border-bottom: 1px solid var(--wb-border); overflow-x: auto; background: var(--wb-bg2); }
.wb-view .wb-tabs button { border: 0; border-bottom: 2px solid transparent; border-radius: 0; background: none; padding: 6px 9px; white-space: nowrap; }
.wb-view .wb-tabs button[aria-selected=true] { border-bottom-color: var(--wb-accent); font-weight: 600; }
.wb-view .wb-tabs button:focus-visible { outline-offset: -2px; }
.wb-panel { min-height: 120px; } .wb-panel[hidden] { display: none; }
.wb-tools { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; padding: 6px 10px 0; }
.wb-tools label { color: var(--wb-dim); display: inline-flex; gap: 5px; align-items: center; }
.wb-tools label > select { color: var(--wb-fg); }
.wb-tools input[type=number] { width: 64px; } .wb-tools input[type=search] { width: 150px; }
.wb-chart { --wb-high: 300px; position: relative; background: var(--wb-bg); padding: 0 4px; } .wb-plot { height: var(--wb-high); width: 100%; }
.wb-plot .parcoords .axis path, .wb-plot .parcoords .axis line { stroke: var(--wb-dim) !important; }
.wb-plot .parcoords text { text-shadow: none !important; paint-order: stroke; stroke: var(--wb-bg); stroke-width: 3px; stroke-linejoin: round; }
.wb-none { height: var(--wb-high); display: grid; place-content: center; text-align: center; padding: 16px 24px; color: var(--wb-dim); } .wb-none.wb-low { height: 150px; } .wb-none[hidden], .wb-plot[hidden] { display: none; }
.wb-foot { display: flex; gap: 12px; padding: 0 10px 4px; min-height: 22px; font-size: 12px; }
.wb-note { color: var(--wb-dim); flex: none; } .wb-hint { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wb-table { height: 286px; border-top: 1px solid var(--wb-border); }
.wb-table .ag-root-wrapper { border: 0; border-radius: 0; }
.wb-spark { width: 78px; height: 20px; display: block; margin-top: 2px; } .wb-spark polyline { fill: none; stroke: var(--wb-accent); stroke-width: 1.5; }
.wb-status { white-space: nowrap; } .wb-icon { display: inline-block; width: 1.1em; text-align: center; }
.wb-Completed .wb-icon { color: var(--wb-good); } .wb-Failed, .wb-Failed .wb-icon { color: var(--wb-bad); }
.wb-Running .wb-icon { color: var(--wb-busy); } .wb-Canceled .wb-icon { color: var(--wb-dim); }
.wb-best { font-weight: 700; color: var(--wb-mark); } .wb-dim { color: var(--wb-dim); } .wb-empty { color: var(--wb-dim); }
.wb-message { padding: 6px 10px; border-top: 1px solid var(--wb-grid); overflow-wrap: anywhere; white-space: pre-wrap; }
.wb-trace { display: flex; flex-direction: column-reverse; margin-top: 4px; max-height: 140px; overflow: auto; } /* begins at its end */
.wb-view .wb-trace pre { flex: none; margin: 0; padding: 0; color: inherit; font-family: var(--jp-code-font-family, var(--vscode-editor-font-family, monospace)); font-size: 12px; line-height: 1.4; white-space: pre-wrap; overflow-wrap: anywhere; }
.wb-message { max-height: 220px; overflow: auto; } .wb-message.wb-error { color: var(--wb-bad); } .wb-message[hidden] { display: none; }
.wb-view .wb-text { margin: 0; padding: 8px 10px; height: 330px; overflow: auto; background: var(--wb-bg); color: var(--wb-fg); white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: var(--jp-code-font-family, var(--vscode-editor-font-family, monospace)); font-size: 12px; line-height: 1.45; }
.wb-form { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 7px 12px; padding: 10px; align-items: center; max-width: 760px; }
.wb-form > label, .wb-form > .wb-label { color: var(--wb-dim); } .wb-form input:not([type=checkbox]), .wb-form textarea { width: 100%; }
.wb-form .wb-wide { grid-column: 1 / -1; } .wb-form code, .wb-code { font-family: var(--jp-code-font-family, monospace); font-size: 12px; overflow-wrap: anywhere; }
.wb-ok { color: var(--wb-good); } .wb-bad { color: var(--wb-bad); }
.wb-view .wb-code { background: var(--wb-bg2); padding: 6px 8px; border-radius: 3px; white-space: pre-wrap; margin: 0; }
.wb-facts { border-collapse: collapse; margin: 8px 10px; } .wb-facts td, .wb-facts th { padding: 2px 14px 2px 0; text-align: left; font-weight: 400; vertical-align: top; overflow-wrap: anywhere; }
.wb-facts th { color: var(--wb-dim); overflow-wrap: break-word; } .wb-facts td.wb-num, .wb-facts th.wb-num { text-align: right; font-variant-numeric: tabular-nums; }
.wb-popup { position: relative; } .wb-popup > div { position: absolute; z-index: 20; top: 100%; background: var(--wb-bg); border: 1px solid var(--wb-border); padding: 6px 10px; max-height: 260px; overflow: auto; box-shadow: 0 2px 8px rgb(0 0 0 / 25%); }
.wb-columns > div { right: 0; } .wb-axes > div { left: 0; }
.wb-popup > div label { display: flex; white-space: nowrap; color: var(--wb-fg); } .wb-popup summary { cursor: pointer; border: 1px solid var(--wb-border); border-radius: 3px; padding: 2px 8px; list-style: none; }
.wb-popup summary::after { content: ' ▾'; } .wb-popup summary::-webkit-details-marker { display: none; }
.wb-list { list-style: none; margin: 0; padding: 0; } .wb-list li { display: flex; gap: 4px; align-items: center; } .wb-list li label { flex: 1; padding-right: 12px; }
.wb-view button.wb-small { padding: 0 5px; min-height: 22px; min-width: 24px; } .wb-view button[aria-disabled=true] { opacity: .55; cursor: default; }
.wb-scroll { max-height: 340px; overflow: auto; }
@container (max-width: 640px) { .wb-actions { margin-left: 0; width: 100%; } .wb-chart { --wb-high: 260px; } .wb-form { grid-template-columns: minmax(0, 1fr); gap: 3px; } }
@media (forced-colors: active) { .wb-progress > i { forced-color-adjust: none; } .wb-view .wb-tabs button[aria-selected=true] { border-bottom-color: Highlight; } }
`;
