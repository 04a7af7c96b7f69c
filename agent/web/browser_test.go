package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"activedefense/agent/pace"
	"activedefense/config"
	"activedefense/store"
)

// In a real browser: where there is none, the tests over HTTP hold what they can, and .ci/run says so.
func TestInABrowser(t *testing.T) {
	browser := newChromium(t)
	if browser == nil {
		t.Log("WITHOUT Chromium, which is not installed")
		return
	}
	for name, test := range map[string]func(*testing.T, context.Context){
		"a block appears without a reload": appears, "it is looked for, allowed and released": handled, "the keyboard is enough": keyboard,
		"all can be read": readable, "hostile texts do nothing": harmless, "it comes back by itself": reconnects,
	} {
		t.Run(name, func(t *testing.T) { test(t, browser) })
	}
}

func appears(t *testing.T, browser context.Context) {
	s := newStage(t, true)
	s.put("203.0.113.1/32", store.Blocked)
	w := s.window(t, browser)
	w.signIn("reader")
	w.until("it is live", `document.getElementById("live").innerText === "Live."`)
	w.until("there are lines a second", `document.querySelector("[data-rate]").innerText === "1,234"`)
	eval[bool](w, `window.same = true`)
	// It takes well below a second; the script looks by itself when it begins, and every thirty.
	for _, address := range []string{"203.0.113.65", "203.0.113.66"} {
		s.put(address+"/32", store.Blocked)
		w.within(25*time.Second, "the block is in the list", `document.querySelector("#newest").innerText.includes("`+address+`")`)
	}
	w.until("the block is said", `document.getElementById("said").innerText.includes("203.0.113.66 is blocked: port-scan")`)
	if !eval[bool](w, `window.same === true`) {
		t.Error("the page was loaded anew")
	}
}

func handled(t *testing.T, browser context.Context) {
	s := newStage(t, true)
	for i := range 5 {
		s.put(fmt.Sprintf("203.0.113.%d/32", i+1), store.Blocked)
	}
	s.put("198.51.100.9/32", store.Held)
	w := s.window(t, browser)
	w.signIn("anna")
	w.do(chromedp.Click(`nav a[href="/ui/blocked"]`), chromedp.SendKeys("#q", "203.0.113.3\r"))
	w.until("one is found", `document.querySelectorAll("tbody tr").length === 1 && document.querySelector("tbody").innerText.includes("203.0.113.3")`)
	w.do(chromedp.Click("tbody a.address"), chromedp.WaitVisible("#answer"), chromedp.SendKeys(`form[action="/ui/release"] [name=reason]`, "a mistake\r"))
	w.until("it is released", `document.querySelector(".done")?.innerText.startsWith("It is released") && document.body.innerText.includes("anna: a mistake")`)
	w.do(chromedp.Navigate(s.url+"/ui/address/203.0.113.4"), chromedp.Click(`//summary[starts-with(., "Allow 203.0.113.4")]`), chromedp.SendKeys("#allow-why", "a partner\r"))
	w.until("it is allowed", `location.pathname === "/ui/allow" && document.querySelector("tbody").innerText.includes("203.0.113.4")`)
	w.do(chromedp.Navigate(s.url+"/ui/address/198.51.100.9"), chromedp.Click(`form[action="/ui/accept"] button`))
	w.until("it is blocked", `document.querySelector(".lead")?.innerText === "198.51.100.9 is blocked."`)
	// What was chosen stays chosen while the list changes, and is released when it was asked for once.
	w.do(chromedp.Navigate(s.url+"/ui/blocked"), chromedp.Click(`[value="203.0.113.1"]`), chromedp.Click(`[value="203.0.113.2"]`))
	w.until("it is live", `document.getElementById("live").innerText === "Live."`)
	eval[bool](w, `document.querySelector("footer time").id = "before"; document.activeElement.blur(); true`)
	s.put("203.0.113.9/32", store.Blocked)
	w.until("the page was loaded again", `document.getElementById("said").innerText.includes("203.0.113.9 is blocked") && !document.getElementById("before")`)
	w.until("both are still chosen", `document.querySelectorAll("input:checked").length === 2`)
	w.do(chromedp.Click(`button[value="release"]`))
	w.until("it is asked for", `document.querySelector(".lead")?.innerText.startsWith("Release 2 entries?")`)
	w.do(chromedp.Click("button.main"))
	w.until("they are released", `document.querySelector(".done")?.innerText === "Released: 2 of 2 entries."`)
	w.do(chromedp.Click(".who button"))
	w.until("anna is signed out", `location.pathname === "/ui/signin" && document.body.innerText.includes("You are signed out")`)
}

