/* Which property names of the page may be shortened: those of its own types.  The same name may also be one of the browser's, of
 * what the C program writes (data/wire.ts) or of the address (state.ts): where it is that, it is put in quotes before the
 * bundler sees it, which leaves quoted names as they are.  The type checker knows which is which.  A name stays as it is everywhere
 * when an object of one kind is used as the other, when it is asked for by a computed key, or when nobody knows; what is asked for
 * by computed keys may be declared in quotes. */
import ts from 'typescript'

const GIVEN = /\/page\/(data\/wire|state)\.ts$/

/* { own: names that may be shortened, edits: file name -> [from, to, text][], last first } */
export function ownNames(config, entry) {
  const { compilerOptions } = ts.readConfigFile(config, ts.sys.readFile).config
  const { options } = ts.convertCompilerOptionsFromJson({ ...compilerOptions, types: [] }, '.')
  const program = ts.createProgram([entry], options)
  const checker = program.getTypeChecker()
  const pages = program.getSourceFiles().filter((f) => !f.isDeclarationFile)
  const ours = new Set(pages)
  /* a type's member in a file of given names, or one declared in quotes */
  const outside = (d) => (ts.isPropertySignature(d) && GIVEN.test(d.getSourceFile().fileName)) || (d.name && ts.isStringLiteral(d.name))
  const own = new Set(), kept = new Set(), edits = new Map(pages.map((f) => [f.fileName, []]))

  const places = (symbol) => (symbol?.declarations ?? []).map((d) => ours.has(d.getSourceFile()) && !outside(d))
  const isOwn = (symbol) => places(symbol).length > 0 && places(symbol).every((p) => p)
  const isGiven = (symbol) => places(symbol).length > 0 && !places(symbol).some((p) => p)
  const parts = (type) => (type.isUnionOrIntersection() ? type.types : [type])
  const keepAll = (type) => {
    for (const part of parts(type)) for (const p of checker.getPropertiesOfType(part)) if (!isGiven(p)) kept.add(p.name)
  }
  /* own: may be shortened; given: in quotes; anything else: nobody knows */
  const note = (name, symbol, quote) => {
    if (isOwn(symbol)) own.add(name)
    else if (isGiven(symbol)) quote()
    else kept.add(name)
  }
  /* An object of one type where another is wanted: their names are the same thing. */
  const mixed = (is, wanted) => {
    for (const a of parts(is)) for (const b of parts(wanted)) {
      if (a === b || !(a.flags & ts.TypeFlags.Object) || !(b.flags & ts.TypeFlags.Object)) continue
      for (const p of checker.getPropertiesOfType(b)) {
        const q = checker.getPropertyOfType(a, p.name)
        if (q && ((isOwn(p) && isGiven(q)) || (isGiven(p) && isOwn(q)))) kept.add(p.name)
      }
    }
  }
  const visit = (node) => {
    const edit = (from, to, text) => edits.get(node.getSourceFile().fileName).push([from, to, text])
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.name)) {
      const { text } = node.name
      note(text, checker.getSymbolAtLocation(node.name), () => edit(node.questionDotToken?.end ?? node.expression.end, node.name.end, `['${text}']`))
    } else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const key = node.propertyName ?? node.name, type = checker.getTypeAtLocation(node.parent)
      if (node.dotDotDotToken) keepAll(checker.getTypeAtLocation(node.name)) /* what is left over may be gone through by name */
      else if (ts.isIdentifier(key))
        note(key.text, checker.getPropertyOfType(type, key.text), () => edit(key.getStart(), key.end, node.propertyName ? `'${key.text}'` : `'${key.text}': ${key.text}`))
    } else if (ts.isObjectLiteralExpression(node)) {
      const type = checker.getContextualType(node), lost = type && type.flags & ts.TypeFlags.AnyOrUnknown
      for (const p of node.properties) {
        if (!p.name || !ts.isIdentifier(p.name)) continue
        const { text } = p.name
        const symbols = type ? parts(type).map((part) => checker.getPropertyOfType(part, text)).filter((s) => s) : []
        const asked = type && parts(type).some((part) => checker.getIndexInfosOfType(part).length)
        if (symbols.length && symbols.every(isGiven) && !ts.isMethodDeclaration(p))
          edit(p.name.getStart(), p.name.end, ts.isShorthandPropertyAssignment(p) ? `'${text}': ${text}` : `'${text}'`)
        else if (!lost && symbols.every(isOwn) && (symbols.length || !asked)) own.add(text)
        else kept.add(text)
      }
    } else if (ts.isElementAccessExpression(node)) {
      const key = checker.getTypeAtLocation(node.argumentExpression)
      const number = (t) => t.flags & (ts.TypeFlags.NumberLike | ts.TypeFlags.EnumLike)
      if (!parts(key).every(number)) keepAll(checker.getTypeAtLocation(node.expression))
    } else if (ts.isEnumMember(node)) kept.add(node.name.text) /* esbuild puts the number in its place */
    else if ((ts.isPropertyDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node)) && ts.isIdentifier(node.name)) own.add(node.name.text)
    else if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) own.add(node.name.text)
    /* of what is made up of others, those are looked at */
    const isName = node.parent && 'name' in node.parent && node.parent.name === node
    if (ts.isExpression(node) && !isName && !ts.isObjectLiteralExpression(node) && !ts.isConditionalExpression(node) && !ts.isParenthesizedExpression(node) && !ts.isArrayLiteralExpression(node)) {
      const wanted = checker.getContextualType(node)
      if (wanted) mixed(checker.getTypeAtLocation(node), wanted)
    }
    if (ts.isAsExpression(node)) mixed(checker.getTypeAtLocation(node.expression), checker.getTypeAtLocation(node))
    if (ts.isSpreadAssignment(node)) {
      const wanted = checker.getContextualType(node.parent)
      if (wanted) mixed(checker.getTypeAtLocation(node.expression), wanted)
    }
    if (ts.isClassDeclaration(node)) for (const clause of node.heritageClauses ?? []) for (const t of clause.types) mixed(checker.getTypeAtLocation(node), checker.getTypeAtLocation(t))
    ts.forEachChild(node, visit)
  }
  for (const file of pages) visit(file)
  for (const list of edits.values()) list.sort((a, b) => b[0] - a[0])
  return { own: [...own].filter((name) => !kept.has(name) && /^\w+$/.test(name)).sort(), edits }
}
