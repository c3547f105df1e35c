import { UnshownText } from '../../common/errors.js';
import { refuseOption, type Refuse } from '../../common/options.js';

/** Makes the error for a value of a configuration file without quoting it: a key in the wrong place must not end up in a log. */
export const refuseFileValue: Refuse = (path, value, rule) => refuseOption(path, unshown(value), rule);

function unshown(value: unknown): unknown {
  return typeof value === 'string' ? new UnshownText(value.length) : value;
}
