import { inspect } from 'node:util';
import { InvalidArgumentError } from '../../common/errors.js';
import type { Deployment } from '../deployments/deployment.js';
import type { LedgersById } from '../health/budgets.js';
import type { QuotaBooking } from '../quota/quota-domain.js';
import type { RoutedSelection } from '../routing-context.js';
import type { ResolvedRouterSettings } from '../settings.js';
import type { RoutingExplanation } from './explanation.js';
import type { NameResolution } from './name-resolution.js';
import type { RoutingStrategy } from './strategies/strategy.js';

/** The parts of a configuration that the end of a request depends on. */
export interface SelectedUnder {
  readonly settings: ResolvedRouterSettings;
  readonly names: NameResolution;
  readonly ledgers: LedgersById;
}

/** Tokens per minute reserved for a request at the deployment in `slot`. */
export interface Booking {
  readonly slot: number;
  readonly tokens: number;
  readonly minute: number;
  /** Where limits are learned. */
  readonly quota?: QuotaBooking;
  /** The configuration under which it was selected. */
  readonly version: SelectedUnder;
}

/** A deployment selected for one request. It counts the request until it is released, once. */
export class Selection implements RoutedSelection {
  readonly deployment: Deployment;
  readonly model: string;
  readonly group: string;
  readonly strategy: RoutingStrategy | 'custom';
  /** Set with `explain: true` only. */
  declare explanation?: RoutingExplanation;
  isReleased = false;

  constructor(
    { deployment, model, group, strategy }: RoutedSelection,
    readonly booking: Booking,
  ) {
    this.deployment = deployment;
    this.model = model;
    this.group = group;
    this.strategy = strategy;
  }

  /**
   * @throws InvalidArgumentError for anything but a selection itself; a copy could be released
   * twice.
   */
  static checked(selected: RoutedSelection): Selection {
    if (selected instanceof Selection) return selected;
    throw new InvalidArgumentError('selection', selected, 'must be the object returned by acquire(), not a copy');
  }

  toJSON(): Record<string, unknown> {
    const { deployment, model, group, strategy, explanation } = this;
    return { deployment: deployment.toJSON(), model, group, strategy, ...(explanation && { explanation }) };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}
