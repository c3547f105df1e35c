import { InvalidArgumentError, InvalidConfigurationError } from '../common/errors.js';
import { visibleText } from '../common/visible-text.js';
import { html, type Html } from './html.js';
import type { PageAnswer, PageRequest } from './pages/page.js';

/** Messages by the name of their field; `''`: about the form as a whole. */
export type FieldErrors = ReadonlyMap<string, string>;

export const NO_ERRORS: FieldErrors = new Map();

/** A labelled field of a form. */
export interface FieldLook {
  readonly name: string;
  readonly label: string;
  /** Below the field, and read with it. */
  readonly hint?: Html | string;
  readonly isRequired?: boolean;
  /** On a wide screen the field has the full width of its form. */
  readonly isWide?: boolean;
}

/** A field of one line. */
export interface TextLook extends FieldLook {
  /** Default `text`. */
  readonly type?: 'text' | 'url' | 'email' | 'date' | 'datetime-local';
  /** The keyboard on a phone. Numbers are text inputs, because browsers drop invalid numbers. */
  readonly inputMode?: 'numeric' | 'decimal';
  readonly placeholder?: string;
  /** Offered while typing. */
  readonly suggestions?: readonly string[];
}

/** A value and its label. */
export type Choice = readonly [value: string, label: string];

/**
 * Renders the fields of a form with their values and errors. The first invalid field gets the
 * focus. Secrets are never rendered.
 *
 * @example
 * const fields = new FormFields(request.fields, errors);
 * const inputs = html`<div class="fields">${fields.text({ name: 'alias', label: 'Name', isRequired: true })}</div>
 *   <div class="actions"><button type="submit" class="main">Create</button></div>`;
 * request.form('teams', fields.content(inputs));
 */
export class FormFields {
  private hasFocus = false;
  private readonly labels = new Map<string, string>();

  /** @param values the entered or stored values */
  constructor(
    readonly values: URLSearchParams,
    private readonly errors: FieldErrors = NO_ERRORS,
  ) {}

  /** Whether a field is invalid. */
  hasError(name: string): boolean {
    return this.errors.has(name);
  }

  text(look: TextLook): Html {
    const { name, type = 'text', inputMode, placeholder, suggestions = [] } = look;
    const list = suggestions.length > 0 && `${idOf(name)}-list`;
    return this.labelled(
      look,
      html`<input
          ${this.attributes(look)}
          type="${type}"
          value="${this.values.get(name) ?? ''}"
          ${inputMode !== undefined && html`inputmode="${inputMode}"`}
          ${placeholder !== undefined && html`placeholder="${placeholder}"`}
          ${list !== false && html`list="${list}"`}
          autocomplete="off"
          spellcheck="false"
        />${list !== false && html`<datalist id="${list}">${suggestions.map((each) => html`<option value="${each}"></option>`)}</datalist>`}`,
    );
  }

  /** A field whose value is never rendered. */
  secret(look: FieldLook): Html {
    return this.labelled(look, html`<input ${this.attributes(look)} type="password" autocomplete="new-password" spellcheck="false" />`);
  }

  /** A field of several lines. */
  area(look: FieldLook & { readonly rows?: number; readonly isSecret?: boolean; readonly placeholder?: string }): Html {
    const { name, rows = 4, isSecret = false, placeholder } = look;
    return this.labelled(
      look,
      html`<textarea
        ${this.attributes(look)}
        rows="${rows}"
        ${placeholder !== undefined && html`placeholder="${placeholder}"`}
        autocomplete="off"
        spellcheck="false"
      >
${!isSecret && this.values.get(name)}</textarea>`,
    );
  }

  /** One of several values. */
  choice(look: FieldLook & { readonly options: readonly Choice[] }): Html {
    const chosen = this.values.get(look.name) ?? '';
    return this.labelled(
      look,
      html`<select ${this.attributes(look)}>
        ${look.options.map(([value, label]) => html`<option value="${value}" ${value === chosen && html`selected`}>${label}</option>`)}
      </select>`,
    );
  }

  /** A box that is ticked or not: `on`, or absent. */
  flag(look: FieldLook): Html {
    const { name, label, isWide } = look;
    this.labels.set(name, label);
    return html`<div class="field flag ${isWide === true && 'is-wide'}">
      <input ${this.attributes(look)} type="checkbox" value="on" ${this.values.get(name) === 'on' && html`checked`} />
      <label for="${idOf(name)}">${label}</label>
      ${this.message(name)}${hintOf(look)}
    </div>`;
  }

  /** A form's content below a list of all errors, with links to the fields. */
  content(fields: Html): Html {
    return html`${this.failures()}${fields}`;
  }

