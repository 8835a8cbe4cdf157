const ASSIGNMENT = /^[A-Za-z_]\w*\s*(?::[^=]+)?=(?!=)/;

/** Whether a cell does nothing but give names to values, on lines of their own. */
export function isOnlyAssignments(source: string): boolean {
  const lines = source.split('\n').filter(line => line.trim() && !line.trim().startsWith('#'));
  return lines.length > 0 && lines.every(line => ASSIGNMENT.test(line) && !/=.*\(/.test(line));
}
