import { html } from '../html.js';
import type { PageAnswer } from './page.js';

/** A page that shows an error instead of the content. */
export function failurePage(status: number, title: string, message: string): PageAnswer {
  return {
    status,
    title,
    body: html`<section class="card wide" aria-label="${title}"><p class="failure" role="alert">${message}</p></section>`,
  };
}
