import {
  CellStyleModule,
  ClientSideRowModelApiModule,
  ClientSideRowModelModule,
  ColumnApiModule,
  ColumnAutoSizeModule,
  ExternalFilterModule,
  ModuleRegistry,
  NumberFilterModule,
  PinnedRowModule,
  QuickFilterModule,
  RenderApiModule,
  RowApiModule,
  RowSelectionModule,
  ScrollApiModule,
  TextFilterModule,
  TooltipModule,
  createGrid,
  themeQuartz,
  type ColDef,
  type GridApi,
  type ICellRendererParams,
  type ValueFormatterParams,
  type ValueGetterParams
} from 'ag-grid-community';
import { duration, h, number, status, valueText } from './dom';
import { trans } from './language';
import type { State } from './state';
import type { Trial } from './protocol';

ModuleRegistry.registerModules([
  CellStyleModule,
  ClientSideRowModelApiModule,
  ClientSideRowModelModule,
  ColumnApiModule,
  ColumnAutoSizeModule,
  ExternalFilterModule,
  NumberFilterModule,
  PinnedRowModule,
  QuickFilterModule,
  RenderApiModule,
  RowApiModule,
  RowSelectionModule,
  ScrollApiModule,
  TextFilterModule,
  TooltipModule
]);

const THEME = themeQuartz.withParams({
  backgroundColor: 'var(--wb-bg)',
  foregroundColor: 'var(--wb-fg)',
  headerBackgroundColor: 'var(--wb-bg2)',
  headerTextColor: 'var(--wb-fg)',
  borderColor: 'var(--wb-border)',
  accentColor: 'var(--wb-accent)',
  rowHoverColor: 'var(--wb-hover)',
  selectedRowBackgroundColor: 'var(--wb-selected)',
  menuBackgroundColor: 'var(--wb-bg)',
  inputBackgroundColor: 'var(--wb-bg)',
  browserColorScheme: 'inherit',
  fontFamily: 'inherit',
  fontSize: 12,
  headerFontSize: 12,
  rowHeight: 26,
  headerHeight: 30,
  cellHorizontalPadding: 8,
  wrapperBorderRadius: 2,
  borderRadius: 2,
  spacing: 5
});

type Row = Trial;

/** Pixels of a column until somebody drags it wider: what is cut off is in its tooltip. */
const WIDEST = 230;

/** The live table of trials. It keeps sort, filter, scroll and selection while rows change. */
export class TrialTable {
  readonly element: HTMLElement;
  private readonly grid: GridApi<Row>;
  private readonly pinned = new Set<string>();
  private syncing = false;
  private columns = '';
  private known = new Set<string>();
  private fitted = false;
  private lastBest: string | undefined;
  private taken: ReadonlySet<string> = new Set();

  constructor(private readonly state: State) {
    this.element = h('div', { class: 'wb-table' });
    this.grid = createGrid<Row>(this.element, {
      theme: THEME,
      getRowId: ({ data }) => data.name,
      columnDefs: [],
      rowData: [],
      defaultColDef: { sortable: true, resizable: true, filter: true, suppressHeaderFilterButton: true, minWidth: 56 },
      rowSelection: { mode: 'multiRow', checkboxes: false, headerCheckbox: false, enableClickSelection: true },
      animateRows: false,
      suppressDragLeaveHidesColumns: true,
      asyncTransactionWaitMillis: 80,
      onGridSizeChanged: ({ clientWidth }) => {
        if (clientWidth > 0 && !this.fitted) {
          this.fit();
        }
      },
      isExternalFilterPresent: () => this.state.brushed !== null,
      doesExternalFilterPass: node => this.state.brushed?.has(node.data?.name ?? '') ?? true,
      onSelectionChanged: () => this.selectionChanged(),
      onCellKeyDown: event => {
        const key = (event.event as KeyboardEvent | undefined)?.key;
        if (key === 'p' && event.data) {
          this.togglePin(event.data);
        }
      },
      overlayNoRowsTemplate: h('span', { class: 'wb-empty' }, trans.__('No trial yet. The first ones appear here as soon as they start.')).outerHTML
    });
    state.onChange((changed, all) => this.update(changed, all));
    state.onSelection(() => this.takeSelection());
    this.update([], true); // it is made once there is something to show
  }

