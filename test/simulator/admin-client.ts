/** Calls of the simulator's admin API. */
export async function askAdmin(
  adminUrl: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; value: unknown }> {
  const reply = await fetch(`${adminUrl}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await reply.text();
  return { status: reply.status, value: reply.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text };
}
