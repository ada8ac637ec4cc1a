import { describe, expect, it } from "vitest";
import { FormatError, isProxmoxError, LockedError, NotFoundError, PermissionError, ProxmoxError } from "../../src/proxmox";

const context = { cluster: "hel", method: "GET", path: "/nodes/n%201/qemu/100/config" } as const;

describe("error classes", () => {
  it("say what failed, where, in Proxmox's words, and what to do", () => {
    const error = new LockedError({
      summary: "Locked (backup)",
      context,
      proxmoxMessage: "VM is locked (backup)",
      advice: "Wait.",
      lock: "backup",
      lockFile: false,
    });
    expect(error.message).toBe("Locked (backup) (cluster hel, node n 1, GET /nodes/n%201/qemu/100/config): VM is locked (backup). Wait.");
    expect(error.name).toBe("LockedError");
    expect(error.node).toBe("n 1");
    expect(error).toBeInstanceOf(ProxmoxError);
  });

  it("are recognized across two copies of the package", () => {
    const foreign = { code: "NOT_FOUND", [Symbol.for("proxmox-federation.ProxmoxError")]: true };
    expect(isProxmoxError(foreign)).toBe(true);
    expect(isProxmoxError(foreign, "NOT_FOUND")).toBe(true);
    expect(isProxmoxError(foreign, "LOCKED")).toBe(false);
  });

  it.each([new Error("x"), new FormatError("size", "1X", "no"), undefined, null, "NOT_FOUND", { code: "NOT_FOUND" }])(
    "do not include %s",
    (value) => {
      expect(isProxmoxError(value)).toBe(false);
    },
  );

  it("narrow to their fields by code", () => {
    const errors: unknown[] = [
      new NotFoundError({ summary: "No such guest", context, what: "guest", id: "100" }),
      new PermissionError({ summary: "Permission missing", context, aclPath: "/vms", privileges: ["VM.Audit"], anyOf: false }),
    ];
    expect(
      errors.map((error) =>
        isProxmoxError(error, "NOT_FOUND") ? error.id : isProxmoxError(error, "PERMISSION") ? error.aclPath : undefined,
      ),
    ).toEqual(["100", "/vms"]);
  });
});
