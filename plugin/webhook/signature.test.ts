import { describe, expect, it } from "vitest";
import { parseSecrets, signedHeaders } from "./signature.ts";

/** The vector of the libraries of Standard Webhooks. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MESSAGE = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
const DATE = new Date(1_614_265_330_999);
const SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

describe("a signature", () => {
  it("is that of Standard Webhooks", () => {
    expect(signedHeaders(MESSAGE, parseSecrets(SECRET, "file"), DATE)).toEqual({
      "webhook-id": MESSAGE.id,
      "webhook-timestamp": "1614265330",
      "webhook-signature": SIGNATURE,
    });
  });

  it("is there for each secret, while one takes the place of another", () => {
    const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const keys = parseSecrets(`# old\n${SECRET}\n\n  ${other}\r\n`, "file");
    expect(keys).toHaveLength(2);
    const [first, second, ...more] = (signedHeaders(MESSAGE, keys, DATE)["webhook-signature"] ?? "").split(" ");
    expect(first).toBe(SIGNATURE);
    expect(second).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(second).not.toBe(first);
    expect(more).toEqual([]);
  });

  it("is not there without a secret", () => {
    expect(Object.keys(signedHeaders(MESSAGE, [], DATE))).toEqual(["webhook-id", "webhook-timestamp"]);
  });
});

describe("a file of secrets", () => {
  const base64 = (bytes: number): string => Buffer.alloc(bytes, 1).toString("base64");

  it.each([24, 64])("takes %i bytes", (bytes) => {
    expect(parseSecrets(`whsec_${base64(bytes)}`, "file")[0]).toHaveLength(bytes);
  });

  it.each([
    ["no prefix", base64(32)],
    ["another prefix", `whsk_${base64(32)}`],
    ["too short", `whsec_${base64(23)}`],
    ["too long", `whsec_${base64(65)}`],
    ["not base64", "whsec_not!base64notbase64notbase64notbase64"],
  ])("refuses one with %s, and does not tell what is in it", (_what, secret) => {
    const refused = (): unknown => parseSecrets(`\n${secret}`, "/etc/secret");
    expect(refused).toThrow(/^line 2 of \/etc\/secret is not a secret; expected "whsec_"/);
    expect(refused).not.toThrow(secret);
  });

  it("refuses one without any", () => {
    expect(() => parseSecrets("\n# none\n", "/etc/secret")).toThrow("there is no secret in /etc/secret");
  });
});