// tabTo presses the tab key until what is meant has the focus, which must be seen wherever it is.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	for range 80 {
		w.do(chromedp.KeyEvent("\t"))
		if problem := eval[string](w, `(() => { const at = document.activeElement; if (at === document.body) return "";
			const style = getComputedStyle(at), wide = parseFloat(style.outlineWidth);
			return at.matches(":focus-visible") && style.outlineStyle !== "none" && wide >= 2 ? "" : at.outerHTML; })()`); problem != "" {
			w.t.Errorf("the focus is not to be seen at %s", problem)
		}
		selects, err := json.Marshal(selector)
		if err != nil {
			w.t.Fatal(err)
		}
		if eval[bool](w, `document.activeElement.matches(`+string(selects)+`)`) {
			return
		}
	}
	w.t.Fatalf("no tab leads to %s", selector)
}

func keyboard(t *testing.T, browser context.Context) {
	s := newStage(t, true)
	s.put("203.0.113.1/32", store.Blocked)
	w := s.window(t, browser)
	w.open("/")
	w.do(chromedp.KeyEvent("token of anna\r")) // the field has the focus
	w.until("anna is signed in", `document.querySelector(".who")?.innerText.includes("anna")`)
	w.tabTo("a.skip")
	w.do(chromedp.KeyEvent("\r"))
	w.until("the content has the focus", `document.activeElement.id === "main"`)
	w.open("/")
	for _, href := range []string{"/", "/ui/blocked", "/ui/records", "/ui/firewalls", "/ui/allow", "/ui/history", "/ui/settings"} {
		w.tabTo(`nav a[href="` + href + `"]`)
	}
	w.open("/")
	w.tabTo(`nav a[href="/ui/blocked"]`)
	w.do(chromedp.KeyEvent("\r"))
	w.until("the list is open", `location.pathname === "/ui/blocked" && document.readyState === "complete"`)
	w.tabTo("#q")
	w.do(chromedp.KeyEvent("203.0.113.0/24\r"))
	w.until("it is found", `location.search.includes("203.0.113.0") && document.readyState === "complete"`)
	w.tabTo("tbody a.address")
	w.do(chromedp.KeyEvent("\r"))
	w.until("the address is open", `location.pathname === "/ui/address/203.0.113.1" && document.readyState === "complete"`)
	w.tabTo(`form[action="/ui/release"] [name=reason]`)
	w.do(chromedp.KeyEvent("by keyboard\t"))
	w.do(chromedp.KeyEvent("\r"))
	w.until("it is released", `document.querySelector(".done")?.innerText.startsWith("It is released")`)
}

