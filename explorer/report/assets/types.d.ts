// What the scripts of the page pass to each other. Only the type check reads this file; no script contains it.

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** Numbers in order of rows; what only reads them also takes plain arrays. */
type Numbers = ArrayLike<number>;

/** Places of operating points among those of the run. */
type Rows = readonly number[] | Uint32Array;

// ---- the run, as explorer/report/embedded.py writes it

/** Base64 of little-endian numbers. */
interface EncodedColumn {
  type: "u8" | "u16" | "u32" | "f64";
  data: string;
}

type Direction = "maximize" | "minimize" | "";

interface Metric {
  name: string;
  label: string;
  shortLabel: string;
  unit: string;
  direction: Direction;
  group: string;
  kind: string;
  isShare: boolean;
  /** Column of the points whose mean over samples it is; empty for other kinds. */
  credit: string;
  /** Column of the points of whose mean it is an end of the interval, and how far from it; empty for others. */
  bounds: string;
  margin: string;
  slider: boolean;
}

interface Limit {
  operator: "<=" | ">=";
  bound: number;
}

interface Constraint extends Limit {
  column: string;
}

/** null where a profile does not know a number. */
interface DeviceProfile {
  name: string;
  description: string;
  macs_per_s: number | null;
  memory_bandwidth_bytes_per_s: number | null;
  call_overhead_s: number | null;
  idle_w: number | null;
  active_w: number | null;
  sleep_w: number | null;
  ram_bytes: number | null;
  flash_bytes: number | null;
  part_overhead_s: number | null;
  macs_per_s_int8: number | null;
  /** By kind; in the place of rate, bandwidth and call overhead. */
  operators: Record<string, OperatorTimes> | null;
}

/** What operators of one kind take: the sum of four terms. */
interface OperatorTimes {
  s_per_call: number;
  s_per_mac: number;
  s_per_byte: number;
  s_per_group: number;
}

/** null where a profile does not know a number. */
interface LinkProfile {
  name: string;
  description: string;
  uplink_bits_per_s: number | null;
  rtt_s: number | null;
  tx_joules_per_bit: number | null;
  tx_alpha_w_per_bit_per_s: number | null;
  tx_beta_w: number | null;
  message_energy_j: number | null;
  promotion_s: number | null;
  promotion_j: number | null;
  tail_s: number | null;
  tail_w: number | null;
  header_bytes_per_message: number | null;
  header_bytes_per_packet: number | null;
  packet_payload_bytes: number | null;
  loss: number | null;
  duty_cycle: number | null;
  keepalive_j: number | null;
  keepalive_s: number | null;
  lora_spreading_factor: number | null;
  lora_block_symbols: number | null;
  lora_preamble_symbols: number | null;
}

/** A kind of battery cell. */
interface Cell {
  name: string;
  description: string;
  self_discharge_per_year: number;
  shelf_life_years: number;
}

/** A battery and what is asked of it. */
interface BatteryUse {
  samplesPerDay: number;
  batteryWh: number;
  cell: Cell;
}

type LinkQuantity = Exclude<keyof LinkProfile, "name" | "description">;

/** Which messages carry payloads: bytes of a request besides its payload, and of the whole answer. */
interface WireProtocol {
  name: string;
  description: string;
  overhead_bytes: number;
  answer_bytes: number;
}

type Role = "edge" | "server" | "link" | "protocol";

interface Setting {
  edge: DeviceProfile;
  server: DeviceProfile;
  link: LinkProfile;
  protocol: WireProtocol;
  /** When answers are late; null for never. */
  deadline_s: number | null;
}

interface Profiles {
  run: Setting;
  devices: DeviceProfile[];
  links: LinkProfile[];
  protocols: WireProtocol[];
  cells: Cell[];
}

