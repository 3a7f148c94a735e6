// Judges JSON Web Signatures with the package `jose`, sharing no code with Yinxin.
//
//   node verify_jws.mjs MODULES SIGNER.pem ALGORITHM CASES.json
//
// MODULES is the folder that holds `jose`. CASES.json: a list of {"jws": TEXT, "payload": BASE64URL or null}; a payload is
// given for what is detached. Prints a line for each case: `ok` and what was signed, in Base64url, or `refused` and why.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
const [modules, signer, algorithm, cases] = process.argv.slice(2);
const jose = await import(pathToFileURL(`${modules}/jose/dist/webapi/index.js`).href);
const key = await jose.importX509(readFileSync(signer, "utf8"), algorithm);
// Both must be protected.
const crit = { sigT: true, sigD: true };

for (const { jws, payload } of JSON.parse(readFileSync(cases, "utf8"))) {
  try {
    const read = jws.startsWith("{") ? JSON.parse(jws) : undefined;
    const [header, attached, signature] = jws.split(".");
    const { b64 = true } = jose.decodeProtectedHeader(read ?? jws);
    let flattened = read ?? { protected: header, payload: attached, signature };
    if (payload !== null) {
      if (flattened.payload) throw new Error("a payload is attached");
      flattened = { ...flattened, payload: b64 ? payload : new Uint8Array(Buffer.from(payload, "base64url")) };
    }
    const judged = await jose.flattenedVerify(flattened, key, { crit, algorithms: [algorithm] });
    console.log(`ok ${Buffer.from(judged.payload).toString("base64url")}`);
  } catch (failure) {
    console.log(`refused ${failure.code ?? failure.message}`);
  }
}
