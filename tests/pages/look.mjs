// Opens pages in a browser and says what a person or a reader of screens would miss.
//
//   node look.mjs AXE_FOLDER CHROMIUM OUTPUT PAGE.html ...
//
// AXE_FOLDER holds node_modules with puppeteer-core and axe-core. Prints a JSON object:
// page -> width -> what was found. Screenshots go to OUTPUT.
import { createRequire } from "node:module";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, chromium, output, ...pages] = process.argv.slice(2);
const require = createRequire(path.resolve(modules, "package.json"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// In this process group, so that it ends, and is given time, as this program is.
const profile = mkdtempSync(path.join(tmpdir(), "look-"));
const child = spawn(chromium, [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--hide-scrollbars", "--remote-debugging-port=0", `--user-data-dir=${profile}`,
  "about:blank",
]);
const address = await new Promise((resolve, reject) => {
  let text = "";
  child.stderr.on("data", (data) => {
    text += data;
    const match = text.match(/DevTools listening on (ws:\S+)/);
    if (match) resolve(match[1]);
  });
  child.on("exit", () => reject(new Error(`${chromium} ended: ${text.slice(-300)}`)));
});
const browser = await puppeteer.connect({
  browserWSEndpoint: address,
  protocolTimeout: 600000,
});
const found = {};
for (const file of pages) {
  found[file] = {};
  for (const [width, scheme] of [[390, "light"], [1280, "light"], [1280, "dark"]]) {
    const page = await browser.newPage();
    page.setDefaultTimeout(300000);
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.setViewport({ width, height: 900 });
    const said = [];
    const asked = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => asked.push(request.url().slice(0, 100)));
    await page.goto(pathToFileURL(path.resolve(file)).href, { waitUntil: "load" });
    const seen = await page.evaluate(() => ({
      scripts: document.scripts.length,
      scroll: document.documentElement.scrollWidth - window.innerWidth,
      images: document.images.length,
      missing: [...document.images].filter((x) => !x.naturalWidth).length,
      unnamed: [...document.querySelectorAll("img, svg")].filter(
        (x) => !(x.getAttribute("alt") || x.getAttribute("aria-label")),
      ).length,
    }));
    // Text of figures that lies on other text of the same figure.
    const overlaps = await page.evaluate(() => {
      const pairs = [];
      for (const svg of document.querySelectorAll("svg")) {
        const texts = [...svg.querySelectorAll("text")].map((x) => {
          const box = x.getBoundingClientRect();
          return { said: x.textContent, box };
        });
        for (let i = 0; i < texts.length; i++) {
          for (let j = i + 1; j < texts.length; j++) {
            const a = texts[i].box;
            const b = texts[j].box;
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            const least = Math.min(a.width * a.height, b.width * b.height);
            if (wide > 0 && high > 0 && wide * high > 0.3 * least) {
              pairs.push(
                `${svg.getAttribute("aria-label")}: ${texts[i].said} / ${texts[j].said}`,
              );
            }
          }
        }
      }
      return pairs.slice(0, 10);
    });
    await page.evaluate(axe);
    const result = await page.evaluate(() =>
      window.axe.run(document, { resultTypes: ["violations"] }),
    );
    const violations = result.violations.map(
      (x) => `${x.id}: ${x.help} (${x.nodes.length}), ${x.nodes[0].html.slice(0, 160)}`,
    );
    const name = path.basename(path.dirname(path.resolve(file)));
    const shot = path.join(output, `${name}-${width}-${scheme}.png`);
    await page.screenshot({ path: shot, fullPage: true });
    const others = asked.filter((x) => !x.startsWith("data:")).slice(1);
    found[file][`${width} ${scheme}`] = { ...seen, said, others, overlaps, violations };
    await page.close();
  }
}
// The profile is written to until the browser has ended, by its helpers a little longer.
const ended = new Promise((resolve) => child.once("exit", resolve));
await browser.close();
await ended;
rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
console.log(JSON.stringify(found, null, 1));
