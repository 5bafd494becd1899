// The demo's logins: one press fills in name and password.

const form = document.getElementById("login-form");
for (const button of document.querySelectorAll("[data-username]")) {
  button.addEventListener("click", () => {
    form.elements.username.value = button.dataset.username;
    form.elements.password.value = button.dataset.password;
    form.querySelector(".btn.main").focus();
  });
}