/** One entry per network. */
interface Networks<Column> {
  key: string[];
  backbone: string[];
  /** What each is called, and how dense it is. */
  words: [string, string][];
  pattern: string[];
  arguments: Record<string, unknown>[];
  densities: Record<string, number>[];
  epochs: number[];
  epochsAsked: number[];
  samples: Column;
  /** Place of a network's first split point among those of all networks. */
  firstSplit: number[];
}

/** Operators that occur, each once; see explorer/devices/operators.py. */
interface OperatorColumns<Column> {
  /** Place among all kinds. */
  kind: Column;
  macs: Column;
  moved_bytes: Column;
  groups: Column;
  added_macs: Column;
  added_bytes: Column;
}

/** One operator. */
interface Operator {
  kind: string;
  macs: number;
  moved_bytes: number;
  groups: number;
  added_macs: number;
  added_bytes: number;
}

/** How a network learned; right answers of so many samples, one per place. */
interface LearningCurve {
  losses: number[];
  samples: number;
  /** Places of the exits in order, and of the output, among the network's split points. */
  places: number[];
  /** Epochs, counted from 1, after which the samples were looked at. */
  epochs: number[];
  right: number[][];
}

/** One entry per network and split point; operators lie end to end, from one `start` to the next. */
interface Splits<Column> {
  network: Column;
  is_output: Column;
  payload_elements: Column;
  edge_macs: Column;
  edge_macs_dense: Column;
  server_macs: Column;
  exit_macs: Column;
  edge_param_bytes: Column;
  exit_param_bytes: Column;
  edge_index_bytes: Column;
  edge_ram_bytes: Column;
  exit_ram_bytes: Column;
  range_bytes: Column;
  operator_start: Column;
  /** Place of each operator among those that occur. */
  operator: Column;
  exit_start: Column;
  exit_operator: Column;
}

/** One entry per operating point or baseline: what was observed of it. */
interface Points<Column> {
  split: Column;
  /** 0 where the point sends nothing. */
  bits: Column;
  /** NaN where the point has no exit classifier. */
  threshold: Column;
  correct: Column;
  exited: Column;
  sent_bytes: Column;
  /** The following where C counts: 32, or 8 in int8; constants, flash and RAM. */
  edge_weight_bits?: Column;
  code_constant_bytes?: Column;
  code_flash_bytes?: Column;
  code_ram_bytes?: Column;
}

/** What became of each class and sample at the points of the run's front, and at references; see explorer/report/classes.py. */
interface Classes<Column> {
  names: string[];
  /** Of the validation subset. */
  samples: number[];
  rows: number[];
  right: Column;
  macroF1: Column;
  confusion: Column | null;
  /** Whether each sample is answered right, a bit each, highest bit first; null where that is not here. */
  answers: Column | null;
}

/** A front to be grouped; losses by row, all to be minimised. */
interface GroupedFront {
  front: Rows;
  losses: Numbers[];
  /** Losses but the quality's. */
  costs: Numbers[];
  quality: Numbers | null;
  /** The same for rows of one network, cut and bits. */
  cut(row: number): string;
  threshold(row: number): number;
  /** Whether it is known what a row answered, so that it can be alike. */
  isKnown(row: number): boolean;
  alike(first: number, second: number): boolean;
}

/** A point that is seen side by side with others. */
interface Pin {
  /** As the state keeps it. */
  id: string;
  /** Of the run's points; -1 for a point of somebody else. */
  row: number;
  /** What a point of somebody else has in the columns of its series; null for one of the run. */
  values: Record<string, number | null> | null;
  /** Among the pins. */
  place: number;
  letter: string;
  colour: string;
  name: string;
  tags: string[];
}

/** Bars under one title. */
interface BarBlock {
  title: string;
  rows: { label: string; value: number; text: string; colour: string }[];
}

/** A pinned point's shares against its threshold; its own step, and the share that is its own. */
interface ThresholdCurve {
  pin: Pin;
  own: ThresholdStep | undefined;
  steps: ThresholdStep[];
  level: number;
  of(step: ThresholdStep): number;
}

