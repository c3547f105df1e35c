import { liveHeapBytes } from '../../test/support/heap.js';
import { clientText, endUserOf } from './end-user.js';

describe('the end user of a request', () => {
  it.each([
    ['a header', { 'x-litellm-end-user-id': 'ann' }, { user: 'bob' }, 'ann'],
    ['the body', {}, { user: 'bob' }, 'bob'],
    ['nothing', {}, { user: '' }, undefined],
    ['a long text, cut', {}, { user: 'é'.repeat(300) }, 'é'.repeat(256)],
  ])('is read from %s', (_, headers, body, expected) => {
    expect(endUserOf(headers, body)).toBe(expected);
  });

  it('does not keep the whole text that it was cut from', () => {
    const before = liveHeapBytes();
    const texts = Array.from({ length: 100 }, (_, at) => clientText(JSON.parse(`"${at}${'x'.repeat(1_000_000)}"`)));
    // 100 MB with the whole texts.
    expect(liveHeapBytes() - before).toBeLessThan(50_000_000);
    expect(texts).toHaveLength(100);
  });
});
