import type { Environment } from '../harness/environment.js';
import { markdownTable, short } from '../harness/table.js';
import { atLeast, atMost, type Verdict } from '../harness/verdict.js';
import type { LeaseRow } from './leases.js';
import { CONNECTIONS, type RequestFigures, type RequestRow } from './requests.js';

/**
 * Targets for requests on leased connections, relative to undici's dispatcher and Node's client.
 */
export const REQUEST_TARGETS = { timesUndici: 0.95, timesHttp: 4 };

export function report(leases: readonly LeaseRow[], requests: readonly RequestRow[], environment: Environment, command: string): string {
  const { cpu, node, platform, date, loadBefore } = environment;
  const bold = (name: string, ours: boolean): string => (ours ? `**${name}**` : name);
  const leaseTable = markdownTable(
    [{ title: 'a lease and its end, without I/O' }, { title: 'ns', right: true }, { title: 'target', right: true }],
    leases.map(({ name, ours, ns, targetNs }) => [bold(name, ours), short(ns), targetNs === undefined ? '' : `<= ${targetNs}`]),
  );
  const widths = requests[0]?.figures.map(({ inFlight }) => inFlight) ?? [];
  const requestTable = markdownTable(
    [
      { title: 'a request to a local server, microseconds (times dispatch, times node:http)' },
      ...widths.map((width) => ({ title: `${width} in flight`, right: true })),
    ],
    requests.map(({ name, ours, figures }) => [bold(name, ours), ...figures.map(cell)]),
  );
  return [
    `\`${command}\` on ${cpu}, Node ${node}, ${platform}, ${date}, load ${loadBefore.toFixed(1)}. CPU time of the client process, medians of interleaved rounds; the server runs in a separate process. Every client can open ${CONNECTIONS} connections per request in flight.`,
    leaseTable,
    requestTable,
    `Ours in bold. Targets: \`dispatch\` at ${REQUEST_TARGETS.timesUndici} times undici's and ${REQUEST_TARGETS.timesHttp} times node:http; \`request\`, which like undici's creates a promise and a stream for each response, at ${REQUEST_TARGETS.timesUndici} times undici's.`,
  ].join('\n\n');
}

function cell({ us, timesDispatch, timesHttp }: RequestFigures): string {
  return `${short(us)} (${timesDispatch.toFixed(2)}, ${timesHttp.toFixed(2)})`;
}

/** Every target beside its figure. */
export function verdicts(leases: readonly LeaseRow[], requests: readonly RequestRow[]): Verdict[] {
  const { timesUndici, timesHttp: overHttp } = REQUEST_TARGETS;
  return [
    ...leases.flatMap(({ name, ns, targetNs }) => (targetNs === undefined ? [] : atMost(name, ns, targetNs, ' ns'))),
    ...requests
      .filter(({ ours }) => ours)
      .flatMap(({ name, figures }) =>
        figures.flatMap(({ inFlight, timesDispatch, timesRequest, timesHttp }) => {
          const what = `${name}, ${inFlight} in flight`;
          return name.startsWith('dispatcher')
            ? [...atLeast(what, timesDispatch, timesUndici, " x undici's dispatch"), ...atLeast(what, timesHttp, overHttp, ' x node:http')]
            : atLeast(what, timesRequest, timesUndici, " x undici's request");
        }),
      ),
  ];
}
