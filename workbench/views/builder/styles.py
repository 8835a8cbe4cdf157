"""The builder's looks: JupyterLab's own variables, so that it is light or dark as everything around it."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """<style>
.wb-builder { --jp-widgets-inline-width: 100%; --jp-widgets-inline-height: 26px; --jp-widgets-margin: 0px;
  container-type: inline-size; width: 100%; max-width: 1100px; padding: 2px 2px 10px; overflow: hidden;
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); font-size: var(--jp-ui-font-size1, 13px);
  color: var(--jp-ui-font-color1, #222); }
.wb-builder .widget-box, .wb-builder .widget-vbox, .wb-builder .widget-hbox { overflow: visible; }
.wb-builder .widget-inline-hbox { align-items: center; width: 100%; min-width: 0; }
.wb-builder .widget-html, .wb-builder .widget-html-content { height: auto; line-height: 1.4;
  min-width: 0; width: 100%; }
.wb-builder .widget-html > .widget-label { display: none; }
.wb-builder .widget-label { color: var(--jp-ui-font-color1, #222); text-align: left; padding: 0 6px 0 0;
  font-size: var(--jp-ui-font-size1, 13px); line-height: 26px; }
.wb-builder .wb-fields .widget-label { flex: 0 0 104px; width: 104px; color: var(--jp-ui-font-color1, #222); }
.wb-builder input[type=text], .wb-builder select, .wb-builder textarea {
  background-color: var(--jp-layout-color0, #fff); color: var(--jp-ui-font-color0, #000);
  border: 1px solid var(--jp-border-color1, #bbb); border-radius: 3px; min-width: 0; }
.wb-builder input[type=text] { font-family: var(--jp-code-font-family, monospace); font-size: 12px; padding: 0 6px; }
.wb-builder select { appearance: none; padding: 0 20px 0 6px; background-repeat: no-repeat;
  background-image: linear-gradient(45deg, transparent 50%, currentColor 50%),
    linear-gradient(135deg, currentColor 50%, transparent 50%);
  background-size: 5px 5px; background-position: right 12px center, right 7px center; }
.wb-builder input::placeholder { color: var(--jp-ui-font-color2, #555); opacity: 1; font-style: italic; }
.wb-builder input[type=text]:focus-visible, .wb-builder select:focus-visible, .wb-builder textarea:focus-visible,
.wb-builder button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 0; }
.wb-builder .wb-head { display: flex; align-items: baseline; gap: 8px; flex-wrap: wrap; }
.wb-builder .wb-head b { font-size: var(--jp-ui-font-size2, 16px); font-weight: 600; }
.wb-builder .wb-section { margin: 12px 0 5px; padding-bottom: 2px; font-weight: 600;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); color: var(--jp-ui-font-color0, #000); }
.wb-builder .wb-section span { font-weight: 400; color: var(--jp-ui-font-color2, #555); margin-left: 6px; }
.wb-builder .wb-fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr));
  gap: 5px 18px; align-items: start; }
.wb-builder .wb-wide { grid-column: 1 / -1; }
.wb-builder .wb-row { display: grid; grid-template-columns: minmax(240px, 1.4fr) minmax(150px, 1.2fr) 88px;
  gap: 3px 10px; align-items: center; padding: 3px 0; }
.wb-builder .wb-row + .wb-row { border-top: 1px solid var(--jp-border-color3, #eee); }
.wb-builder .wb-row .wb-how .widget-label { flex: 1 1 90px; width: auto; min-width: 60px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; font-family: var(--jp-code-font-family, monospace); font-size: 12px; }
.wb-builder .wb-row .wb-how select { flex: 0 0 106px; width: 106px; }
.wb-builder .wb-arguments { display: flex; flex-wrap: wrap; gap: 3px 8px; min-width: 0; }
.wb-builder .wb-arguments > * { flex: 1 1 82px; }
.wb-builder .wb-arguments .widget-label { flex: 0 0 auto; width: auto; padding-right: 4px;
  color: var(--jp-ui-font-color2, #555); font-size: 12px; }
.wb-builder .wb-preview { color: var(--jp-brand-color1, #1976d2); height: 32px; }
.wb-builder .wb-density { display: block; width: 100%; }
.wb-builder .wb-type { font-size: 12px; color: var(--jp-ui-font-color2, #555); line-height: 32px; }
.wb-builder .wb-note { grid-column: 1 / -1; font-size: 12px; color: var(--jp-ui-font-color2, #555); }
.wb-builder .wb-row .wb-note { grid-column: 2 / -1; margin-top: -3px; }
.wb-builder .wb-row .wb-note:not(:has(div, span)) { display: none; }
.wb-builder .wb-command .widget-label { align-self: flex-start; }
.wb-builder .wb-command textarea { font-family: var(--jp-code-font-family, monospace); font-size: 12px;
  padding: 4px 6px;
  field-sizing: content; min-height: 26px; max-height: 130px; resize: vertical; }
.wb-builder .wb-command.widget-textarea { height: auto; }
.wb-builder .wb-error {
  color: color-mix(in srgb, var(--jp-error-color1, #b00020) 60%, var(--jp-ui-font-color0, #000)); font-size: 12px; }
.wb-builder .wb-error::before { content: "\\26A0\\FE0E\\00A0"; }
.wb-builder .wb-error:empty, .wb-builder .wb-gone { display: none; }
.wb-builder .wb-ready {
  color: color-mix(in srgb, var(--jp-success-color1, #1b7a33) 60%, var(--jp-ui-font-color0, #000)); }
.wb-builder .wb-wrong {
  color: color-mix(in srgb, var(--jp-error-color1, #b00020) 60%, var(--jp-ui-font-color0, #000)); }
.wb-builder .wb-warning {
  color: color-mix(in srgb, var(--jp-warn-color1, #a35200) 60%, var(--jp-ui-font-color0, #000)); font-size: 12px; }
.wb-builder .wb-buttons { display: flex; gap: 8px; margin: 12px 0 2px; flex-wrap: wrap; align-items: center; }
.wb-builder .wb-buttons .jupyter-button { width: auto; min-width: 84px; padding: 0 12px; }
.wb-builder .jupyter-button { border-radius: 3px; border: 1px solid var(--jp-border-color1, #bbb); }
.wb-builder .jupyter-button.mod-primary { border-color: transparent; }
.wb-builder .jupyter-button:disabled { opacity: .55; }
.wb-builder .wb-texts { display: grid; gap: 8px 12px; grid-template-columns: 1fr; }
@container (min-width: 760px) {
  .wb-builder .wb-texts { grid-template-columns: 1fr 1fr; }
}
.wb-builder .wb-pane { min-width: 0; display: flex; flex-direction: column; }
.wb-builder .wb-pane-head { display: flex; justify-content: space-between; align-items: center; gap: 8px;
  height: 26px; }
.wb-builder .wb-pane .widget-textarea { flex-direction: column; align-items: stretch; height: auto; width: 100%; }
.wb-builder .wb-pane .widget-textarea .widget-label { position: absolute; clip-path: inset(50%);
  width: 1px; height: 1px;
  overflow: hidden; }
.wb-builder .wb-pane textarea { font-family: var(--jp-code-font-family, monospace); font-size: 12px; line-height: 1.45;
  white-space: pre; overflow: auto; resize: vertical; padding: 5px 7px;
  background: var(--jp-cell-editor-background, #f7f7f7);
  color: var(--jp-content-font-color1, #111); tab-size: 4; }
.wb-builder .wb-copy { font: inherit; font-size: 12px; cursor: pointer; padding: 1px 8px; border-radius: 3px;
  background: var(--jp-layout-color2, #eee); color: var(--jp-ui-font-color1, #222);
  border: 1px solid var(--jp-border-color1, #bbb); }
.wb-builder .wb-result table { border-collapse: collapse; margin: 6px 0; font-size: 12px; }
.wb-builder .wb-result td, .wb-builder .wb-result th { padding: 2px 10px 2px 0; text-align: right; }
.wb-builder .wb-result thead th { border-bottom: 1px solid var(--jp-border-color1, #bbb); }
@container (max-width: 480px) {
  .wb-builder .wb-row { grid-template-columns: 1fr; }
  .wb-builder .wb-row .wb-note { grid-column: 1; }
  .wb-builder .wb-preview svg { max-width: 160px; }
}
</style>"""
"""One style element for all of a builder."""