  /** Let the time of what runs go on; cells that are not in sight, and those of what has ended, cost nothing. */
  tick(): void {
    if (this.element.checkVisibility()) {
      this.grid.refreshCells({ columns: ['duration'] });
    }
  }

  /** Show or hide one column. */
  setVisible(column: string, visible: boolean): void {
    this.grid.setColumnsVisible([column], visible);
  }

  /** Ids, titles and whether they are shown, in order. */
  columnList(): { id: string; title: string; visible: boolean }[] {
    return (this.grid.getColumns() ?? []).map(column => ({
      id: column.getColId(),
      title: column.getColDef().headerName ?? column.getColId(),
      visible: column.isVisible()
    }));
  }

  /** Show or hide a row of filters under the heads. */
  showFilters(visible: boolean): void {
    const columns = this.grid.getColumnDefs() ?? [];
    this.grid.setGridOption(
      'columnDefs',
      columns.map(column => ({ ...column, floatingFilter: visible }))
    );
    if (!visible) {
      this.grid.setFilterModel(null);
    }
  }

  quickFilter(text: string): void {
    this.grid.setGridOption('quickFilterText', text);
  }

  destroy(): void {
    this.grid.destroy();
  }

  /** Keep a trial at the top whatever the order, or let it go. */
  togglePin(trial: Trial): void {
    if (!this.pinned.delete(trial.name)) {
      this.pinned.add(trial.name);
    }
    this.showPinned();
  }

  /** Make each column as wide as it needs; reasons get what is left. */
  private fit(): void {
    if (!this.element.clientWidth) {
      return; // nothing can be measured before it is on the page
    }
    this.fitted = this.state.trials.size > 0;
    const columns = (this.grid.getColumns() ?? []).map(column => column.getColId());
    this.grid.autoSizeColumns({ colIds: columns.filter(id => id !== 'reason'), defaultMaxWidth: WIDEST });
  }

  private showPinned(): void {
    const rows = [...this.pinned].flatMap(name => this.state.trials.get(name) ?? []);
    this.grid.setGridOption('pinnedTopRowData', rows);
  }

  private update(changed: Trial[], all: boolean): void {
    this.updateColumns();
    if (all) {
      this.known = new Set(this.state.trials.keys());
      this.grid.setGridOption('rowData', [...this.state.trials.values()]);
      this.fit();
      return;
    }
    const fresh: Trial[] = [];
    const known: Trial[] = [];
    for (const trial of changed) {
      (this.known.has(trial.name) ? known : fresh).push(trial);
      this.known.add(trial.name);
    }
    if (fresh.length || known.length) {
      const first = this.grid.getDisplayedRowCount() === 0;
      this.grid.applyTransactionAsync({ add: fresh, update: known }, () => {
        if (first) {
          this.fit();
        }
      });
    }
    if (changed.some(trial => this.pinned.has(trial.name))) {
      this.showPinned();
    }
    const best = this.state.header?.best?.name;
    if (best !== this.lastBest) {
      this.lastBest = best;
      this.grid.redrawRows();
    }
  }

