/** @file Texts that try to be more than texts. */

const CALL = "executed.push(1)";

export const HOSTILE = [
  `<script>${CALL}</script>`,
  `<img src=x onerror="${CALL}">`,
  `<svg onload="${CALL}"></svg>`,
  `<iframe srcdoc="<script>parent.${CALL}</script>"></iframe>`,
  `"><script>${CALL}</script>`,
  `' onmouseover='${CALL}' x='`,
  `" autofocus onfocus="${CALL}" x="`,
  `</textarea><script>${CALL}</script>`,
  `</title><script>${CALL}</script>`,
  `</style><script>${CALL}</script>`,
  `<b class="x">bold</b> &lt;b&gt; &amp; &#60;`,
  `javascript:${CALL}`,
  `[a link](javascript:${CALL})`,
  `https://example.com/"onclick="${CALL}`,
  `<a href="javascript:${CALL}">here</a>`,
  `<form action="https://elsewhere.example"><input name=token></form>`,
  `<style>* { display: none !important }</style>`,
  `<object data="data:text/html,<script>${CALL}</script>"></object>`,
  `<math><mi xlink:href="data:x,${CALL}">`,
  `{{constructor.constructor('${CALL}')()}} \${${CALL}} <%= ${CALL} %>`,
  "\u{202e}gnp.tnemhcatta\u{202c} \u{200f}abc\u{200b}",
  "__proto__",
  "constructor",
  "Z̷̢̛̭͎͙̘̬͚̗̰͕̝͈̲̦̲̬̏͌̃̈́̍͐̿͗̈́͂̈́̕͘͝a̸l̴g̵o",
  "👩‍👩‍👧‍👦".repeat(40),
  "first\nsecond\n\n\tthird",
];
