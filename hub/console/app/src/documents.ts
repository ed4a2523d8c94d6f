// The documents of /api/v1, as the hub's OpenAPI description states them. Energy Wh, price micro-yuan/kWh, money yuan as text.

export type Stage = "none" | "open" | "cleared" | "settled";

export interface IntervalName {
  interval: number;
  label: string;
  starts_at: string;
  ends_at: string;
}

export interface ModeVolume {
  mode: number;
  pairs: number;
  energy_wh: number;
  to_province_wh: number;
}

export interface Interval extends IntervalName {
  day: string;
  stage: Stage;
  orders: { accepted: number; rejected: number };
  prices: {
    root_uyuan_per_kwh: number | null;
    lowest_uyuan_per_kwh: number | null;
    highest_uyuan_per_kwh: number | null;
    day_ahead_uyuan_per_kwh: number | null;
    indicative_uyuan_per_kwh: number | null;
    real_time_uyuan_per_kwh: number | null;
  };
  exchange: {
    scheduled_import_wh: number | null;
    scheduled_export_wh: number | null;
    metered_import_wh: number | null;
    metered_export_wh: number | null;
    deviation_wh: number | null;
  };
  modes: ModeVolume[];
  limitation: {
    binding_export_edges: number;
    binding_import_edges: number;
    setpoints: number;
    setpoints_answered_ok: number;
    curtailed_orders: number;
    curtailed_wh: number;
  };
  expected: {
    rounds: number;
    violations_before: number;
    violations_after: number;
    vm_min_upu: number | null;
    vm_max_upu: number | null;
    loading_max_mpercent: number | null;
    price_rule: string;
    method: string;
  } | null;
  metered: {
    violations: number;
    vm_min_upu: number | null;
    vm_min_bus: string;
    vm_max_upu: number | null;
    vm_max_bus: string;
    loading_max_mpercent: number | null;
    loading_max_element: string;
    loss_wh: number | null;
  } | null;
  loss_wh: number | null;
  substitutions: number;
  law_violations: number;
  account_sum_yuan: string | null;
}

export interface CurvePoint {
  price_uyuan_per_kwh: number;
  energy_wh: number;
  filled_wh: number;
  cumulative_wh: number;
}

export interface UnitResult {
  unit: string;
  parent: string | null;
  kind: string;
  depth: number;
  price_uyuan_per_kwh: number;
  shadow_uyuan_per_kwh: number;
  basis_uyuan_per_kwh: number;
  flow_up_wh: number;
  export_limit_wh: number | null;
  import_limit_wh: number | null;
  binds: "export" | "import" | null;
  bought_wh: number;
  sold_wh: number;
  loss_wh: number | null;
}

export interface IntervalResult extends Interval {
  units: UnitResult[];
  supply: CurvePoint[];
  demand: CurvePoint[];
}

export interface Series {
  interval: number[];
  label: string[];
  stage: Stage[];
  root_uyuan_per_kwh: (number | null)[];
  indicative_uyuan_per_kwh: (number | null)[];
  real_time_uyuan_per_kwh: (number | null)[];
  scheduled_import_wh: (number | null)[];
  scheduled_export_wh: (number | null)[];
  metered_import_wh: (number | null)[];
  metered_export_wh: (number | null)[];
  deviation_wh: (number | null)[];
  vm_min_upu: (number | null)[];
  vm_max_upu: (number | null)[];
  loading_max_mpercent: (number | null)[];
  violations_before: (number | null)[];
  violations_after: (number | null)[];
  metered_violations: (number | null)[];
  curtailed_wh: number[];
  binding_edges: number[];
  law_violations: number[];
}

export interface Totals {
  cleared_intervals: number;
  settled_intervals: number;
  import_wh: number;
  export_wh: number;
  loss_wh: number | null;
  curtailed_wh: number;
  violations_before: number;
  violations_after: number;
  metered_violations: number;
  law_violations: number;
  substitutions: number;
  setpoints: number;
  modes: ModeVolume[];
  account_sum_yuan: string | null;
}

export interface GatewayState {
  gateway: string;
  unit: string;
  state: string;
  meters: number;
  meters_never_read: number;
  newest_reading_utc_s: number | null;
  oldest_reading_utc_s: number | null;
}

export interface Overview {
  county: string | null;
  day: string;
  now_utc_s: number;
  now: string;
  current: IntervalName | null;
  last_cleared: Interval | null;
  last_settled: Interval | null;
  series: Series;
  totals: Totals;
  limits: { vm_min_upu: number; vm_max_upu: number; loading_max_mpercent: number };
  data: {
    limit_s: number;
    gateways: number;
    metering_points: number;
    meters_never_read: number;
    newest_reading_utc_s: number | null;
    age_s: number | null;
    missing: GatewayState[];
  };
  refused: { kind: string; reason: string; distinct: number; count: number }[];
  counters: Record<string, number>;
  registry: { units: number; gateways: number; metering_points: number; participants: number };
}

