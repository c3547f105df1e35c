import type { AuditActor } from '../../common/audit-log.js';
import type { DashboardServices } from '../dashboard.services.js';
import type { PanelSet } from '../panels/panel.js';
import type { Html } from '../html.js';

/**
 * A page of the dashboard: one file, and one line in `PAGES`.
 *
 * @example
 * export const teamsPage: DashboardPage = {
 *   path: 'teams',
 *   title: 'Teams',
 *   isAvailable: ({ teams }) => teams !== undefined,
 *   render: async ({ services, form }) => ({
 *     body: html`${form('teams', html`<button name="do" value="create">Create</button>`)}`,
 *   }),
 *   submit: async ({ services, fields, actor }) => {
 *     await services.teams.create(fields.get('name'), actor);
 *     return { redirect: 'teams', notice: 'Team created.' };
 *   },
 * };
 */
export interface DashboardPage {
  /** Last part of its address; `''` for the first page. */
  readonly path: string;
  /** Its heading, and its link in the navigation. */
  readonly title: string;
  /** Path of the page in the navigation that it is part of. Default: it is in the navigation. */
  readonly partOf?: string;
  /**
   * Whether the app has the data for the page. Otherwise, it is not in the navigation and returns
   * 404.
   */
  isAvailable(services: DashboardServices): boolean;
  /**
   * Renders the content below the heading. Errors about invalid input, the configuration and the
   * database become a page that explains them.
   */
  render(request: PageRequest): PageAnswer | Promise<PageAnswer>;
  /**
   * Accepts a form that was posted to the page. Called only for a session that may write, with the
   * form's token.
   */
  submit?(form: FormRequest): Promise<FormAnswer>;
  /** Parts that open pages receive anew when they change: `render` has an element for each. */
  readonly panels?: PanelSet;
  /** Whether it has plots of latency and calls. */
  readonly hasPlots?: boolean;
}

/** A rendered page. */
export interface PageAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Default: that of the page. */
  readonly title?: string;
  /** Next to the heading. */
  readonly note?: Html | string;
  readonly body: Html;
}

/** The result of a form: another page with a notice without secrets, or its own page. */
export type FormAnswer = PageAnswer | { readonly redirect: string; readonly notice: string };

/** A request for a page, from someone who may see it. */
export interface PageRequest {
  readonly services: DashboardServices;
  /** Of the address, unchecked. */
  readonly query: URLSearchParams;
  /** Prefix of links to pages. */
  readonly base: string;
  /** Whether the session may change anything. Forms of other sessions are rejected. */
  readonly canWrite: boolean;
  /**
   * A form that posts to a page, with the token of the session. `false`, which renders nothing, if
   * the session cannot write.
   */
  readonly form: (path: string, body: Html) => Html | false;
}

/** A form that was posted. */
export interface FormRequest extends PageRequest {
  readonly fields: URLSearchParams;
  /** For the audit log. */
  readonly actor: AuditActor;
}
