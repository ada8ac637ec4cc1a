/** Named formats of Proxmox's schema: each returns the error text, or undefined when the value is good. */

export function vmidFormat(value: string): string | undefined {
  return /^[1-9][0-9]{2,8}$/.test(value) ? undefined : "value does not look like a valid VM ID";
}

export function nodeFormat(value: string): string | undefined {
  return /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/.test(value) ? undefined : "value does not look like a valid node name";
}

export function storageFormat(value: string): string | undefined {
  if (value.length < 2) return `storage ID '${value}' cannot be shorter than 2 characters`;
  return /^[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]$/.test(value) ? undefined : `storage ID '${value}' contains illegal characters`;
}

export function poolFormat(value: string): string | undefined {
  if (!/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(value)) return `pool name '${value}' contains invalid characters`;
  return value.split("/").length > 3 ? `pool name '${value}' nested too deeply (max levels = 3)` : undefined;
}

export function useridFormat(value: string): string | undefined {
  if (value.length > 64) return `user name '${value}' is too long (${value.length} > 64)`;
  return /^[^\s:/@]+@[A-Za-z][A-Za-z0-9._-]+$/.test(value) ? undefined : `value '${value}' does not look like a valid user name`;
}

export const tokenNamePattern = /^[A-Za-z][A-Za-z0-9._-]+$/;

export function tokenidFormat(value: string): string | undefined {
  const mark = value.indexOf("!");
  const good = mark > 0 && useridFormat(value.slice(0, mark)) === undefined && tokenNamePattern.test(value.slice(mark + 1));
  return good ? undefined : `value '${value}' does not look like a valid token ID`;
}

export function groupidFormat(value: string): string | undefined {
  return /^[A-Za-z0-9._-]+$/.test(value) ? undefined : `group name '${value}' contains invalid characters`;
}

export function roleidFormat(value: string): string | undefined {
  return /^[A-Za-z0-9._-]+$/.test(value) ? undefined : `role name '${value}' contains invalid characters`;
}

export function emailFormat(value: string): string | undefined {
  return value.length <= 254 && /^[\w+~-]+(\.[\w+~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(value)
    ? undefined
    : "value does not look like a valid email address";
}

/** One or more privileges of the era, separated as lists are. */
export function privilegeFormat(known: readonly string[]): (value: string) => string | undefined {
  return (value) => (known.includes(value) ? undefined : `invalid privilege '${value}'`);
}

/** A user or a token of a user. */
export const authidPattern = /^[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+(![A-Za-z][A-Za-z0-9._-]+)?$/;

export function configidFormat(value: string): string | undefined {
  return /^[a-z][a-z0-9_-]+$/i.test(value) ? undefined : `invalid configuration ID '${value}'`;
}