/** One row of the front: points of one network, cut and bits, and those that they stand for. */
interface FrontGroup {
  /** The step with the smallest sum of scaled objectives. */
  shown: number;
  /** Lowest threshold first. */
  steps: number[];
  /** Rows that cost as much as a step or more, and are not better by more than noise. */
  alike: number[];
}

/** Scale and text of a unit's prefix. */
type Prefix = [number, string];

/** A figure as plotly takes it. */
interface Figure {
  data: object[];
  layout: FigureLayout;
}

interface FigureLayout {
  height: number;
  font?: object;
  xaxis?: object;
  yaxis?: object;
}

interface EmbeddedRun {
  run: string;
  numPoints: number;
  objectives: string[];
  constraints: Constraint[];
  /** Whether points must fit the memory of the edge device. */
  fitsDevice: boolean;
  metrics: Metric[];
  prefixes: Record<string, Prefix[]>;
  groups: string[];
  profiles: Profiles;
  networks: Networks<EncodedColumn>;
  /** One per network; null where nothing is known. */
  curves: (LearningCurve | null)[];
  splitNames: string[];
  splits: Splits<EncodedColumn>;
  operators: { kinds: string[] } & OperatorColumns<EncodedColumn>;
  points: Points<EncodedColumn>;
  /** Rows of split point, bits and a value per name. */
  measured: { names: string[]; rows: [number, number, ...(number | null)[]][] };
  /** Row and names of every reference. */
  references: [number, string][];
  /** What is subtracted from an accuracy, at some accuracies, rising; null where that is not known. */
  optimism: { column: string; accuracies: number[]; amounts: number[] } | null;
  /** The column that says how good answers are. */
  quality: string;
  classes: Classes<EncodedColumn>;
  figures: Record<string, Figure>;
  plotlyConfig: object;
  /** Seconds after which the page loads itself anew; null where the search has ended. */
  live: number | null;
  /** Points of somebody else, by columns named as metrics. */
  series?: OtherSeries[];
}

/** Points of somebody else. */
interface OtherSeries {
  name: string;
  labels: string[];
  columns: Record<string, (number | null)[]>;
}

/** The run with its columns decoded. */
interface Run extends Omit<EmbeddedRun, "networks" | "splits" | "operators" | "points" | "classes"> {
  classes: Classes<TypedArray>;
  networks: Networks<TypedArray>;
  splits: Splits<TypedArray>;
  operators: { kinds: string[] } & OperatorColumns<TypedArray>;
  points: Points<TypedArray>;
}

// ---- columns over all points

interface ColumnInfo {
  name: string;
  label: string;
  shortLabel: string;
  unit: string;
  direction: Direction;
  group: string;
  kind: string;
  slider: boolean;
}

interface NumberColumn extends ColumnInfo {
  values: Float64Array;
  /** Scale and unit in which the values are shown. */
  shown: Prefix;
  levels?: undefined;
  codes?: undefined;
}

interface TextColumn extends ColumnInfo {
  levels: string[];
  /** Per row the place of its text in `levels`. */
  codes: Uint32Array;
  values?: undefined;
  shown?: undefined;
}

type Column = NumberColumn | TextColumn;

/** A share with its 95 % interval. */
interface Interval {
  share: number;
  low: number;
  high: number;
}

// ---- what the reader has chosen

interface LevelsPart {
  levels: string[];
  low?: undefined;
  high?: undefined;
  missing?: undefined;
}

/** A range of values, none where `low` is null, and whether rows without a value are inside. */
interface RangePart {
  low: number | null;
  high: number | null;
  missing: boolean;
  levels?: undefined;
}

/** One brush over one column. */
type Part = LevelsPart | RangePart;

type Brushes = Record<string, Part[]>;

/** What a filter lets through. */
interface Filter {
  brushes?: Brushes;
  search?: string;
  ids?: string[] | null;
}