// everyPage is a stage with something on each page, as a day in a small network may look.
func everyPage(t *testing.T) (s *stage, paths []string) {
	s = newStage(t, true)
	now := time.Now().Truncate(time.Second)
	s.cfg.Firewalls = []config.Firewall{{Name: "LAB-FW-01"}, {Name: "LAB-FW-02"}}
	hour := now.UTC().Truncate(time.Hour)
	for i := range 700 {
		if at := hour.Add(time.Duration(i-699) * time.Hour); i < 200 || i > 212 {
			s.hours = append(s.hours, pace.Hour{From: at, Lines: uint64(3600 * (1500 + 300*((i*7)%11) - 40*(i%24))), Seconds: 3600})
		}
	}
	rules := []struct{ rule, why, device string }{{"port-scan", "14 ports of 198.51.100.7 within 10 minutes", "LAB-FW-01"}, {"login", "11 failed logins within 10 minutes, of vpn-portal", "LAB-FW-02"},
		{"host-sweep", "10 addresses on port 3389 within 10 minutes", "LAB-FW-01"}, {"vulnerability", "SSH User Authentication Brute Force Attempt (40015)", "LAB-FW-02"}, {"probe", "30 refused targets within 24 hours", "LAB-FW-01"}}
	for i := range 60 {
		s.put(fmt.Sprintf("203.0.113.%d/32", 60-i), store.Blocked, func(b *store.Block) {
			of := rules[i%len(rules)]
			b.Rule, b.Reason, b.Device, b.Hits, b.Grade = of.rule, of.why, of.device, int64(11+i*5%31), store.Grade(1+i%2)
			b.BlockedAt = now.Add(-time.Duration((60-i)*(60-i)) * 20 * time.Second)
			b.FirstSeen, b.LastSeen = b.BlockedAt.Add(-4*time.Minute), b.BlockedAt.Add(time.Minute)
		})
	}
	line := "Nov 29 12:00:00 lab-fw-01 SrcLocation=Netherlands; SrcIP=203.0.113.99; SrcPort=40000; SrcUser=; DstLocation=Australia; DstIP=198.51.100.7; DstPort=%d; Action=deny; RuleName=last; Severity=; Subtype=drop; Type=TRAFFIC;"
	s.put("203.0.113.99/32", store.Blocked, func(b *store.Block) {
		b.Grade, b.Target, b.Reason, b.Hits = store.Forgeable, "198.51.100.7", "11 ports of 198.51.100.7 within 10 minutes", 11
		b.Evidence = []store.Evidence{{Time: now.Add(-4 * time.Minute), Device: "LAB-FW-01", Line: fmt.Sprintf(line, 22)}, {Time: now, Device: "LAB-FW-01", Line: fmt.Sprintf(line, 3389)}}
	})
	if err := s.store.SaveEnforced(t.Context(), "LAB-FW-01", []store.Enforcement{{Address: netip.MustParsePrefix("203.0.113.99/32"), Since: now, Until: now.Add(30 * 24 * time.Hour), Seen: now}}, nil); err != nil {
		t.Fatal(err)
	}
	s.put("203.0.113.2/32", store.Held)
	s.put("2001:db8:1234:5678::/64", store.Observed)
	s.log(store.Record{Time: now.Add(-time.Minute), Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.99"), SrcCountry: "Netherlands", SrcPort: 40000, Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 22, Action: "deny", Type: "TRAFFIC", Rule: "internet-in", Outcome: store.Refused})
	s.log(store.Record{Time: now.Add(-2 * time.Minute), Src: netip.MustParseAddr("192.0.2.99"), Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Action: "allow", Type: "TRAFFIC", Outcome: store.Answered})
	v := s.signedIn("anna")
	v.do(step{"/ui/allow", []string{"entry", "198.51.100.20", "reason", "a scanner of ours", "for", "7d"}, 200, ""}, step{"/ui/allow", []string{"entry", "198.51.100.21"}, 200, ""})
	s.say(map[string]any{
		"blacklist": 61, "held": 1, "observed": 1,
		"configuration": map[string]any{"path": "/etc/activedefense/activedefense.yaml", "loaded_at": now, "refused_at": now, "faults": []string{"edl.listen: is not an address"}},
		"troubles":      []any{map[string]any{"since": now.Add(-7 * time.Minute), "what": "firewall-down: LAB-FW-02 does not answer: dial tcp 192.0.2.2:443: i/o timeout", "remedy": "see that its management interface answers this host; until then it enforces what it has, and the list"}},
		"firewalls": []any{map[string]any{"name": "LAB-FW-01", "state": "up", "up": true, "since": now, "mode": "dynamic-tag", "tags": 61, "desired": 61, "seen_at": now}, map[string]any{"name": "LAB-FW-02", "state": "down", "since": now, "mode": "edl", "error": "dial tcp 192.0.2.2:443: i/o timeout", "left_out": 3,
			"brake": "40 of 61 would go", "refused_count": 1, "refused": []string{"203.0.113.9: invalid"}, "strays": 2, "unseen": 1, "fallback": true}},
		"inputs": []any{map[string]any{"path": "/var/log/Firewall/LAB-FW-01.log", "lines": 123456789, "last_event": now}, map[string]any{"path": "/var/log/Firewall/LAB-FW-02.log", "silent_since": now, "error": "permission denied", "clock": "they are two hours ahead"}},
		"policies": []any{map[string]any{"firewall": "LAB-FW-01", "state": "fail", "since": now, "at": now, "checks": []any{map[string]any{"firewall": "LAB-FW-01", "check": "block-rule", "result": "fail", "detail": "no rule drops what is tagged", "remedy": "activedefense provision --firewall LAB-FW-01 --apply --commit"},
			map[string]any{"firewall": "LAB-FW-01", "check": "licence", "result": "warn", "detail": "ends soon", "remedy": "renew it"}}}},
	})
	return s, []string{"/", "/ui/blocked?state=all", "/ui/blocked?q=nothing", "/ui/address/203.0.113.99", "/ui/address/203.0.113.2", "/ui/address/192.0.2.99", "/ui/records?since=24h", "/ui/firewalls", "/ui/allow", "/ui/history", "/ui/settings", "/ui/nothing"}
}

// contrast gives what cannot be read well: texts whose colour is too near to what is behind them (WCAG 2.2, 1.4.3: 4.5 to 1).
const contrast = `(() => {
	const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const parts = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { light: 0.2126 * channel(m[0]) + 0.7152 * channel(m[1]) + 0.0722 * channel(m[2]), solid: m.length < 4 || m[3] === 1, none: m.length === 4 && m[3] === 0 }; };
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); if (!c.none) return c; } return parts("rgb(255,255,255)"); };
	const bad = []; let seen = 0;
	const look = (e, colour, text) => { const a = parts(colour), b = behind(e); const ratio = (Math.max(a.light, b.light) + 0.05) / (Math.min(a.light, b.light) + 0.05); seen++;
		if (ratio < 4.5 || !a.solid || !b.solid) bad.push(ratio.toFixed(2) + " " + colour + " " + text.trim().slice(0, 40)); };
	document.querySelectorAll("main details").forEach((d) => { d.open = true; });
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) { const e = walk.currentNode.parentElement; if (!walk.currentNode.data.trim() || e.closest("noscript, title, desc, option")) continue;
		const style = getComputedStyle(e); look(e, e instanceof SVGElement ? style.fill : style.color, walk.currentNode.data); }
	document.querySelectorAll("input:not([type=hidden]), select").forEach((e) => { look(e, getComputedStyle(e).color, e.name); if (e.placeholder) look(e, getComputedStyle(e, "::placeholder").color, e.placeholder); });
	return seen < 10 ? ["only " + seen + " texts were looked at"] : bad; })()`

// unlabelled gives the fields and buttons that a screen reader has no name for, and IDs that are there twice.
const unlabelled = `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, svg[role=img]")].filter((e) =>
	![...(e.labels ?? [])].some((l) => l.innerText.trim()) && !e.getAttribute("aria-label") && !(e.tagName === "BUTTON" && e.innerText.trim()) &&
	!(e.getAttribute("aria-labelledby") ?? "x").split(" ").every((id) => document.getElementById(id)?.textContent.trim())).map((e) => e.outerHTML.slice(0, 200)).concat(
	[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i).map((id) => "twice: " + id))`

func readable(t *testing.T, browser context.Context) {
	s, paths := everyPage(t)
	w := s.window(t, browser)
	w.signIn("anna")
	shots := os.Getenv("TEST_SCREENSHOTS") // a folder for pictures of all pages; "": none are made
	picture := func(look, path string) {
		if shots != "" {
			w.picture(shots, look, path)
		}
	}
	for _, path := range paths {
		w.do(chromedp.EmulateViewport(1100, 1480))
		w.open(path)
		for _, scheme := range []string{"light", "dark"} {
			w.prefer(scheme)
			picture(scheme, path)
			for _, what := range eval[[]string](w, contrast) {
				t.Errorf("%s, %s: it cannot be read: %s", path, scheme, what)
			}
		}
		for _, what := range eval[[]string](w, unlabelled) {
			t.Errorf("%s: nothing says what this is: %s", path, what)
		}
		for _, width := range []int64{768, 900, 1024} {
			w.fits(path, width)
		}
		w.fits(path, 360)
		picture("phone", path)
	}
}

// fits looks whether the page is no wider than a window, which is a phone's if it is narrow.
func (w *window) fits(path string, width int64) {
	w.t.Helper()
	if width < 500 {
		w.do(chromedp.EmulateViewport(width, 740, chromedp.EmulateMobile))
	} else {
		w.do(chromedp.EmulateViewport(width, 900))
	}
	if wide := eval[string](w, fmt.Sprint(`innerWidth === `, width, ` && document.documentElement.scrollWidth <= innerWidth ? "" : innerWidth + " < " + document.documentElement.scrollWidth + ": " +
		[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > `, width, ` + 1).map((e) => e.outerHTML.slice(0, 120)).join("\n")`)); wide != "" {
		w.t.Errorf("%s is wider than %d: %s", path, width, wide)
	}
}

// prefer has the browser prefer light or dark.
func (w *window) prefer(scheme string) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		w.t.Fatal(err)
	}
}

