import ts from 'typescript';

/** A regular expression of a source file, and where it is. */
export interface Expression {
  readonly place: string;
  readonly source: string;
  readonly flags: string;
}

/** What a source file has of regular expressions. */
export interface Findings {
  readonly expressions: readonly Expression[];
  /** Expressions created at run time, which cannot be checked: the place and the code of each. */
  readonly dynamic: readonly string[];
}

/** Methods that make a regular expression of a string. */
const MAKERS = new Set(['match', 'matchAll', 'search']);

function isString(node: ts.Node | undefined): boolean {
  return node !== undefined && (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node));
}

/**
 * True if `RegExp` is used as a value: called, assigned or passed; not in a type or after
 * `instanceof`.
 */
function isConstructor(node: ts.Node): boolean {
  if (!ts.isIdentifier(node) || node.text !== 'RegExp') return false;
  const { parent } = node;
  if (ts.isTypeNode(parent) || ts.isTypeReferenceNode(parent)) return false;
  return !(ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.InstanceOfKeyword);
}

/** Finds every regular expression in the text of a TypeScript or JavaScript file. */
export function regularExpressionsOf(path: string, text: string): Findings {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const expressions: Expression[] = [];
  const dynamic: string[] = [];
  const placeOf = (node: ts.Node): string => `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      expressions.push({ place: placeOf(node), source: node.text.slice(1, end), flags: node.text.slice(end + 1) });
    }
    const makes = ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && MAKERS.has(node.expression.name.text);
    if (isConstructor(node) || (makes && isString(node.arguments[0]))) {
      dynamic.push(`${placeOf(node)}: ${node.parent.getText().split('\n', 1)[0]}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { expressions, dynamic };
}
