// Beside allauth's scripts, which talk to the browser: shows what needs passkeys where there are any, and says what went wrong.

const parts = document.querySelectorAll("[data-passkeys]");
if (window.PublicKeyCredential) for (const part of parts) part.hidden = false;
else for (const part of document.querySelectorAll("[data-no-passkeys]")) part.hidden = false;
for (const { dataset } of document.querySelectorAll("[data-passkey-form]"))
  window.allauth.webauthn.forms[dataset.passkeyForm]({ ids: JSON.parse(dataset.ids) });

document.addEventListener("allauth.error", (event) => {
  const place = document.getElementById("passkey-error");
  if (!place) return;
  event.preventDefault();
  const known = { InvalidStateError: "You already have this passkey.", NotAllowedError: "No passkey was used. Try again, and confirm in the window of your browser." };
  place.querySelector("span").textContent = known[event.detail.exception?.name] ?? "Your browser could not use a passkey here.";
  place.hidden = false;
});