// picture keeps how a page looks.
func (w *window) picture(folder, look, path string) {
	w.t.Helper()
	picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	picture = smaller(w.t, picture)
	name := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-", "&", "-").Replace(path), "-")
	if err := os.WriteFile(filepath.Join(folder, look+"-"+name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// smaller gives a picture with fewer colours, which takes a third of the room and looks the same.
func smaller(t *testing.T, picture []byte) []byte {
	t.Helper()
	given, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	out, known := image.NewPaletted(given.Bounds(), nil), map[color.Color]uint8{}
	for i := range out.Pix {
		x, y := i%out.Stride, i/out.Stride
		r, g, b, _ := given.At(x, y).RGBA()
		step := func(v uint32) uint8 { return uint8(min((v>>8+4)/8*8, 255)) }
		c := color.RGBA{step(r), step(g), step(b), 255}
		at, is := known[c]
		if !is && len(out.Palette) == 256 {
			at = uint8(out.Palette.Index(c))
			known[c] = at
		} else if !is {
			at = uint8(len(out.Palette))
			out.Palette = append(out.Palette, c)
			known[c] = at
		}
		out.Pix[i] = at
	}
	var text bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&text, out); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func harmless(t *testing.T, browser context.Context) {
	s := newStage(t, true)
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	batch := store.Batch{}
	for i, text := range attacks {
		n := int64(i + 1)
		batch.Positions = append(batch.Positions, store.Position{ID: n, Path: "/var/log/" + text, Inode: uint64(n), Updated: at})
		batch.Records = append(batch.Records, store.Record{Time: at.Add(time.Duration(i) * time.Second), Src: netip.MustParseAddr("203.0.113.66"), SrcUser: text, SrcCountry: text, Device: text, Rule: text, ThreatName: text,
			Application: text, FromZone: text, Action: text, Subtype: text, SessionEndReason: text, Type: "THREAT", File: n})
	}
	if _, err := s.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(attacks, "\n")
	s.put("203.0.113.66/32", store.Held, func(b *store.Block) {
		b.Rule, b.Reason, b.Hold, b.Device, b.Target, b.By = attacks[0], all, all, attacks[1], attacks[2], store.ByDetector
		for _, text := range attacks {
			b.Evidence = append(b.Evidence, store.Evidence{Time: at, Device: text, Line: text})
		}
	})
	s.say(map[string]any{
		"troubles":  []any{map[string]any{"since": at, "what": all, "remedy": all}},
		"firewalls": []any{map[string]any{"name": attacks[1], "state": "down", "error": all, "refused_count": 1, "refused": []string{all}}},
		"inputs":    []any{map[string]any{"path": "/var/log/" + attacks[1], "error": all, "clock": all}},
		"policies":  []any{map[string]any{"firewall": attacks[1], "state": "fail", "at": at, "checks": []any{map[string]any{"check": attacks[1], "result": "fail", "detail": all, "remedy": all}}}},
	})
	w := s.window(t, browser)
	w.signIn("anna")
	for _, path := range []string{"/", "/ui/blocked?state=held", "/ui/address/203.0.113.66", "/ui/records?since=24h", "/ui/firewalls", "/ui/history"} {
		w.open(path)
		if path == "/" {
			w.until("it is live", `document.getElementById("live").innerText === "Live."`)
			s.put("203.0.113.67/32", store.Blocked, func(b *store.Block) { b.Rule, b.Reason = attacks[1], attacks[1] })
			w.until("a hostile block is said", `document.getElementById("said").innerText.includes("onerror")`)
			w.until("it is in the list", `document.getElementById("newest").innerText.includes("203.0.113.67")`)
		}
		if more := eval[int](w, `document.querySelectorAll("script:not([src^='/ui/static/']), img, iframe, base, meta[http-equiv], style, [onerror], [onload], [onfocus], [style], h1 ~ h1, link[href*=evil], form[action*=evil]").length`); more != 0 {
			t.Errorf("%s holds %d elements that are not ours", path, more)
		}
		w.fits(path, 1100)
		w.fits(path, 360)
		if path == "/ui/address/203.0.113.66" || path == "/ui/records?since=24h" {
			said := strings.Join(strings.Fields(eval[string](w, `document.body.innerText`)), " ")
			for _, text := range attacks {
				if !strings.Contains(said, shown(text)) {
					t.Errorf("%s does not show %q", path, text)
				}
			}
		}
	}
	w.open("/ui/records?since=24h")
	links := eval[[]string](w, `[...document.querySelectorAll("tbody a[href^='/ui/record?']")].map((a) => a.getAttribute("href"))`)
	if len(links) != len(attacks) {
		t.Fatalf("%d records have pages", len(links))
	}
	for i, link := range links[:6] {
		w.open(link)
		if text := attacks[len(attacks)-1-i]; !strings.Contains(strings.Join(strings.Fields(eval[string](w, `document.body.innerText`)), " "), "Log file /var/log/"+shown(text)) {
			t.Errorf("%s does not show the file of %q", link, text)
		}
	}
}

// A page that lost its connection says so, comes back by itself, and then shows what it missed.
func reconnects(t *testing.T, browser context.Context) {
	s := newStage(t, true)
	w := s.window(t, browser)
	w.signIn("reader")
	w.until("it is live", `document.getElementById("live").innerText === "Live."`)
	s.cut()
	w.until("it says that it is not", `document.getElementById("live").innerText.startsWith("Not live")`)
	s.put("203.0.113.66/32", store.Blocked)
	s.serve()
	w.until("it is live again", `document.getElementById("live").innerText === "Live."`)
	w.within(20*time.Second, "it shows what it missed", `document.querySelector("#newest").innerText.includes("203.0.113.66")`)
}
