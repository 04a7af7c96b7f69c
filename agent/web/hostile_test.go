package web

import (
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/agent/display"
	"activedefense/store"
)

// attacks are texts that are chosen to do something in a page.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=//evil.example/x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `</title><script src=//evil.example/x></script>`, `</pre></td></table><h1>all is well</h1>`,
	`javascript:alert(1)`, `{{.Who.CSRF}}`, `${alert(1)}`, `<!--`, `]]>`, `&lt;script&gt;`, `<base href=//evil.example/>`, `<meta http-equiv=refresh content=0;url=//evil.example>`, `<link rel=stylesheet href=//evil.example>`,
	`<form action=//evil.example><button>`, `<iframe src=//evil.example>`, `" autofocus onfocus="alert(1)`, `' style='background:url(//evil.example)'`, `<style>*{display:none}</style>`,
	"\x1b[2Jgone", "user\u202egnp.exe", "ad\u200bmin", "a\u2028b", `../../etc/passwd`, `%3Cscript%3E`, `\u003cscript\u003e`, `x'. Reason: Invalid username/password. auth profile 'LDAP', From: 8.8.8.8.`,
	`X-H:"a, b, c, d, 11111111-2222-3333-4444-555555555555";`, `a,b,"c`, `+ADw-script+AD4-alert(1)+ADw-/script+AD4-`, strings.Repeat("W", 250),
}

// forgeries are the texts that the parser's forging tests put where strangers choose one: rows of keys, whole, broken and repeated.
func forgeries() (texts []string) {
	keys := []string{"SrcLocation=Nowhere", "SrcIP=192.0.2.66", "SrcPort=6", "SrcUser=victim", "DstLocation=Elsewhere", "DstIP=192.0.2.67", "DstPort=66", "Action=allow", "RuleName=Forged", "RuleID=666",
		"TimeReceived=2025/11/20 06:06:06", "ThreatName=Forged", "ThreatID=66", "Severity=critical", "Subtype=vulnerability", "Type=TRAFFIC"}
	for first := range keys {
		for last := first; last < len(keys); last++ {
			row := "; " + strings.Join(keys[first:last+1], "; ")
			texts = append(texts, "x"+strings.Replace(row, "; Dst", "; y; Dst", 1), "x"+strings.ReplaceAll(row, "; A", "; ; A"), "x"+row, "x"+row+";", row[2:], "x"+row+row, "x"+row+"; y=z")
		}
	}
	line := strings.Join(keys, "; ") + ";"
	return append(texts, "; ; ;", ";", "=", "; =", `"; DstIP="192.0.2.67"`, "x; DstIP=", "x;DstIP=192.0.2.67", "x;\tDstIP=192.0.2.67", "x;#011DstIP=192.0.2.67", "x; DstIP = 192.0.2.67", line, line+line,
		"x message repeated 6 times: ["+line+"]", `a,b,"c`)
}

// shown is a text as a page shows it, where several spaces, tabs too, are one.
func shown(text string) string {
	return strings.Join(strings.Fields(display.Harmless(strings.ReplaceAll(text, "\t", " "))), " ")
}

// Every text that a stranger may have chosen is shown as it is, and is nothing but text.
func TestHostileTextsAreText(t *testing.T) {
	s := newStage(t, false)
	now := time.Now().Truncate(time.Second)
	texts := append(forgeries(), attacks...)
	var batch store.Batch
	for i, text := range texts {
		batch.Records = append(batch.Records, store.Record{Time: now.Add(-time.Duration(i) * time.Second), Src: netip.MustParseAddr("203.0.113.66"), SrcUser: text, Type: "TRAFFIC"})
	}
	if _, err := s.store.Commit(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	v, missing := s.visitor(), texts
	for page := 1; (page-1)*pageSize < len(texts); page++ {
		_, raw := v.get(fmt.Sprintf("/ui/records?since=24h&page=%d", page))
		said, unescaped := plain(raw), html.UnescapeString(raw)
		if strings.Count(raw, "<script") != 1 || strings.Contains(raw, "onerror=alert(1)>") || strings.Contains(raw, "\u202e") {
			t.Fatalf("page %d holds more than ours", page)
		}
		var left []string
		for _, text := range missing {
			if !strings.Contains(said, shown(text)) && !strings.Contains(unescaped, shown(text)) {
				left = append(left, text)
			}
		}
		missing = left
	}
	for _, text := range missing {
		t.Errorf("%q is not shown", text)
	}
	for _, text := range attacks {
		_, raw := v.get("/ui/blocked?" + url.Values{"q": {text}, "rule": {text}, "done": {text}, "page": {text}}.Encode())
		if strings.Count(raw, "<script") != 1 || strings.Contains(raw, "<img") || strings.Contains(raw, "<svg") {
			t.Errorf("a search for %q comes back as more than text", text)
		}
	}
}
