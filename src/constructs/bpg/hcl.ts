/** Plain attributes in the form cdktf's HCL renderer asks for (`cdktf synth --hcl`). */

export type Attribute = string | number | boolean | string[] | Attributes | Attributes[];
export interface Attributes {
  [name: string]: Attribute | undefined;
}

export interface HclAttribute {
  value: unknown;
  isBlock: boolean;
  type: "simple" | "list";
  storageClassType: string;
}

export function toHclAttributes(attributes: Attributes): Record<string, HclAttribute> {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, toHclAttribute(value)]])),
  );
}

function toHclAttribute(value: Attribute): HclAttribute {
  if (Array.isArray(value) && value.every((item) => typeof item === "string"))
    return { value, isBlock: false, type: "list", storageClassType: "stringList" };
  if (typeof value === "object")
    return {
      value: [value].flat().map((block) => toHclAttributes(block as Attributes)),
      isBlock: true,
      type: "list",
      storageClassType: "objectList",
    };
  return { value, isBlock: false, type: "simple", storageClassType: typeof value };
}
