/* Which property names of the page may be shortened: those that are only ever names of its own.  A name stays as it is
 * when somewhere in page/ it is a name of the browser's or of the language's, when it is asked for by a computed key, or when it is
 * written down elsewhere: in data/wire.ts (the C program writes it) or in state.ts (the address holds it).  The type checker knows. */
import ts from 'typescript'

const KEPT = /\/page\/(data\/wire|state)\.ts$/

export function ownNames(config, entry) {
  const { compilerOptions } = ts.readConfigFile(config, ts.sys.readFile).config
  const { options } = ts.convertCompilerOptionsFromJson({ ...compilerOptions, types: [] }, '.')
  const program = ts.createProgram([entry], options)
  const checker = program.getTypeChecker()
  const pages = program.getSourceFiles().filter((f) => !f.isDeclarationFile)
  const ours = new Set(pages.filter((f) => !KEPT.test(f.fileName)))
  const own = new Set(), others = new Set()

  const note = (name, symbol) => {
    const mine = symbol?.declarations?.length && symbol.declarations.every((d) => ours.has(d.getSourceFile()))
    ;(mine ? own : others).add(name)
  }
  const keepAll = (type) => {
    for (const part of type.isUnionOrIntersection() ? type.types : [type]) for (const p of checker.getPropertiesOfType(part)) others.add(p.name)
  }
  /* what the object literal is wanted as: `{ passive: true }` names nothing of ours */
  const wanted = (literal, name) => {
    const type = checker.getContextualType(literal)
    if (!type) return null
    for (const part of type.isUnionOrIntersection() ? type.types : [type]) {
      const p = checker.getPropertyOfType(part, name)
      if (p) note(name, p)
      else if (checker.getIndexInfosOfType(part).length) others.add(name)
    }
  }
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node)) note(node.name.text, checker.getSymbolAtLocation(node.name))
    else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = (node.propertyName ?? node.name).text
      if (node.dotDotDotToken) keepAll(checker.getTypeAtLocation(node.name)) /* what is left over may be gone through by name */
      else note(name, checker.getPropertyOfType(checker.getTypeAtLocation(node.parent), name))
    } else if (ts.isObjectLiteralExpression(node)) {
      for (const p of node.properties)
        if (p.name && ts.isIdentifier(p.name)) {
          own.add(p.name.text)
          wanted(node, p.name.text)
        } else if (p.name && ts.isStringLiteral(p.name)) others.add(p.name.text)
    } else if (ts.isElementAccessExpression(node)) {
      const key = checker.getTypeAtLocation(node.argumentExpression)
      if (!(key.flags & (ts.TypeFlags.NumberLike | ts.TypeFlags.EnumLike)) && !(key.isUnion() && key.types.every((t) => t.flags & ts.TypeFlags.NumberLike)))
        keepAll(checker.getTypeAtLocation(node.expression))
    } else if (ts.isPropertySignature(node) && ts.isIdentifier(node.name) && KEPT.test(node.getSourceFile().fileName)) others.add(node.name.text)
    else if (ts.isEnumMember(node)) others.add(node.name.text) /* esbuild puts the number in its place */
    else if ((ts.isPropertyDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node)) && ts.isIdentifier(node.name)) own.add(node.name.text)
    else if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) own.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  for (const file of pages) visit(file)
  return [...own].filter((name) => !others.has(name) && /^\w+$/.test(name)).sort()
}
