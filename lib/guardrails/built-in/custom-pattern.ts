import type { RE2JS } from 're2js';
import { errorMessage } from '../../common/errors.js';
import { loadOptionalPackage } from '../../common/optional-package.js';
import type { Refuse } from '../../common/options.js';
import type { Span } from './span.js';

const PACKAGE = 're2js';

/**
 * A regular expression of an operator. It runs on RE2, whose time is linear: an expression of V8
 * could stall the process for a text that a client chooses.
 */
export class CustomPattern {
  private constructor(private readonly expression: RE2JS) {}

  /**
   * An expression to search for, regardless of case.
   * @throws MissingPackageError without the package `re2js`; by `refuse` for an expression that is
   * invalid, matches the empty text, or has look-around or back-references
   */
  static of(path: string, source: string, refuse: Refuse): CustomPattern {
    const pattern = CustomPattern.compile(path, source, refuse, true);
    if (pattern.expression.test('')) throw refuse(path, source, 'must not match the empty text');
    return pattern;
  }

  /** An expression that has to match a whole text, with its case. @throws as `of` */
  static whole(path: string, source: string, refuse: Refuse): CustomPattern {
    return CustomPattern.compile(path, source, refuse, false);
  }

  private static compile(path: string, source: string, refuse: Refuse, ignoresCase: boolean): CustomPattern {
    const { RE2JS: Re2 } = loadOptionalPackage(PACKAGE, 'guardrails with regular expressions', () => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- an optional peer
      return require('re2js') as { readonly RE2JS: typeof RE2JS };
    });
    try {
      return new CustomPattern(Re2.compile(source, ignoresCase ? Re2.CASE_INSENSITIVE : 0));
    } catch (error) {
      throw refuse(path, source, `must be an expression of RE2, without look-around and back-references (${errorMessage(error)})`);
    }
  }

  matches(text: string): boolean {
    return this.expression.matches(text);
  }

  find(text: string, from: number): readonly Span[] {
    const { expression } = this;
    if (!expression.test(text)) return [];
    const matcher = expression.matcher(text);
    const found: Span[] = [];
    while (matcher.find()) {
      const [start, end] = [matcher.start(), matcher.end()];
      if (end > from && end > start) found.push({ start, end });
    }
    return found;
  }
}