export interface Order {
  order_id: string;
  meter: string | null;
  unit: string | null;
  side: "SELL" | "BUY";
  party: string;
  energy_wh: number;
  price_uyuan_per_kwh: number;
  clean: boolean;
  submitted_utc_s: number;
  status: "ACCEPTED" | "REJECTED";
  reason: string;
  cleared_wh: number | null;
  filled_wh: number | null;
  cleared_price_uyuan_per_kwh: number | null;
}

export interface Setpoint {
  meter: string;
  gateway: string;
  unit: string;
  export_limit_w: number;
  export_limit_wh: number;
  cause: string;
  outcome: string | null;
}

export interface Curtailment {
  order_id: string;
  meter: string | null;
  unit: string | null;
  curtailed_wh: number;
  cause: string;
}

export interface LimitViolation {
  stage: "expected" | "cleared" | "metered";
  seq: number;
  kind: string;
  element: string;
  unit: string | null;
  direction: string;
  value: number;
  limit: number;
  excess_per_mille: number;
}

export interface Account {
  account: string;
  group: boolean;
  accounts: number;
  ledger_yuan: string;
  independent_yuan: string;
  difference_yuan: string;
}

export interface Accounts {
  day: string;
  interval: number | null;
  settled_intervals: number;
  accounts: Account[];
  sum_yuan: string;
  independent_sum_yuan: string;
}

export interface StatementSummary {
  account: string;
  seller_class: string | null;
  meters: number;
  total_yuan: string;
  ledger_yuan: string;
  rounding_yuan: string;
}

export interface Statement extends StatementSummary {
  day: string;
  first_interval: number;
  last_interval: number;
  metering_points: {
    meter: string;
    kind: string;
    supply_mode: string;
    sale_mode: string;
    voltage_class: string;
    supply_by: string | null;
    sale_by: string | null;
  }[];
  lines: {
    line: number;
    kind: string;
    energy_wh: number;
    amount_yuan: string;
    exact_yuan: string;
    rule_version: string;
    input_hash: string;
  }[];
}

export type Grade = "green" | "yellow" | "red";
export type CheckWord = "passed" | "failed" | "not_assessed";

export interface HostingUnit {
  unit: string;
  parent: string | null;
  kind: string;
  elements: string;
  rated_kva: number;
  connected_kw: number;
  registered_kw: number;
  capacity_min_kw: number;
  capacity_max_kw: number;
  c1_kw: number;
  c2_kw: number;
  open_c1_kw: number;
  open_c2_kw: number;
  grade: Grade;
  limited_by: string;
  hosting_kw: number | null;
  hosting_element: string | null;
  hosting_limit: string | null;
  reverse_kw: number | null;
  reverse_load_mpercent: number | null;
  reverse_alert: boolean | null;
  reverse_into_high_voltage: boolean | null;
  short_circuit: CheckWord;
  voltage_deviation: CheckWord;
  harmonics: CheckWord;
  edition: string;
  assessed_at: string;
}

export interface Assessment {
  assessed_at_utc_s: number;
  assessed_at: string;
  county: string;
  edition: string;
  inputs_sha256: string;
}

export interface HostingList extends Assessment {
  items: HostingUnit[];
}