  private updateColumns(): void {
    const header = this.state.header;
    const key = JSON.stringify([header?.axes.map(axis => axis.name), header?.metric]);
    if (!header || key === this.columns) {
      return;
    }
    this.columns = key;
    const metric = header.metric?.name ?? trans.__('score');
    const best = header.metric?.goal === 'minimize' ? trans.__('%1 (min)', metric) : trans.__('%1 (max)', metric);
    const numeric: ColDef<Row> = {
      type: 'rightAligned',
      filter: 'agNumberColumnFilter',
      valueFormatter: (params: ValueFormatterParams<Row>) => number(params.value as number | null)
    };
    const columns: ColDef<Row>[] = [
      { colId: 'number', field: 'number', headerName: '#', ...numeric, minWidth: 48, pinned: 'left', cellRenderer: marked(this.state) },
      { colId: 'status', field: 'status', headerName: trans.__('status'), cellRenderer: statusCell, minWidth: 104 },
      ...header.axes.map(
        (axis): ColDef<Row> => ({
          colId: `params.${axis.name}`,
          headerName: axis.name,
          headerTooltip: trans.__('parameter %1', axis.name),
          valueGetter: (params: ValueGetterParams<Row>) => params.data?.params[axis.name],
          ...(axis.scale === 'category' ? { type: 'rightAligned' } : numeric),
          ...(axis.scale === 'category' ? { valueFormatter: params => valueText(params.value), tooltipValueGetter: params => valueText(params.value) } : {})
        })
      ),
      { colId: 'score', field: 'score', headerName: best, headerTooltip: trans.__('the best value of %1', metric), ...numeric },
      {
        colId: 'last',
        field: 'last',
        headerName: trans.__('%1 (last)', metric),
        headerTooltip: trans.__('the last value of %1', metric),
        ...numeric,
        valueFormatter: ({ data, value }) => (data?.diverged ? 'NaN' : number(value as number | null))
      },
      { colId: 'spark', headerName: trans.__('curve'), valueGetter: params => params.data?.spark, cellRenderer: sparkCell, sortable: false, filter: false, width: 92, minWidth: 92, equals: same },
      {
        colId: 'duration',
        headerName: trans.__('time'),
        type: 'rightAligned',
        filter: false,
        valueGetter: params => (params.data ? this.state.elapsed(params.data) : null),
        valueFormatter: params => duration(params.value as number | null)
      },
      {
        colId: 'reason',
        headerName: trans.__('reason'),
        valueGetter: params => params.data?.progress ?? params.data?.reason,
        tooltipValueGetter: params => String(params.value ?? ''),
        minWidth: 120,
        maxWidth: 520,
        flex: 1
      }
    ];
    this.grid.setGridOption('columnDefs', columns);
  }

  private selectionChanged(): void {
    if (this.syncing) {
      return;
    }
    this.syncing = true;
    this.state.select(this.grid.getSelectedRows().map(row => row.name));
    this.syncing = false;
  }

  private takeSelection(): void {
    this.grid.onFilterChanged();
    const isNew = this.state.selected !== this.taken;
    this.taken = this.state.selected;
    if (this.syncing || !isNew) {
      return; // a brush that follows an update moves nothing
    }
    this.syncing = true;
    let first = true;
    this.grid.forEachNode(node => {
      const wanted = this.state.selected.has(node.data?.name ?? '');
      if (node.isSelected() !== wanted) {
        node.setSelected(wanted);
      }
      if (wanted && first) {
        first = false;
        this.grid.ensureNodeVisible(node);
      }
    });
    this.syncing = false;
  }
}

function marked(state: State): (params: ICellRendererParams<Row>) => HTMLElement {
  return params => {
    const isBest = params.data?.name !== undefined && params.data.name === state.header?.best?.name;
    const attempt = params.data && params.data.attempt > 1 ? ` ↻${params.data.attempt}` : '';
    return h(
      'span',
      { class: isBest ? 'wb-best' : '', title: isBest ? trans.__('the best trial') : '' },
      isBest ? '★ ' : '',
      `${params.data?.number ?? ''}${attempt}`
    );
  };
}

function statusCell(params: ICellRendererParams<Row>): HTMLElement {
  return status(String(params.value ?? ''));
}

function sparkCell(params: ICellRendererParams<Row>): HTMLElement | SVGElement {
  const values = ((params.value as (number | null)[] | undefined) ?? []).filter(value => value !== null);
  if (values.length < 2) {
    return h('span', { class: 'wb-dim' }, values.length ? '·' : '');
  }
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const points = values
    .map((value, index) => `${((76 * index) / (values.length - 1) + 1).toFixed(1)},${(17 - (14 * (value - low)) / span).toFixed(1)}`)
    .join(' ');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 78 20');
  svg.setAttribute('class', 'wb-spark');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', trans.__('from %1 to %2', number(values[0]), number(values[values.length - 1])));
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('points', points);
  svg.append(line);
  return svg;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
