/** LiteLLM's alert types that are supported. */
export const ALERT_TYPES = [
  'llm_exceptions',
  'llm_too_slow',
  'budget_alerts',
  'db_exceptions',
  'cooldown_deployment',
  'outage_alerts',
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

/** An alert for the operator. */
export interface Alert {
  readonly type: AlertType;
  readonly level: 'Low' | 'Medium' | 'High';
  /** One sentence, without text from calls or providers. */
  readonly message: string;
  /** Set for budget alerts. */
  readonly budget?: BudgetEvent;
}

/** Fields of a budget in LiteLLM's webhook, in USD. */
export interface BudgetEvent {
  readonly event: 'budget_crossed' | 'threshold_crossed' | 'soft_budget_crossed';
  readonly event_group: string;
  readonly spend: number;
  readonly max_budget: number | null;
  readonly soft_budget: number | null;
  readonly token: string | null;
  readonly customer_id: string | null;
  readonly user_id: string | null;
  readonly team_id: string | null;
  readonly organization_id: string | null;
  readonly key_alias: string | null;
}

/** Receives alerts. */
export type RaiseAlert = (alert: Alert) => void;
