import { refuseArgument } from '../../common/options.js';
import { Calendar, ZoneClock } from './calendar.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTH_MS = 30 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

function windowAt(lengthMs: number, timeZone: string, instant: string): readonly [string, string] {
  const calendar = new Calendar(lengthMs, ZoneClock.of(timeZone), { path: 'usdWindow', value: lengthMs, refuse: refuseArgument });
  const { startMs, endMs } = calendar.at(Date.parse(instant));
  return [new Date(startMs).toISOString().replace(':00.000', ''), new Date(endMs).toISOString().replace(':00.000', '')];
}

describe('windows of the calendar', () => {
  it.each([
    ['a day', DAY_MS, 'UTC', '2024-02-29T12:00Z', '2024-02-29T00:00Z', '2024-03-01T00:00Z'],
    ['the last millisecond of a day', DAY_MS, 'UTC', '2024-02-29T23:59:59.999Z', '2024-02-29T00:00Z', '2024-03-01T00:00Z'],
    ['a day of 23 hours', DAY_MS, 'Europe/Zurich', '2024-03-31T12:00Z', '2024-03-30T23:00Z', '2024-03-31T22:00Z'],
    ['a day of 25 hours', DAY_MS, 'Europe/Zurich', '2024-10-27T12:00Z', '2024-10-26T22:00Z', '2024-10-27T23:00Z'],
    ['the second of two equal hours', DAY_MS, 'Europe/Zurich', '2024-10-27T01:30Z', '2024-10-26T22:00Z', '2024-10-27T23:00Z'],
    ['a day of 23 hours in New York', DAY_MS, 'America/New_York', '2024-03-10T12:00Z', '2024-03-10T05:00Z', '2024-03-11T04:00Z'],
    ['a day of 24.5 hours', DAY_MS, 'Australia/Lord_Howe', '2024-04-07T01:00Z', '2024-04-06T13:00Z', '2024-04-07T13:30Z'],
    ['a day that begins at 1 o’clock', DAY_MS, 'Africa/Cairo', '2024-04-26T10:00Z', '2024-04-25T22:00Z', '2024-04-26T21:00Z'],
    ['a day after a skipped one', DAY_MS, 'Pacific/Apia', '2011-12-30T12:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z'],
    ['29 February', MONTH_MS, 'Asia/Kolkata', '2024-02-29T18:29Z', '2024-01-31T18:30Z', '2024-02-29T18:30Z'],
    ['28 February', MONTH_MS, 'Asia/Kolkata', '2025-02-28T18:29Z', '2025-01-31T18:30Z', '2025-02-28T18:30Z'],
    ['the first of March after 29 February', MONTH_MS, 'UTC', '2024-03-01T00:00Z', '2024-03-01T00:00Z', '2024-04-01T00:00Z'],
    ['a month that begins in summer time', MONTH_MS, 'Europe/Zurich', '2024-10-31T22:59Z', '2024-09-30T22:00Z', '2024-10-31T23:00Z'],
    ['a month that begins in winter time', MONTH_MS, 'America/New_York', '2024-03-31T12:00Z', '2024-03-01T05:00Z', '2024-04-01T04:00Z'],
    ['31 December', MONTH_MS, 'America/New_York', '2025-01-01T04:59Z', '2024-12-01T05:00Z', '2025-01-01T05:00Z'],
    ['a week from Monday', WEEK_MS, 'UTC', '2024-03-03T23:59Z', '2024-02-26T00:00Z', '2024-03-04T00:00Z'],
    ['a week in which clocks change', WEEK_MS, 'Europe/Zurich', '2024-03-31T12:00Z', '2024-03-24T23:00Z', '2024-03-31T22:00Z'],
    ['six hours', 6 * HOUR_MS, 'Asia/Kolkata', '2024-03-03T00:00Z', '2024-03-02T18:30Z', '2024-03-03T00:30Z'],
    ['an hour that comes twice', HOUR_MS, 'Europe/Zurich', '2024-10-27T01:10Z', '2024-10-27T00:00Z', '2024-10-27T02:00Z'],
    ['an hour after a skipped one', HOUR_MS, 'Europe/Zurich', '2024-03-31T01:10Z', '2024-03-31T01:00Z', '2024-03-31T02:00Z'],
  ])('hold %s', (_, lengthMs, zone, instant, start, end) => {
    expect(windowAt(lengthMs, zone, instant)).toEqual([start, end]);
  });

  it.each(['UTC', 'Europe/Zurich', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'])(
    'follow each other without a gap in %s',
    (zone) => {
      for (const lengthMs of [HOUR_MS, DAY_MS, WEEK_MS, MONTH_MS]) {
        const calendar = new Calendar(lengthMs, ZoneClock.of(zone), { path: '', value: lengthMs, refuse: refuseArgument });
        let { startMs, endMs } = calendar.at(Date.parse('2024-01-15T00:00Z'));
        for (let windows = 0; windows < 400 && startMs < Date.parse('2025-03-01'); windows++) {
          const next = calendar.at(endMs);
          expect([next.startMs, next.endMs > endMs]).toEqual([endMs, true]);
          expect(calendar.at(next.endMs - 1)).toEqual(next);
          ({ startMs, endMs } = next);
        }
      }
    },
  );

  it('refuses a length that no calendar has', () => {
    expect(() => windowAt(5 * HOUR_MS, 'UTC', '2024-01-01')).toThrow(
      'usdWindow: must be 1mo (30d), 1w (7d), 1d, or hours or minutes that divide a day',
    );
  });
});
