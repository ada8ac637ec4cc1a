/** A mixed-integer program whose variables are all 0 or 1. Whole coefficients. */
export interface LinearModel {
  variables: readonly string[];
  objective: readonly Term[];
  constraints: readonly Constraint[];
}

export interface Term {
  coefficient: number;
  variable: string;
}

export interface Constraint {
  terms: readonly Term[];
  relation: "<=" | "=" | ">=";
  bound: number;
}

/** Terms per line: readers of the format take lines of some hundred characters only. */
const TERMS_PER_LINE = 8;

/** The model in the CPLEX LP format, which every solver reads. */
export function formatLp({ variables, objective, constraints }: LinearModel): string {
  const lines = ["Minimize", ` cost: ${formatTerms(objective)}`, "Subject To"];
  constraints.forEach(({ terms, relation, bound }, index) => {
    if (terms.length > 0) lines.push(` c${index}: ${formatTerms(terms)} ${relation} ${bound}`);
  });
  lines.push("Binary");
  for (let start = 0; start < variables.length; start += TERMS_PER_LINE) {
    lines.push(` ${variables.slice(start, start + TERMS_PER_LINE).join(" ")}`);
  }
  return [...lines, "End", ""].join("\n");
}

function formatTerms(terms: readonly Term[]): string {
  if (terms.length === 0) return "0";
  const words = terms.map(({ coefficient, variable }, index) => {
    const sign = coefficient < 0 ? "- " : index === 0 ? "" : "+ ";
    const lineBreak = index > 0 && index % TERMS_PER_LINE === 0 ? "\n  " : "";
    return `${lineBreak}${sign}${Math.abs(coefficient)} ${variable}`;
  });
  return words.join(" ");
}

/** Coefficients divided by what all of them have in common: solvers compute with tolerances, and bytes are large. */
export function reduced(constraint: Constraint): Constraint {
  const divisor = constraint.terms.reduce((common, { coefficient }) => greatestCommonDivisor(common, Math.abs(coefficient)), 0);
  if (divisor <= 1) return constraint;
  const terms = constraint.terms.map(({ coefficient, variable }) => ({ coefficient: coefficient / divisor, variable }));
  const round = constraint.relation === ">=" ? Math.ceil : Math.floor;
  const bound = constraint.relation === "=" ? constraint.bound / divisor : round(constraint.bound / divisor);
  return { terms, relation: constraint.relation, bound };
}

function greatestCommonDivisor(left: number, right: number): number {
  let [larger, smaller] = [left, right];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
