import { join } from 'node:path';
import ts from 'typescript';
import { root } from './sources.js';

const PRINT = ts.NodeBuilderFlags.NoTruncation | ts.NodeBuilderFlags.UseAliasDefinedOutsideCurrentScope | ts.NodeBuilderFlags.IgnoreErrors;
const DECLARED = PRINT | ts.NodeBuilderFlags.InTypeAlias;
/** What is made of it or takes it is left out: an app can do nothing with it. */
const INTERNAL_CLASS = '(internal class)';

/**
 * The exports of `files` as in their `.d.ts`: a line per export or member, sorted, for a diff by
 * line.
 */
export function describePublicApi(files: readonly string[]): string {
  const config = ts.readConfigFile(join(root, 'tsconfig.build.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent({ ...config.config, files }, ts.sys, root);
  const program = ts.createProgram(
    files.map((file) => join(root, file)),
    options,
  );
  return files.map((file) => `# ${file}\n\n${new Api(program, join(root, file)).describe()}`).join('\n');
}

/**
 * The exports of one file. Internal types are expanded, parameters have no names, and unions are
 * sorted: renaming an internal type or a parameter changes nothing here, as it changes nothing for
 * an app.
 */
class Api {
  private readonly checker: ts.TypeChecker;
  private readonly source: ts.SourceFile;
  private readonly exported = new Map<ts.Symbol, string>();
  private readonly printer = ts.createPrinter({ removeComments: true });
  private readonly expanding: ts.Symbol[] = [];

  constructor(program: ts.Program, file: string) {
    this.checker = program.getTypeChecker();
    this.source = program.getSourceFile(file)!;
    for (const symbol of this.checker.getExportsOfModule(this.checker.getSymbolAtLocation(this.source)!)) {
      this.exported.set(this.target(symbol), symbol.name);
    }
  }

  describe(): string {
    const described = [...this.exported].map(([symbol, name]): [string, string[]] => [name, this.describeExport(symbol, name)]);
    return described
      .sort(([a], [b]) => compare(a, b))
      .map(([, lines]) => `${lines.join('\n')}\n`)
      .join('\n');
  }

  private describeExport(symbol: ts.Symbol, name: string): string[] {
    const { flags } = symbol;
    if (flags & ts.SymbolFlags.Class) return this.describeClass(symbol, name);
    if (flags & ts.SymbolFlags.Interface) {
      return [`interface ${this.head(symbol, name)}`, ...this.members(this.checker.getDeclaredTypeOfSymbol(symbol))];
    }
    if (flags & ts.SymbolFlags.TypeAlias) {
      return [`type ${this.head(symbol, name)} = ${this.print(this.checker.getDeclaredTypeOfSymbol(symbol), DECLARED)}`];
    }
    const kind = flags & ts.SymbolFlags.Function ? 'function' : 'const';
    return [`${kind} ${name}: ${this.print(this.checker.getTypeOfSymbol(symbol))}`];
  }

  private describeClass(symbol: ts.Symbol, name: string): string[] {
    const [instance, statics] = [this.checker.getDeclaredTypeOfSymbol(symbol), this.checker.getTypeOfSymbol(symbol)];
    const isAbstract = symbol.declarations!.some((declaration) => ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Abstract);
    return [
      `${isAbstract ? 'abstract ' : ''}class ${this.head(symbol, name)}`,
      ...this.constructors(statics),
      ...this.members(statics, '  static '),
      ...this.members(instance),
    ];
  }

  /** Constructors that an app can call: not private, and without parameters of types that it cannot name. */
  private constructors(statics: ts.Type): string[] {
    const isInternal = (parameter: ts.Symbol): boolean => {
      const node = this.checker.typeToTypeNode(this.checker.getTypeOfSymbol(parameter), undefined, PRINT);
      const seen = (each: ts.Node): boolean => (ts.isIdentifier(each) && this.isInternal(symbolOf(each))) || !!ts.forEachChild(each, seen);
      return node !== undefined && seen(node);
    };
    return statics
      .getConstructSignatures()
      .filter(({ declaration, parameters }) => !isPrivate(declaration) && !parameters.some(isInternal))
      .map((signature) => `  ${this.printSignature(signature, ts.SyntaxKind.ConstructSignature)}`);
  }

  /** Name, type parameters, and what is extended of other packages' or of ours. */
  private head(symbol: ts.Symbol, name: string): string {
    const type = this.checker.getDeclaredTypeOfSymbol(symbol);
    const parameters = (symbol.declarations ?? []).flatMap((declaration) =>
      ts.getEffectiveTypeParameterDeclarations(declaration as ts.DeclarationWithTypeParameters).map((each) => each.getText()),
    );
    const bases = type.isClassOrInterface() ? this.basesOf(type) : [];
    const own = parameters.length === 0 ? name : `${name}<${parameters.join(', ')}>`;
    // Types made of declared options are described by their members.
    const named = bases.map((base) => this.print(base)).filter((base) => !base.includes('[K in keyof '));
    return named.length === 0 ? own : `${own} extends ${named.join(', ')}`;
  }

  /** Of a class that is not exported: those that it extends itself. */
  private basesOf(type: ts.InterfaceType): ts.BaseType[] {
    return this.checker.getBaseTypes(type).flatMap((base) => {
      if (!this.isInternal(base.symbol)) return [base];
      return base.isClass() ? this.basesOf(base) : [];
    });
  }

  private members(type: ts.Type, indent = '  '): string[] {
    const named = this.checker
      .getPropertiesOfType(type)
      .filter((member) => member.name !== 'prototype' && !member.name.startsWith('#') && this.isOurs(member))
      .flatMap((member) => this.member(member) ?? [])
      .filter((line) => !line.includes(INTERNAL_CLASS));
    const called = type.getCallSignatures().map((signature) => this.printSignature(signature, ts.SyntaxKind.CallSignature));
    const indexed = this.checker
      .getIndexInfosOfType(type)
      .map(({ keyType, type: value }) => `[${this.print(keyType)}]: ${this.print(value)}`);
    return [...called, ...indexed, ...named.sort(compare)].map((line) => indent + line);
  }

  private member(member: ts.Symbol): string | undefined {
    const flags = member.valueDeclaration === undefined ? 0 : ts.getCombinedModifierFlags(member.valueDeclaration);
    if (flags & ts.ModifierFlags.Private) return undefined;
    const isGetter = (member.flags & ts.SymbolFlags.GetAccessor) !== 0 && (member.flags & ts.SymbolFlags.SetAccessor) === 0;
    const isReadonly = isGetter || (flags & ts.ModifierFlags.Readonly) !== 0 || isMappedReadonly(member);
    const modifiers = `${flags & ts.ModifierFlags.Protected ? 'protected ' : ''}${isReadonly ? 'readonly ' : ''}`;
    const optional = member.flags & ts.SymbolFlags.Optional ? '?' : '';
    return `${modifiers}${member.name.replace(/^__@(.*)@\d+$/, '[$1]')}${optional}: ${this.print(this.checker.getTypeOfSymbol(member))}`;
  }

  private print(type: ts.Type, flags = PRINT): string {
    return this.printNode(this.checker.typeToTypeNode(type, undefined, flags)!);
  }

  private printSignature(signature: ts.Signature, kind: ts.SyntaxKind.CallSignature | ts.SyntaxKind.ConstructSignature): string {
    return this.printNode(this.checker.signatureToSignatureDeclaration(signature, kind, undefined, PRINT)!);
  }

  private printNode(node: ts.Node): string {
    const [plain] = ts.transform(node, [(context) => (root) => this.plain(root, context)]).transformed;
    return this.text(plain);
  }

  private text(node: ts.Node): string {
    return this.printer.printNode(ts.EmitHint.Unspecified, node, this.source).replace(/\s+/g, ' ').replace(/;$/, '');
  }

  private plain(node: ts.Node, context: ts.TransformationContext): ts.Node {
    const { factory } = context;
    if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName) && this.isExpanded(symbolOf(node.typeName))) {
      const args = node.typeArguments?.map((each) => this.text(this.plain(each, context))) ?? [];
      return this.meaning(symbolOf(node.typeName)!, args);
    }
    const visited = ts.visitEachChild(node, (child) => this.plain(child, context), context);
    if (ts.isIdentifier(visited)) {
      const symbol = symbolOf(node as ts.Identifier);
      const name = symbol === undefined ? undefined : this.exported.get(this.target(symbol));
      return name === undefined ? visited : factory.createIdentifier(name);
    }
    if (ts.isUnionTypeNode(visited)) return this.union(this.alternatives(visited));
    if (isSignature(visited)) visited.parameters.forEach((parameter, index) => rename(parameter, index));
    return visited;
  }

  /** What a name stands for, with these type arguments; an internal class stands for itself. */
  private meaning(symbol: ts.Symbol, args: readonly string[]): ts.TypeNode {
    const target = this.target(symbol);
    if (target.flags & ts.SymbolFlags.Class) return ts.factory.createTypeReferenceNode(INTERNAL_CLASS);
    if (this.expanding.includes(target)) return ts.factory.createTypeReferenceNode('(itself)');
    this.expanding.push(target);
    const type = this.checker.getDeclaredTypeOfSymbol(target);
    const node = this.checker.typeToTypeNode(type, undefined, DECLARED)!;
    const [plain] = ts.transform<ts.Node>(node, [(context) => (each) => this.plain(each, context)]).transformed;
    const texts =
      target.flags & ts.SymbolFlags.Interface
        ? [`{ ${this.members(type, '').join('; ')} }`]
        : ts.isUnionTypeNode(plain)
          ? this.alternatives(plain)
          : [this.text(plain)];
    this.expanding.pop();
    const [{ typeParameters }] = target.declarations as [ts.TypeAliasDeclaration];
    const named = texts.map((text) =>
      (typeParameters ?? []).reduce(
        (filled, { name }, at) => filled.replace(new RegExp(`\\b${name.text}\\b`, 'g'), args[at] ?? name.text),
        text,
      ),
    );
    return named.length > 1
      ? this.union(named)
      : ts.factory.createTypeReferenceNode(/^[\w.]+$|^\{/.test(named[0]) ? named[0] : `(${named[0]})`);
  }

  /**
   * Unions are always expanded: the compiler merges unions with the same members, and the name that
   * it prints depends on the order of files.
   */
  private isExpanded(symbol: ts.Symbol | undefined): boolean {
    if (symbol === undefined) return false;
    const target = this.target(symbol);
    const isUnion = (target.flags & ts.SymbolFlags.TypeAlias) !== 0 && this.checker.getDeclaredTypeOfSymbol(target).isUnion();
    return this.isInternal(symbol) || (isUnion && this.isOurs(target));
  }

  /** The members of a union as text, those of nested unions among them. */
  private alternatives(union: ts.UnionTypeNode): string[] {
    return union.types.flatMap((each) => {
      const inner = ts.isParenthesizedTypeNode(each) ? each.type : each;
      return ts.isUnionTypeNode(inner) ? this.alternatives(inner) : [this.text(each)];
    });
  }

  private union(alternatives: readonly string[]): ts.TypeNode {
    return ts.factory.createUnionTypeNode([...new Set(alternatives)].sort(compare).map((text) => ts.factory.createTypeReferenceNode(text)));
  }

  private isInternal(symbol: ts.Symbol | undefined): boolean {
    if (symbol === undefined) return false;
    const target = this.target(symbol);
    const isType = (target.flags & ts.SymbolFlags.Type) !== 0 && (target.flags & ts.SymbolFlags.TypeParameter) === 0;
    return isType && target.declarations !== undefined && this.isOurs(target) && !this.exported.has(target);
  }

  private isOurs({ declarations }: ts.Symbol): boolean {
    return declarations === undefined || declarations.some((each) => each.getSourceFile().fileName.startsWith(`${root}/lib/`));
  }

  private target(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }
}

/** The compiler leaves it on the identifiers that it makes. */
function symbolOf(identifier: ts.Identifier): ts.Symbol | undefined {
  return (identifier as ts.Identifier & { readonly symbol?: ts.Symbol }).symbol;
}

function isSignature(node: ts.Node): node is ts.SignatureDeclaration {
  return (
    ts.isFunctionTypeNode(node) ||
    ts.isConstructorTypeNode(node) ||
    ts.isMethodSignature(node) ||
    ts.isCallSignatureDeclaration(node) ||
    ts.isConstructSignatureDeclaration(node)
  );
}

function rename(parameter: ts.ParameterDeclaration, index: number): void {
  (parameter as { name: ts.BindingName }).name = ts.factory.createIdentifier(String.fromCharCode(97 + index));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Of the types that `OptionsOf` makes; only the compiler's own API tells. */
function isMappedReadonly(member: ts.Symbol): boolean {
  const READONLY = 8;
  return (((member as { readonly links?: { readonly checkFlags?: number } }).links?.checkFlags ?? 0) & READONLY) !== 0;
}

function isPrivate(declaration: ts.Declaration | undefined): boolean {
  return declaration !== undefined && (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private) !== 0;
}