/** A filter that was kept, or whose inside was excluded. */
interface Step extends Filter {
  keep: boolean;
}

type Method = "knee" | "ideal" | "weights" | "best";

/** What of the state decides which profiles are in force, and how the device is used. */
interface SettingState {
  edge: string;
  server: string;
  link: string;
  protocol: string;
  /** Single numbers changed, by role and quantity: "link.rtt_s". */
  set: Record<string, number>;
  /** Seconds after which an answer is late in place of the run's own; 0 for that. */
  deadline: number;
  samplesPerDay: number;
  batteryWh: number;
  /** Name of the battery's kind of cell. */
  cell: string;
}

interface State extends SettingState {
  x: string;
  y: string;
  /** "" where the scatter has no depth. */
  z: string;
  colour: string;
  /** "" where all points are equally large. */
  size: string;
  /** null: the values decide. */
  logX: boolean | null;
  logY: boolean | null;
  fit: boolean;
  objectives: string[];
  limits: Record<string, Limit>;
  method: Method;
  weights: Record<string, number>;
  best: string;
  brushes: Brushes;
  steps: Step[];
  search: string;
  list: string;
  /** Whether the table shows the front by network, cut and bits. */
  grouped: boolean;
  /** Whether limits on accuracy hold for the lower end of its interval. */
  assured: boolean;
  fitsDevice: boolean;
  /** Whether only fully trained networks may be chosen. */
  full: boolean;
  /** null: the objectives and what varies. */
  axes: string[] | null;
  sort: string;
  /** null: the best first. */
  descending: boolean | null;
  shownColumns: string[] | null;
  /** Id of the point that is opened. */
  selected: string | null;
  /** Ids of points that are seen side by side. */
  pinned: string[];
  /** Angles of the cube. */
  turn: number[];
}

type Patch = Partial<State>;
type Change = (patch: Patch) => void;

/** What chooses a point, with the direction of the column that `best` names. */
interface ChoiceState extends State {
  bestDirection?: Direction;
}

/** What every row sends, how often, and what encoding takes. */
interface Transfers {
  offload: Float64Array;
  /** Payload bytes per sample, of which those that exit send none. */
  perSample: Float64Array;
  /** Payload bytes per sample that is sent. */
  message: Float64Array;
  codecMacs: Float64Array;
  codecBytes: Float64Array;
  hasExit: Uint8Array;
}

// ---- views

type Model = import("./model.js").Model;
type Page = import("./main.js").Page;
type NetworkCard = import("./network.js").NetworkCard;
type Scatter = import("./scatter.js").Scatter;

interface Tick {
  at: number;
  text: string;
}

/** Places on an axis lie in [0, 1]. */
interface Axis {
  log: boolean;
  place(row: number): number;
  ticks: Tick[];
  between(a: number, b: number): Part;
  span(brush: Part): number[][];
}

interface NumberAxis extends Axis {
  placeValue(value: number): number;
  valueAt(place: number): number;
}

interface Extent {
  low: number;
  high: number;
  /** The smallest value above 0. */
  positive: number;
  missing: boolean;
}

type Shape = "circle" | "square" | "triangle" | "diamond" | "cross";

interface Mark {
  colour: string;
  shape: Shape;
  hollow: boolean;
}

/** How rows look by one column; numbers have an axis for the ramp. */
type Look = { of(row: number): Mark } & (
  | { column: TextColumn; axis?: undefined }
  | { column: NumberColumn; axis: Axis }
);

type Theme = Record<"ink" | "soft" | "line" | "surface" | "grey" | "faint" | "accent" | "mark", string>;

/** Bars of one title, a value and a text per row. */
interface Series {
  title: string;
  values: number[];
  texts: string[];
  highest: number;
}

/** What one confidence threshold leads to. */
interface ThresholdStep {
  threshold: number;
  accuracy: number;
  low: number;
  high: number;
  exitRate: number;
}

type Child = Node | string | number | false | null | undefined | Child[];

