import { atLeast, atMost, missedLines, verdictTable } from './verdict.js';

describe('verdicts', () => {
  it('tell whether a figure reaches its target', () => {
    expect(atMost('scrape', 4.42, 5, ' ms')).toEqual([{ what: 'scrape', target: '<= 5 ms', measured: '4.42 ms', met: true }]);
    expect(atLeast('batch', 1.27, 1.7, ' x')).toEqual([{ what: 'batch', target: '>= 1.7 x', measured: '1.27 x', met: false }]);
  });

  it('are empty for a figure that was not measured', () => {
    expect([...atMost('a', undefined, 1, ''), ...atLeast('b', NaN, 1, '')]).toEqual([]);
  });

  it('list every missed target on a line of its own, beside the table', () => {
    const all = [...atMost('scrape', 4.42, 5, ' ms'), ...atLeast('batch', 1.27, 1.7, ' x')];
    expect(missedLines(all)).toBe('MISSED: batch: 1.27 x, target >= 1.7 x');
    expect(verdictTable(all).split('\n')).toHaveLength(4);
    expect(verdictTable(all)).toContain('**no**');
  });
});
