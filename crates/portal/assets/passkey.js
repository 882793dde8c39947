// Passkeys: forms that ask the browser for one before they are sent. Without this file they stay hidden, and codes work.
"use strict";
(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => {
    const characters = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet)).join("");
    return btoa(characters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const described = (list) => list.map((one) => ({ ...one, id: octets(one.id) }));

  const create = async (options) => {
    const publicKey = {
      ...options,
      challenge: octets(options.challenge),
      user: { ...options.user, id: octets(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    };
    const { response } = await navigator.credentials.create({ publicKey });
    return { client_data: response.clientDataJSON, attestation: response.attestationObject };
  };

  const get = async (options) => {
    const publicKey = {
      ...options,
      challenge: octets(options.challenge),
      allowCredentials: described(options.allowCredentials),
    };
    const { rawId, response } = await navigator.credentials.get({ publicKey });
    return {
      credential: rawId,
      client_data: response.clientDataJSON,
      authenticator_data: response.authenticatorData,
      signature: response.signature,
      user_handle: response.userHandle,
    };
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const [button, failed] = [form.querySelector("button"), form.querySelector("[data-passkey-failed]")];
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      failed.hidden = true;
      button.disabled = true;
      try {
        const options = JSON.parse(form.dataset.options);
        const answer = await (form.dataset.passkey === "create" ? create(options) : get(options));
        for (const [name, buffer] of Object.entries(answer)) {
          form.elements.namedItem(name).value = buffer ? text(buffer) : "";
        }
        HTMLFormElement.prototype.submit.call(form);
      } catch {
        failed.hidden = false;
        button.disabled = false;
        button.focus();
      }
    });
  }
  for (const note of document.querySelectorAll("[data-passkey-missing]")) note.hidden = true;
})();
