import { checkObject, refuseArgument } from '../../common/options.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { CallDeniedError } from '../../common/http-errors.js';
import type { AnswerText, AnswerVerdict, Denial, RequestVerdict } from './call-hook.js';
import type { GuardMethod } from './installed-hook.js';

type Fields = Readonly<Record<string, unknown>>;

/** @throws CallDeniedError for a denial, InvalidArgumentError for anything that is not a verdict */
export function readRequestVerdict(verdict: unknown): Exclude<RequestVerdict, Denial> | undefined {
  const given = verdictIn('onRequest', verdict, ['deny', 'replace', 'answer']);
  if (given === undefined) return undefined;
  if ('replace' in given) return { replace: checkObject('onRequest().replace', given.replace, refuseArgument) };
  const { answer } = given;
  if (typeof answer === 'string') return { answer };
  if (Array.isArray(answer)) return { answer: answer.map((event, at) => checkObject(`onRequest().answer[${at}]`, event, refuseArgument)) };
  return { answer: checkObject('onRequest().answer', answer, refuseArgument) };
}

/** The same for `onAnswer`. */
export function readAnswerVerdict(verdict: unknown): Exclude<AnswerVerdict, Denial> | undefined {
  const given = verdictIn('onAnswer', verdict, ['deny', 'replace']);
  return given === undefined ? undefined : { replace: checkObject('onAnswer().replace', given.replace, refuseArgument) };
}

/** The text that passes, and the one that is held back. @param text the hook was asked about */
export function readTextVerdict(verdict: unknown, { text, isLast }: AnswerText): { readonly pass: string; readonly hold: string } {
  if (verdict === undefined || verdict === null) return { pass: text, hold: '' };
  if (typeof verdict === 'string') return { pass: verdict, hold: '' };
  const given = checkObject('onText()', verdict, refuseArgument);
  if (given.deny !== undefined && Object.keys(given).length === 1) throw denialOf('onText', given.deny);
  const { pass, hold } = given;
  if (typeof pass !== 'string' || typeof hold !== 'string' || Object.keys(given).length > 2) {
    throw new InvalidArgumentError('onText()', verdict, 'must be undefined, a string, or an object with deny, or with pass and hold');
  }
  if (isLast && hold !== '') throw new InvalidArgumentError('onText().hold', hold, 'must be empty for the last text of a part');
  return { pass, hold };
}

function verdictIn(method: GuardMethod, verdict: unknown, keys: readonly string[]): Fields | undefined {
  if (verdict === undefined || verdict === null) return undefined;
  const given = checkObject(`${method}()`, verdict, refuseArgument);
  const set = keys.filter((key) => given[key] !== undefined);
  if (set.length !== 1 || Object.keys(given).some((key) => !keys.includes(key))) {
    throw new InvalidArgumentError(`${method}()`, verdict, `must be undefined, or an object with exactly one of ${keys.join(', ')}`);
  }
  if (given.deny !== undefined) throw denialOf(method, given.deny);
  return given;
}

/** The error of a denial. @throws InvalidArgumentError for a senseless one */
function denialOf(method: GuardMethod, deny: unknown): CallDeniedError {
  if (typeof deny === 'string') return new CallDeniedError(deny);
  const { message, code } = checkObject(`${method}().deny`, deny, refuseArgument);
  if (typeof message !== 'string') throw new InvalidArgumentError(`${method}().deny.message`, message, 'must be a string');
  if (code !== undefined && typeof code !== 'string') throw new InvalidArgumentError(`${method}().deny.code`, code, 'must be a string');
  return new CallDeniedError(message, code);
}
