import { openMonitor as open, record, useMonitors } from '../../test/support/monitors.js';

useMonitors();

describe('exportPerformanceData', () => {
  /** By RFC 4180, with no other library's leniency. */
  function parse(csv: string): string[][] {
    expect(csv.endsWith('\r\n')).toBe(true);
    const rows: string[][] = [[]];
    const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
    while (field.lastIndex < csv.length) {
      const match = field.exec(csv);
      if (match === null) throw new Error('no CSV');
      rows.at(-1)!.push(match[1]?.replaceAll('""', '"') ?? match[2]);
      if (match[3] === '\r\n') rows.push([]);
    }
    return rows.slice(0, -1);
  }

  it('returns the statistics as JSON', () => {
    const monitor = open();
    record(monitor, 2, {});
    record(monitor, 2, { component: 'd' });
    expect(JSON.parse(monitor.exportPerformanceData())).toEqual(monitor.getPerformanceStats());
    expect(JSON.parse(monitor.exportPerformanceData('d', 'json'))).toEqual(monitor.getPerformanceStats('d'));
  });

  it('returns CSV that a reader parses back, whatever the names', () => {
    const monitor = open();
    const names = ['plain', 'with, comma', 'with "quotes"', 'two\r\nlines', ' spaced ', '日本'];
    for (const component of names) record(monitor, 1, { component, durationMs: 2.5, success: false });
    const [head, ...rows] = parse(monitor.exportPerformanceData(null, 'csv'));
    expect(head.slice(0, 5)).toEqual(['component', 'operation', 'total_calls', 'measured_calls', 'average_duration_ms']);
    expect(new Set(rows.map(({ length }) => length))).toEqual(new Set([head.length]));
    expect(rows.map(([component]) => component)).toEqual(names.flatMap((name) => [name, name]));
    expect(rows[0].slice(1, 7)).toEqual(['', '1', '1', '2.5', '0', '1']);
    expect(rows[1][1]).toBe('o');
  });

  it.each(['=1+1', '+1+1', '-1+1', '@SUM(A1)', '\t=1', '\r=1', '  =1', '＝1', '=HYPERLINK("http://x","y")'])('defuses %j', (component) => {
    const monitor = open();
    record(monitor, 1, { component, operation: component });
    const [, whole, operation] = parse(monitor.exportPerformanceData(component, 'csv'));
    expect([whole[0], operation[1]]).toEqual([`'${component}`, `'${component}`]);
  });

  it('rejects any other format', () => {
    expect(() => open().exportPerformanceData(null, 'xml' as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', path: 'format' }),
    );
  });
});