  private failures(): Html | false {
    if (this.errors.size === 0) return false;
    const items = [...this.errors].map(([name, message]) => {
      const label = this.labels.get(name);
      return label === undefined ? html`<li>${message}</li>` : html`<li><a href="#${idOf(name)}">${label}</a>: ${message}</li>`;
    });
    return html`<div class="failures" role="alert">
      <p class="failure">Nothing was changed.</p>
      <ul>
        ${items}
      </ul>
    </div>`;
  }

  private labelled(look: FieldLook, input: Html): Html {
    const { name, label, isRequired, isWide } = look;
    this.labels.set(name, label);
    return html`<div class="field ${isWide === true && 'is-wide'}">
      <p>
        <label for="${idOf(name)}">${label}</label>
        ${isRequired === true && html`<span class="note" aria-hidden="true">required</span>`}
      </p>
      ${input}${this.message(name)}${hintOf(look)}
    </div>`;
  }

  private attributes({ name, hint, isRequired }: FieldLook): Html {
    const isInvalid = this.errors.has(name);
    const isFirst = isInvalid && !this.hasFocus;
    if (isFirst) this.hasFocus = true;
    const described = [isInvalid && `${idOf(name)}-error`, hint !== undefined && `${idOf(name)}-hint`].filter((id) => id !== false);
    return html`id="${idOf(name)}" name="${name}" ${described.length > 0 && html`aria-describedby="${described.join(' ')}"`}
    ${isInvalid && html`aria-invalid="true"`} ${isFirst && html`autofocus`} ${isRequired === true && html`required`}`;
  }

  private message(name: string): Html | false {
    const message = this.errors.get(name);
    return message !== undefined && html`<p class="failure" id="${idOf(name)}-error">${message}</p>`;
  }
}

/**
 * The errors of a form's field for an error about its input.
 * @param fieldOf the field for a path; `''` if no field has it
 * @throws any other error
 */
export function fieldErrorsOf(error: unknown, fieldOf: (path: string) => string = (path) => path): FieldErrors {
  if (!(error instanceof InvalidArgumentError) && !(error instanceof InvalidConfigurationError)) throw error;
  const field = fieldOf(error.path);
  const rule = ruleOf(error);
  return new Map([[field, field === '' ? `${visibleText(error.path)}: ${rule}` : `${rule[0].toUpperCase()}${rule.slice(1)}.`]]);
}

/** Without the value, which may be a secret. */
function ruleOf(error: InvalidArgumentError | InvalidConfigurationError): string {
  if (error instanceof InvalidArgumentError) return error.rule;
  const prefix = `${visibleText(error.path)}: `;
  return error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
}

/** A hidden field. */
export function hidden(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

/** The question before something is deleted. */
export interface Confirmation {
  /** `Delete gpt-4o?` */
  readonly question: string;
  /** The consequences. */
  readonly body: Html;
  /** Page that the form posts to. */
  readonly path: string;
  /** Hidden fields of the form. */
  readonly fields: Readonly<Record<string, string>>;
  /** Text of the button. */
  readonly action: string;
  /** Page that the answer "no" leads to. */
  readonly back: string;
}

/** A page that asks before something is deleted. It works without JavaScript. */
export function confirmationPage({ form, base }: PageRequest, { question, body, path, fields, action, back }: Confirmation): PageAnswer {
  const buttons = html`${Object.entries(fields).map(([name, value]) => hidden(name, value))}
    <div class="actions">
      <button type="submit" class="danger">${action}</button>
      <a class="button" href="${base}${back}">Cancel</a>
    </div>`;
  return {
    title: question,
    body: html`<section class="card wide narrow" aria-labelledby="confirm-title">
      <h2 id="confirm-title" class="unseen">${question}</h2>
      ${body}${form(path, buttons)}
    </section>`,
  };
}

/** Links to the pages of a list. */
export interface Paging {
  /** `51 to 100 of 230 keys` */
  readonly text?: string;
  readonly previous?: string;
  readonly next?: string;
}

/** Links to the previous and next page of a list; nothing if it has one. */
export function paging({ text, previous, next }: Paging): Html | false {
  if (previous === undefined && next === undefined) return false;
  return html`<nav class="paging" aria-label="Pages of the list">
    ${previous !== undefined && html`<a class="button" href="${previous}" rel="prev">Previous</a>`}
    ${text !== undefined && html`<span class="note">${text}</span>`}
    ${next !== undefined && html`<a class="button" href="${next}" rel="next">Next</a>`}
  </nav>`;
}

function hintOf({ name, hint }: FieldLook): Html | false {
  return hint !== undefined && html`<p class="note" id="${idOf(name)}-hint">${hint}</p>`;
}

function idOf(name: string): string {
  return `field-${name}`;
}
