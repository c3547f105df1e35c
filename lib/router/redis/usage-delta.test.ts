import { Unreported } from './usage-delta.js';

it('reports the usage of a minute once, by slot', () => {
  const unreported = new Unreported();
  unreported.add(1, 1, 10, 5);
  unreported.add(1, 2, 20, 5);
  unreported.add(2, 1, 7, 5);
  expect(unreported.take(1, 4)).toEqual({ requests: 0, tokens: 0 });
  expect(unreported.take(1, 5)).toEqual({ requests: 3, tokens: 30 });
  expect(unreported.take(1, 5)).toEqual({ requests: 0, tokens: 0 });
  unreported.add(1, 1, 3, 5);
  expect(unreported.take(1, 5)).toEqual({ requests: 1, tokens: 3 });
  expect(unreported.take(2, 5)).toEqual({ requests: 1, tokens: 7 });
});

it('drops the usage of an earlier minute, and of a deployment that has gone', () => {
  const unreported = new Unreported();
  unreported.add(1, 9, 90, 5);
  unreported.add(1, 1, 10, 6);
  expect([unreported.take(1, 5).requests, unreported.take(1, 6).requests]).toEqual([0, 1]);
  unreported.add(1, 1, 10, 6);
  unreported.forget(1);
  expect(unreported.take(1, 6)).toEqual({ requests: 0, tokens: 0 });
});
