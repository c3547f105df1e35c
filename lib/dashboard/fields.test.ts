import { InvalidArgumentError, InvalidConfigurationError, NO_VALUE } from '../common/errors.js';
import { confirmationPage, fieldErrorsOf, FormFields, paging } from './fields.js';
import { html } from './html.js';
import type { PageRequest } from './pages/page.js';

const HOSTILE = '"><img src=x onerror=alert(1)>';
const flat = (text: string) => text.replace(/\s+/g, ' ');

describe('FormFields', () => {
  const entered = new URLSearchParams({ alias: HOSTILE, kind: 'b', on: 'on', key: 'sk-secret', notes: '\nfirst' });

  it('renders values as text, and no secret', () => {
    const fields = new FormFields(entered);
    const text = [
      fields.text({ name: 'alias', label: 'Alias', hint: HOSTILE, suggestions: [HOSTILE] }),
      fields.secret({ name: 'key', label: 'Key' }),
      fields.area({ name: 'key', label: 'JSON', isSecret: true }),
      fields.area({ name: 'notes', label: 'Notes' }),
    ].join('');
    expect(text).not.toContain('<img');
    expect(text).not.toContain('sk-secret');
    // The first line break of a textarea is not part of its value.
    expect(text).toContain('>\n\nfirst</textarea>');
  });

  it('marks the chosen option and the ticked box', () => {
    const fields = new FormFields(entered);
    const options = [
      ['a', 'A'],
      ['b', 'B'],
    ] as const;
    expect(fields.choice({ name: 'kind', label: 'Kind', options }).text).toMatch(/value="b" selected>B/);
    expect(fields.flag({ name: 'on', label: 'On' }).text).toMatch(/value="on" checked/);
    expect(new FormFields(new URLSearchParams()).flag({ name: 'on', label: 'On' }).text).not.toContain('checked');
  });

  it('ties errors to their fields, lists them first, and gives the focus to the first one', () => {
    const fields = new FormFields(
      entered,
      new Map([
        ['kind', 'Must be a or c.'],
        ['alias', 'Must be free.'],
        ['', 'The store is full.'],
      ]),
    );
    const inputs = html`${fields.text({ name: 'alias', label: 'Alias', hint: 'Any name' })}${fields.choice({
      name: 'kind',
      label: 'Kind',
      options: [],
    })}${fields.text({ name: 'other', label: 'Other' })}`;
    const text = flat(fields.content(inputs).text);
    expect(text).toMatch(
      /^<div class="failures" role="alert">.*<a href="#field-kind">Kind<\/a>: Must be a or c\..*<li>The store is full\.<\/li>/,
    );
    expect(text).toMatch(
      /<input id="field-alias" name="alias" aria-describedby="field-alias-error field-alias-hint" aria-invalid="true" autofocus/,
    );
    expect(text).toMatch(/<select id="field-kind" name="kind" aria-describedby="field-kind-error" aria-invalid="true" >/);
    expect(text).toContain('<p class="failure" id="field-kind-error">Must be a or c.</p>');
    expect(text.match(/autofocus/g)).toHaveLength(1);
    expect(new FormFields(entered).content(html`x`).text).toBe('x');
  });
});

describe('fieldErrorsOf', () => {
  it('states the rule at the field, and path and rule for the form', () => {
    const error = new InvalidArgumentError('litellm_params.rpm', NO_VALUE, 'must be a number');
    expect([...fieldErrorsOf(error, () => 'rpm')]).toEqual([['rpm', 'Must be a number.']]);
    expect([...fieldErrorsOf(error, () => '')]).toEqual([['', 'litellm_params.rpm: must be a number']]);
    expect([...fieldErrorsOf(new InvalidConfigurationError('rpm', 'must be a number'))]).toEqual([['rpm', 'Must be a number.']]);
  });

  it('throws errors that are not about input', () => {
    expect(() => fieldErrorsOf(new Error('broken'))).toThrow('broken');
  });
});

describe('confirmationPage', () => {
  it('posts hidden fields, and leads back', () => {
    const request = {
      base: '',
      form: (path: string, body: unknown) => html`<form action="${path}">${body as never}</form>`,
    } as PageRequest;
    const asked = {
      question: `Delete ${HOSTILE}?`,
      body: html`<p>Gone.</p>`,
      path: 'x-delete',
      fields: { id: HOSTILE },
      action: 'Delete',
      back: 'x',
    };
    const { title, body } = confirmationPage(request, asked);
    expect(title).toBe(asked.question);
    expect(body.text).not.toContain('<img');
    expect(flat(body.text)).toMatch(
      /<p>Gone\.<\/p><form action="x-delete"><input type="hidden" name="id" value="&quot;.*<a class="button" href="x">Cancel/,
    );
  });
});

describe('paging', () => {
  it('links to the pages that exist', () => {
    expect(paging({})).toBe(false);
    expect(String(paging({ next: 'keys?page=2', text: '1 to 50' }))).toMatch(/1 to 50[^]*href="keys\?page=2" rel="next"/);
    expect(String(paging({ next: 'keys?page=2' }))).not.toContain('Previous');
  });
});
