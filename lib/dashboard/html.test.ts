import { count, duration, perSecond, share, span, times, usd } from './number-format.js';
import { html } from './html.js';

describe('html', () => {
  it('escapes values for text and attributes', () => {
    expect(String(html`<b title="${'a"b'}">${"<script>&'"}</b>`)).toBe('<b title="a&quot;b">&lt;script&gt;&amp;&#39;</b>');
  });

  it('renders Html unchanged, lists item by item, and nothing for nothing', () => {
    const rows = ['<1>', 2].map((entry) => html`<i>${entry}</i>`);
    expect(String(html`<p>${rows}${false}${null}${undefined}${''}</p>`)).toBe('<p><i>&lt;1&gt;</i><i>2</i></p>');
  });

  it('renders 0', () => expect(String(html`${0}`)).toBe('0'));
});

describe('figures', () => {
  it.each([
    [duration(0.00083), '830 ns'],
    [duration(0.0124), '12.4 µs'],
    [duration(3.14159), '3.14 ms'],
    [duration(2500), '2.5 s'],
    [duration(0), '0 ms'],
    [duration(NaN), '–'],
    [count(1234567), '1,234,567'],
    [count(Infinity), '–'],
    [perSecond(0.256), '0.256 /s'],
    [perSecond(123456), '123K /s'],
    [share(0.42), '42%'],
    [share(0.0004), '0.04%'],
    [times(12.345), '×12.3'],
    [times(250.4), '×250'],
    [usd(0.123456), '$0.123'],
    [usd(0.00206), '$0.0021'],
    [usd(0.00001), '<$0.0001'],
    [usd(0), '$0'],
    [usd(12.3), '$12.30'],
    [span(3200), '4 s'],
    [span(-5), '0 s'],
    [span(180_000), '3 min'],
    [span(7_500_000), '2 h 5 min'],
    [span(273_600_000), '3 d 4 h'],
  ])('%s', (shown, expected) => expect(shown).toBe(expected));
});
