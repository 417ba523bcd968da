// Opens GraphiQL in a headless Chromium, types a query, runs it, and prints what the page shows.
//
//   node browser.mjs MODULES CHROMIUM URL FOLDER <query
//
// MODULES is a node_modules folder with playwright-core; screenshots are written to FOLDER. Prints
// one JSON object: `response`, the text of the response pane, and `problems`, what the page
// complained about.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [modules, executablePath, url, folder] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const query = readFileSync(0, "utf8");

// Without a sandbox, which root may not have.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`failed: ${request.url()}`));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`);
  });
  await page.goto(url);
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(query);
  await page.locator(".graphiql-execute-button").click();
  const pane = page.locator(".graphiql-response .CodeMirror");
  await page.waitForFunction(
    () => document.querySelector(".graphiql-response .CodeMirror")?.CodeMirror.getValue(),
  );
  await page.screenshot({ path: `${folder}/data.png` });
  const response = await pane.evaluate(({ CodeMirror: editor }) => {
    const text = editor.getValue();
    const line = text.split("\n").indexOf('  "extensions": {');
    editor.scrollTo(null, editor.heightAtLine(line, "local"));
    return text;
  });
  await page.screenshot({ path: `${folder}/plan.png` });
  console.log(JSON.stringify({ response, problems }));
} finally {
  await browser.close();
}