/** Groups of a select, each with its options' values and texts. */
type ChoiceGroups = [string, [string, string][]][];

interface Attributes {
  onchange?: (event: Event) => void;
  onclick?: (event: MouseEvent) => void;
  oninput?: (event: Event) => void;
  onkeydown?: (event: KeyboardEvent) => void;
  [name: string]: string | number | boolean | null | undefined | ((event: never) => void);
}

/** Elements that the scripts use as more than any HTML element. */
interface ElementsById {
  clear: HTMLButtonElement;
  exclude: HTMLButtonElement;
  filter: HTMLInputElement;
  "filter-column": HTMLSelectElement;
  "filter-high": HTMLInputElement;
  "filter-levels": HTMLSelectElement;
  "filter-low": HTMLInputElement;
  "filter-missing": HTMLInputElement;
  fit: HTMLInputElement;
  assured: HTMLInputElement;
  fits: HTMLInputElement;
  full: HTMLInputElement;
  grouped: HTMLInputElement;
  keep: HTMLButtonElement;
  list: HTMLSelectElement;
  "log-x": HTMLInputElement;
  "log-y": HTMLInputElement;
  "overlay-x": HTMLSelectElement;
  "overlay-y": HTMLSelectElement;
  points: HTMLTableElement;
  "pin-reference": HTMLSelectElement;
  "pin-shown": HTMLButtonElement;
  search: HTMLInputElement;
  undo: HTMLButtonElement;
  "what-cell": HTMLSelectElement;
  "what-edge": HTMLSelectElement;
  "what-if": HTMLDetailsElement;
  "what-link": HTMLSelectElement;
  "what-protocol": HTMLSelectElement;
  "what-server": HTMLSelectElement;
  "answer-bound": HTMLInputElement;
  [id: `axis-${string}`]: HTMLSelectElement;
  [id: `bound-${string}`]: HTMLInputElement;
  [id: `limit-${string}`]: HTMLInputElement;
}

interface ScatterHandlers {
  select(row: number, scroll?: boolean): void;
  brush(parts: Record<string, Part>): void;
  /** Lines of the hover box. */
  text(row: number): string[];
  turn(turn: number[]): void;
}

interface ParallelHandlers {
  brush(name: string, parts: Part[]): void;
  select(row: number): void;
}

/** Path in the setting or name in the state, label, unit, low, high, logarithmic. */
type Slider = [
  path: "deadline" | "samplesPerDay" | "batteryWh" | `link.${LinkQuantity}`,
  label: string,
  unit: string,
  low: number,
  high: number,
  log: boolean,
];

// ---- the index of runs

/** A run as the index lays its front over those of others; null where a point has no value. */
interface IndexedRun {
  folder: string;
  name: string;
  columns: Record<string, (number | null)[]>;
  reference: Record<string, number>;
}

/** A run with its place in the index, which its colour follows. */
interface PlacedRun extends IndexedRun {
  place: number;
}

/** A front with its place among those in the chart. */
interface PlacedFront {
  name: string;
  place: number;
  columns: Record<string, (number | null)[]>;
}

/** What `explorer compare` holds against each other. */
interface EmbeddedComparison {
  fronts: Omit<PlacedFront, "place">[];
  /** The first two that all have; fewer where there are no two. */
  objectives: Metric[];
  prefixes: Record<string, Prefix[]>;
}

interface OverviewState {
  /** Folders of the runs in the plot. */
  chosen: string[];
  x: string;
  y: string;
  filter: string;
}

interface EmbeddedIndex {
  runs: IndexedRun[];
  metrics: Metric[];
  prefixes: Record<string, Prefix[]>;
}

// ---- what scripts add to the window

declare const Plotly: {
  react(holder: HTMLElement, data: object[], layout: object, config: object): Promise<unknown>;
};

interface Window {
  /** Absent until it is unpacked. */
  Plotly?: typeof Plotly;
  explorerPage: Page;
}
