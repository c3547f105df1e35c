import { isCrossSite, isForeignHost, siteFaultOf } from './checks.js';

const NAVIGATION = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

it.each<[boolean, string, string, Record<string, string>]>([
  [false, 'a program', 'POST', { host: 'localhost:4000' }],
  [false, 'a page of this server', 'POST', { 'sec-fetch-site': 'same-origin' }],
  [false, 'the address bar', 'POST', { 'sec-fetch-site': 'none' }],
  [true, 'another subdomain', 'POST', { 'sec-fetch-site': 'same-site' }],
  [true, 'another site', 'POST', { 'sec-fetch-site': 'cross-site' }],
  [false, 'a link of another site', 'GET', NAVIGATION],
  [true, 'a form of another site', 'POST', NAVIGATION],
  [true, 'a frame of another site', 'GET', { ...NAVIGATION, 'sec-fetch-dest': 'iframe' }],
  [true, 'a script of another site', 'GET', { ...NAVIGATION, 'sec-fetch-mode': 'cors' }],
  [false, 'a page of this server over HTTP', 'POST', { origin: 'http://localhost:4000', host: 'localhost:4000' }],
  [false, 'a host in capitals', 'POST', { origin: 'http://box:4000', host: 'Box:4000' }],
  [false, 'the default port of HTTP', 'POST', { origin: 'http://box', host: 'box:80' }],
  [false, 'the default port of HTTPS', 'POST', { origin: 'https://box', host: 'box:443' }],
  [true, 'the default port of the other scheme', 'POST', { origin: 'https://box', host: 'box:80' }],
  [true, 'another port', 'POST', { origin: 'http://localhost:3000', host: 'localhost:4000' }],
  [true, 'another host', 'POST', { origin: 'http://site.example', host: 'localhost:4000' }],
  [true, 'a file', 'POST', { origin: 'null', host: 'localhost:4000' }],
  [true, 'a scheme without a host', 'POST', { origin: 'about:blank', host: 'localhost:4000' }],
  [true, 'a scheme without a host, and an empty host', 'POST', { origin: 'about:blank', host: '' }],
  [true, 'a request without a host', 'POST', { origin: 'http://localhost:4000' }],
])('isCrossSite is %s for %s', (expected, _, method, headers) => {
  expect(isCrossSite(method, headers)).toBe(expected);
});

it.each<[boolean, string | undefined]>([
  [false, undefined],
  [false, ''],
  [false, 'localhost'],
  [false, 'app.localhost:4000'],
  [false, 'gateway:4000'],
  [false, '127.0.0.1:4000'],
  [false, '[::1]:4000'],
  [false, 'llm.example'],
  [false, 'LLM.example:4000'],
  [true, 'evil.example'],
  [true, 'evil.example:'],
  [true, 'evil.example:4000'],
  [true, 'EVIL.EXAMPLE'],
  [true, 'evil.example.'],
  [true, 'x.llm.example'],
])('isForeignHost is %s for %s', (expected, host) => {
  expect(isForeignHost(host, ['llm.example'])).toBe(expected);
});

describe('siteFaultOf', () => {
  const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://site.example' };
  const codeOf = (headers: Record<string, string>, hosts: readonly string[] | null, cors?: unknown): unknown =>
    (siteFaultOf({ headers }, hosts, () => cors)?.getResponse() as { error: { code: string } } | undefined)?.error.code;

  it.each<[string, Record<string, string>, readonly string[] | null, unknown, string | undefined]>([
    ['a program', { host: 'localhost' }, [], undefined, undefined],
    ['a foreign host', { host: 'evil.example' }, [], undefined, 'host_not_allowed'],
    ['any host', { host: 'evil.example' }, null, undefined, undefined],
    ['a page of another site', CROSS_SITE, [], undefined, 'cross_site_request'],
    ['a page of this server', { 'sec-fetch-site': 'same-origin' }, [], undefined, undefined],
    ['an origin of another site over HTTP', { origin: 'http://site.example', host: 'localhost' }, [], undefined, 'cross_site_request'],
    ['a site that CORS allows', CROSS_SITE, [], 'https://site.example', undefined],
    ['all sites that CORS allows', CROSS_SITE, [], '*', undefined],
    ['another site than CORS allows', CROSS_SITE, [], 'https://other.example', 'cross_site_request'],
    ['no origin, and no CORS', { 'sec-fetch-site': 'cross-site' }, [], undefined, 'cross_site_request'],
    ['a link, whose method is GET by default', NAVIGATION, [], undefined, undefined],
  ])('for %s', (_, headers, hosts, cors, code) => {
    expect(codeOf(headers, hosts, cors)).toBe(code);
  });
});