export interface HostingState {
  newest: Assessment | null;
  next_utc_s: number;
  next_at: string;
  omissions: { closed_utc_s: number; closed_at: string; reason: string; what: string }[];
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Change {
  action: string;
  before: string;
  after: string;
  at: string;
}

export interface MarketSession {
  session_id: string;
  kind: string;
  first_interval: number;
  end_interval: number;
  label: string | null;
  opens: string;
  gate_closes: string;
  state: string;
  needs_province: boolean;
  accepted: number;
  rejected: number;
  transitions: Change[];
}

export interface SessionDay {
  day: string;
  closed: boolean;
  sessions: MarketSession[];
}

export interface ExchangeInterval {
  interval: number;
  label: string;
  state: string;
  version: number;
  scheduled_wh: number | null;
  set_by: string | null;
  standing_version: number;
  standing_wh: number | null;
  finality: string;
  frozen: boolean;
  metered_wh: number | null;
  deviation_wh: number | null;
  day_ahead_uyuan_per_kwh: number | null;
  real_time_uyuan_per_kwh: number | null;
  steps: { step: string; before: string; after: string; version: number; at: string }[];
}

export interface ExchangeDay {
  day: string;
  closed: boolean;
  intervals: ExchangeInterval[];
}

export interface ModeInForce {
  mode: string;
  by: string | null;
  from_day: string | null;
  until_day: string | null;
  prepared: string;
}

export interface RegistryPoint {
  meter: string;
  kind: string;
  unit: string;
  voltage_class: string;
  category: string | null;
  installed_capacity_w: number | null;
  participant: string;
  participant_class: string | null;
  supply: ModeInForce;
  sale: ModeInForce;
}

export interface RegistryParticipant {
  participant: string;
  participant_class: string | null;
  meters: number;
  status: string | null;
  since: string | null;
}

export interface RegistryProject {
  project_id: string;
  participant_id: string;
  element: string;
  installed_capacity_w: number;
}

export interface RegisterOfDay {
  county: string;
  as_of: string;
  sequence: number;
  sha256: string;
  projects: RegistryProject[];
  waiting: RegistryProject[];
  elements: { element: string; superior: string | null; room_kw: number; grade: Grade }[];
  contracts: string[];
}

export interface RegistryRecord {
  sequence: number;
  event: { event: string; event_id: string; recorded_on: string } & Record<string, unknown>;
  actor: string;
  taken_utc_s: number;
  outcome: { outcome: string; reason?: string; what?: string };
  sha256: string;
  previous_sha256: string;
  follows: boolean;
}

export interface PointHistory {
  meter: string;
  items: RegistryRecord[];
  county_sequence: number;
}

export interface BillMonth {
  month: string;
  bills: number;
  energy_wh: number;
  total_yuan: string;
  rounding_yuan: string;
  replaced: boolean;
  closed_on: string | null;
  components: { component: string; energy_wh: number; amount_yuan: string }[];
}

export interface BillSummary {
  metering_point: string;
  account: string;
  bill_id: string;
  version: number;
  booked_in: number;
  energy_wh: number;
  total_yuan: string;
  rounding_yuan: string;
  sha256: string;
}

export interface BillVersion {
  version: number;
  bill_id: string;
  booked_in: string;
  energy_wh: number;
  total_yuan: string;
  sha256: string;
}

/** A whole number that may be beyond what a float holds; see bill_figures.ts. */
export type Whole = bigint;

export interface BillLine {
  number: number;
  component: string;
  period: string;
  detail: string;
  quantity: Whole;
  unit: "Wh" | "W" | "VA" | "amount";
  base_price_uyuan: number | null;
  factor_ppm: number | null;
  price_uyuan: number | null;
  amount_nano_yuan: Whole;
  amount_fen: number;
  posting: "charge" | "reversal" | "restated";
  corrects: string;
  reason: string;
  rule_version: string;
  price_versions: string[];
  input_hash: string;
}

export interface BillChangeRow {
  component: string;
  period: string;
  detail: string;
  before_nano_yuan: Whole;
  after_nano_yuan: Whole;
  quantity_nano_yuan: Whole;
  price_nano_yuan: Whole;
  rule_nano_yuan: Whole;
  other_nano_yuan: Whole;
}

export interface Bill {
  head: {
    bill_id: string;
    user_id: string;
    user_name: string;
    metering_point: string;
    province: string;
    month: string;
    category: string;
    voltage_class: string;
    tariff_type: string;
    supply_mode: string;
    meter_data_hash: string;
  };
  energy_wh: number;
  lines: BillLine[];
  current_fen: number;
  corrections_fen: number;
  total_fen: number;
  exact_nano_yuan: Whole;
  rounding_nano_yuan: Whole;
  average_price_uyuan_per_kwh: number | null;
  components: {
    component: string;
    amount_nano_yuan: Whole;
    share_bp: number | null;
    items: { item: string; price_uyuan_per_kwh: number | null; amount_nano_yuan: Whole }[];
  }[];
  prices: {
    version_id: string;
    what: string;
    text: string;
    document: string;
    effective_from: string | null;
    effective_to: string | null;
  }[];
  change: {
    before_bill_id: string;
    before_month: string;
    before_fen: number;
    after_fen: number;
    quantity_nano_yuan: Whole;
    price_nano_yuan: Whole;
    rule_nano_yuan: Whole;
    other_nano_yuan: Whole;
    rounding_nano_yuan: Whole;
    is_estimated: boolean;
    rows: BillChangeRow[];
  } | null;
}

export interface GreenPlant {
  meter: string;
  participant: string;
  unit: string;
  generation_wh: number;
  bound_wh: number;
  delivered_wh: number;
  month: number;
  month_generation_wh: number;
  carried_in_wh: number;
  certificates: number;
  carried_out_wh: number;
}

export interface GreenDay {
  day: string;
  closed: boolean;
  generation_wh: number;
  bound_wh: number;
  delivered_wh: number;
  certificates: number;
  wh_per_certificate: number | null;
  carried_in_wh: number;
  month_generation_wh: number;
  carried_out_wh: number;
  twice: number;
  overdelivered: number;
  entered: { month: string; plants: number; generation_wh: number; certificates: number; carried_wh: number }[];
  volumes: { mode: number; buyer: string; attributes: number; bound_wh: number; delivered_wh: number }[];
  plants: GreenPlant[];
}
