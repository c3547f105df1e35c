import { custom, type Option } from '../../common/option.js';
import { checkString, type Refuse } from '../../common/options.js';

/** The address of a service, without a slash at its end. */
export function address<D extends string | undefined = undefined>(spec: {
  readonly env?: string;
  readonly default?: D;
}): Option<string, string | D> {
  return { ...spec, type: 'URL', check: checkAddress };
}

/** A credential, which no error shows. */
export function secret(env?: string): Option<string, string | undefined> {
  const option = custom<string>('string', (path, value, refuse) => {
    const given = checkString(path, value, refuse);
    if (/[\r\n\0]/.test(given)) throw refuse(path, 'a value with line breaks', 'must be one line');
    return given;
  });
  return env === undefined ? option : { ...option, env };
}

function checkAddress(path: string, value: unknown, refuse: Refuse): string {
  const text = checkString(path, value, refuse);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw refuse(path, text, 'must be a URL that begins with http:// or https://');
  if (url.username !== '' || url.password !== '') throw refuse(path, 'a URL with credentials', 'must not contain credentials');
  return text.endsWith('/') ? text.slice(0, -1) : text;
}

/**
 * Indexes of UTF-16 units for those of code points, in which services in Python count.
 * @returns a function; `undefined` outside of the text
 */
export function unitsOf(text: string): (codePoint: unknown) => number | undefined {
  let units: number[] | undefined;
  if (/[\ud800-\udbff]/.test(text)) {
    units = [];
    for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) units.push(at);
    units.push(text.length);
  }
  const last = units === undefined ? text.length : units.length - 1;
  return (codePoint) => {
    if (typeof codePoint !== 'number' || !Number.isInteger(codePoint) || codePoint < 0 || codePoint > last) return undefined;
    return units === undefined ? codePoint : units[codePoint];
  };
}
