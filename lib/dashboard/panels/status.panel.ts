import { html } from '../html.js';
import { overallState } from '../overview/attention.js';
import type { Panel } from './panel.js';

/** The overall state in a word, and its subject. */
export const statusPanel: Panel = {
  width: 'wide',
  render: (snapshot) => {
    const { severity, word, about } = overallState(snapshot);
    return html`<span class="pill ${severity}"><span class="dot" aria-hidden="true"></span>${word}${about !== '' && `: ${about}`}</span>`;
  },
};
