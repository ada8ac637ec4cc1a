import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { topologyPage } from "../../src/report";
import { MOVE, topology } from "../report/sample";
import { findChromium, launch } from "./chromium";

const executable = findChromium();
if (executable === undefined)
  console.warn("left out: no Chromium on this machine (PATH, or the variable CHROMIUM), so the report's page is not tried in one");

describe.skipIf(executable === undefined)("the report's page in a browser", () => {
  let browser: Browser;
  let page: Page;
  let problems: string[];
  beforeAll(async () => {
    browser = await launch(executable!);
  });
  afterAll(() => browser?.close());

  async function open(html: string): Promise<void> {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("request", (request) => request.url().startsWith("http") && problems.push(`asked for ${request.url()}`));
    await page.setContent(html);
  }

  /** The tests are compiled without the browser's types. */
  interface StyledElement {
    ownerDocument: { defaultView: { getComputedStyle(element: unknown): { opacity: string } } };
  }
  const opacity = (selector: string) =>
    page.locator(selector).evaluate((element) => {
      const { defaultView } = (element as unknown as StyledElement).ownerDocument;
      return Number(defaultView.getComputedStyle(element).opacity);
    });

  it("goes from before to after, with bars and movers", async () => {
    await open(topologyPage(topology({ clusters: 2, nodes: 2, guestsPerNode: 1 }, [MOVE]), "now"));
    const slide = (value: number) => page.locator("#when").fill(String(value));
    const source = ".guest.before";
    const target = ".guest.after";
    const bar = (text: string) =>
      page
        .locator("g", { has: page.locator("title", { hasText: text }) })
        .last()
        .locator(".fill");
    const grows = bar("mem: 2 %, then 4 %");
    expect([await opacity(source), await opacity(target)]).toEqual([1, 0]);
    const widthBefore = Number(await grows.getAttribute("width"));
    await slide(100);
    expect([await opacity(source), await opacity(target)]).toEqual([0, 1]);
    expect(Number(await grows.getAttribute("width"))).toBeGreaterThan(widthBefore);
    expect(await page.locator("#when-label").textContent()).toBe("after");
    expect(await page.locator("details").textContent()).toContain("c0 is draining");
    expect(problems).toEqual([]);
  });

  it("finds one guest among 5,000 and brings it into view", async () => {
    await open(topologyPage(topology({ clusters: 10, nodes: 20, guestsPerNode: 25 }), "now"));
    expect(await page.locator(".guest").count()).toBe(5000);
    await page.locator("#search").fill("vm-5099 production");
    expect(await page.locator("#found").textContent()).toBe("1 found");
    const hit = page.locator(".guest.hit");
    expect(await hit.locator("title").textContent()).toContain("vm 5099");
    const box = (await hit.boundingBox())!;
    expect(box.y).toBeGreaterThanOrEqual(0);
    expect(box.y + box.height).toBeLessThanOrEqual(800);
    expect(box.width).toBeGreaterThan(3);
    expect(problems).toEqual([]);
  });

  it("fits the width of the window, and zooms", async () => {
    await open(topologyPage(topology({ clusters: 10, nodes: 20, guestsPerNode: 25 }), "now"));
    const width = async () => (await page.locator("#topology").boundingBox())!.width;
    const fitted = await width();
    expect(fitted).toBeLessThanOrEqual(1280);
    await page.locator("#in").click();
    expect(await width()).toBeGreaterThan(fitted);
    await page.locator("#fit").click();
    expect(await width()).toBeCloseTo(fitted, 0);
  });

  it("labels 5 guests with their names, unclipped, at the size of the window", async () => {
    await open(topologyPage(topology({ clusters: 1, nodes: 1, guestsPerNode: 5 }), "now"));
    const cells = await page.locator(".guest").all();
    expect(cells).toHaveLength(5);
    for (const cell of cells) {
      const [rect, text] = [await cell.locator("rect").boundingBox(), await cell.locator("text").boundingBox()];
      expect(text!.width).toBeLessThanOrEqual(rect!.width);
      expect(text!.height).toBeGreaterThan(8);
    }
  });

  it("runs nothing that comes in a name", async () => {
    const sample = topology({ clusters: 1, nodes: 1, guestsPerNode: 1 });
    sample.clusters[0]!.nodes[0]!.guests[0]!.name = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
    await open(topologyPage(sample, "now"));
    expect(await page.title()).toBe("Federation acme");
    expect(problems).toEqual([]);
  });
});
