/** @file The agents' dashboard begins here. */

const main = document.getElementById("dashboard");
if (main) main.textContent = "Parlor";
