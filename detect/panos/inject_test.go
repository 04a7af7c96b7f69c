package panos

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/detect"

	"pgregory.net/rapid"
)

// strangers are the variables whose values strangers choose.
var strangers = []string{"srcuser", "dstuser", "misc", "url", "user_agent", "referer", "xff", "http_headers", "contenttype", "subject",
	"machinename", "hostid", "serialnumber", "client_ver", "client_os", "client_os_ver", "error", "opaque"}

// nearest are those of a login ahead of whom stands nothing that matters.
var nearest = []string{"srcuser", "machinename"}

// injected are the templates with all their keys.
var injected = []struct{ name, separator, format, log string }{
	{"cef traffic", " ", cefTraffic, "TRAFFIC"}, {"cef custom", " ", cefCustom, "TRAFFIC"}, {"cef threat", " ", cefThreat, "THREAT"}, {"cef url", " ", cefURL, "THREAT"},
	{"cef globalprotect", " ", cefGlobalProtect, "GLOBALPROTECT"}, {"cef system", " ", cefSystem, "SYSTEM"},
	{"Strata's cef traffic", " ", lfTraffic, "TRAFFIC"}, {"Strata's cef threat", " ", lfThreat, "THREAT"}, {"Strata's longer cef", " ", lfLong, "THREAT"}, {"Strata's cef globalprotect", " ", lfGlobalProtect, "GLOBALPROTECT"},
	{"leef traffic", "|", leefTraffic, "TRAFFIC"}, {"leef threat", "|", leefThreat, "THREAT"}, {"leef globalprotect", "|", leefGlobalProtect, "GLOBALPROTECT"}, {"leef system", "|", leefSystem, "SYSTEM"},
	{"Strata's leef traffic", "\t", cloudTraffic, "TRAFFIC"}, {"Strata's leef threat", "\t", cloudThreat, "THREAT"},
	{"key=value traffic", "; ", TrafficFormat, "TRAFFIC"}, {"key=value threat", "; ", ThreatFormat, "THREAT"}, {"key=value globalprotect", "; ", GlobalProtectFormat, "GLOBALPROTECT"}, {"key=value system", "; ", SystemFormat, "SYSTEM"},
}

// injectedValues are of a record in which strangers hold nothing.
func injectedValues(log string) map[string]string {
	ev := randomEvent(rand.New(rand.NewPCG(5, 5)), 1)
	ev.Src, ev.Dst, ev.SrcUser, ev.Protocol = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.7"), "alice", detect.TCP
	ev.RuleID, ev.Direction = trueID, detect.ClientToServer
	ev.Type, ev.Subtype, ev.Action, ev.EndReason = detect.TypeTraffic, "drop", "deny", "policy-deny"
	if log == "THREAT" {
		ev.Type, ev.Subtype, ev.Action, ev.Severity, ev.Category, ev.ThreatName, ev.ThreatID = detect.TypeThreat, "vulnerability", "reset-both", "critical", "code-execution", "A Threat", "95187"
	}
	v := valuesOfEvent(&ev)
	maps.Copy(v, map[string]string{"public_ip": "203.0.113.5", "public_ipv6": "0.0.0.0", "private_ip": "0.0.0.0", "private_ipv6": "0.0.0.0", "status": "failure", "eventid": "gateway-auth", "stage": "login",
		"auth_method": "LDAP", "srcregion": "DE", "portal": "GW", "type": log, "error_code": "0", "tunnel_type": "IPSec"})
	for _, name := range strangers[1:] {
		v[name] = "x"
	}
	if log == "SYSTEM" {
		maps.Copy(v, map[string]string{"subtype": "auth", "eventid": "auth-fail", "opaque": authFail("alice", wrongPassword, "203.0.113.5"), "object": "profile"})
	}
	return v
}

// keysOfTemplates are all keys of the templates with a separator, and one that none has.
func keysOfTemplates(separator string) []string {
	keys := []string{"foo"}
	for _, c := range injected {
		if c.separator == separator || separator == "\t" && c.separator == "|" {
			keys = append(keys, templateKeys(c.format)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// TestNoInjection: in a record with all keys of its template, in their order, what strangers hold changes nothing but their own values: neither any key of the
// format with any value, in each of their values, nor what separates values and keys. Of what stands ahead of a value that strangers hold and may be a part of one ahead of it,
// if the site left out what is between, none is believed.
func TestNoInjection(t *testing.T) {
	for _, c := range injected {
		t.Run(c.name, func(t *testing.T) {
			p, v := New(Options{Location: time.UTC}), injectedValues(c.log)
			want := mustParse(t, written(c.format, v))
			texts := []string{"|", `\`, `\|`, "\t", "^", "#012", "#011", "=", " = ", `"`, "|x=|", " msg=", "x|THREAT|1|src=9.9.9.9"}
			for _, key := range keysOfTemplates(c.separator) {
				for _, value := range []string{"", "9.9.9.9", "success", "Cookie", "flood", "server-to-client", "Jan 01 2020 00:00:00 GMT"} {
					texts = append(texts, c.separator+key+"="+value)
				}
			}
			for _, name := range strangers {
				if !strings.Contains(c.format, "$"+name) {
					continue
				}
				for _, text := range texts {
					w := maps.Clone(v)
					if w[name] += text; c.log == "SYSTEM" {
						w[name] = authFail("alice"+text, wrongPassword, "203.0.113.5")
					}
					line := written(c.format, w)
					var got detect.Event
					want, err := want, p.Parse([]byte(line), readAt(), &got)
					if err == ErrUncertainLogin && c.separator != "; " && c.log == "GLOBALPROTECT" && !slices.Contains(nearest, name) {
						want.Src, err = netip.Addr{}, nil
					}
					if err != nil {
						t.Fatalf("%s of %q: %v\n%s", name, text, err, line)
					}
					if c.log == "GLOBALPROTECT" && got.SrcCountry == "" && name != "srcuser" {
						want.SrcCountry = ""
					}
					if c.format == lfLong { // none is believed
						want.SrcUser, want.Category = unlessEmpty(want.SrcUser, got.SrcUser), unlessEmpty(want.Category, got.Category)
					}
					if strings.HasSuffix(text, "=server-to-client") && got.Direction == detect.DirectionUnknown {
						want.Direction = got.Direction
					}
					if c.format == cefURL && got.ThreatID == "" {
						want.ThreatName, want.ThreatID = "", ""
					}
					if name == "srcuser" || c.log == "SYSTEM" || c.name == "key=value globalprotect" { // whose user stands behind what his program says
						want.SrcUser = got.SrcUser
					}
					if name == "error" || name == "opaque" {
						want.EndReason = got.EndReason
					}
					if got != want {
						t.Fatalf("%s of %q: %s\ngot  %+v\nwant %+v", name, text, line, got, want)
					}
				}
			}
		})
	}
}

// unlessEmpty is what is wanted where something is believed.
func unlessEmpty(want, got string) string {
	if got == "" {
		return ""
	}
	return want
}

// TestNoForgedSourceOfShorterTemplates: where a site left keys out, and a stranger writes them and others, at one place or at several, the record has the firewall's source or none.
func TestNoForgedSourceOfShorterTemplates(t *testing.T) {
	p, read := New(Options{Location: time.UTC}), 0
	for _, c := range injected {
		if c.log != "GLOBALPROTECT" && c.format != lfLong || c.separator == "; " {
			continue // the source stands ahead of all strangers
		}
		head := strings.LastIndex(c.format[:strings.IndexByte(c.format, '=')], "|") + 1
		keys := regexp.MustCompile(regexp.QuoteMeta(c.separator)+`([A-Za-z0-9-]+=)`).ReplaceAllString(c.format[head:], "\x00$1")
		forged := injectedValues(c.log)
		maps.Copy(forged, map[string]string{"src": "9.9.9.9", "public_ip": "9.9.9.9", "status": "success"})
		rows := strings.Split(written(keys, forged), "\x00")
		text := rapid.Custom(func(t *rapid.T) string { // one to all of the keys behind one another
			first := rapid.IntRange(0, len(rows)-1).Draw(t, "first")
			return "x" + c.separator + strings.Join(rows[first:rapid.IntRange(first+1, len(rows)).Draw(t, "last")], c.separator)
		})
		rapid.Check(t, func(t *rapid.T) {
			left := slices.DeleteFunc(strings.Split(keys, "\x00"), func(k string) bool {
				return !strings.Contains(k, "$src") && !strings.Contains(k, "$public_ip") && !strings.Contains(k, "$status") && rapid.IntRange(0, 7).Draw(t, "left out") == 0
			})
			v := injectedValues(c.log)
			for _, name := range strangers {
				if rapid.IntRange(0, 3).Draw(t, "hostile") == 0 {
					v[name] = text.Draw(t, name)
				}
			}
			line := written(c.format[:head]+strings.Join(left, c.separator), v)
			var got detect.Event
			err := p.Parse([]byte(line), readAt(), &got)
			if err == nil && got.Src.String() == "203.0.113.5" {
				read++
			} else if err == nil && got.Src.IsValid() || err != nil && errors.Is(err, detect.ErrCut) && got.Src.IsValid() {
				t.Fatalf("%s\nsource %s", line, got.Src)
			}
		})
	}
	if read < 100 {
		t.Errorf("%d records were read", read)
	}
}

// TestWhatHelpsAgainstHiding: whoever writes several keys has his failed logins counted as cut; not where the profile escapes equals signs, nor where address and status stand ahead of the user.
func TestWhatHelpsAgainstHiding(t *testing.T) {
	v := injectedValues("GLOBALPROTECT")
	v["machinename"] = "x PanOSPublicIPv4=9.9.9.9 PanOSEventStatus=success PanOSHostID=y"
	if ev, err := parse(written(cefGlobalProtect, v)); !errors.Is(err, detect.ErrCut) || ev.Src.IsValid() || ev.Action != "failure" {
		t.Errorf("source %s, %s, %v", ev.Src, ev.Action, err)
	}
	const keys = "PanOSPublicIPv4=$public_ip PanOSPublicIPv6=$public_ipv6 PanOSEventStatus=$status "
	ahead := strings.ReplaceAll(cefGlobalProtect, " PanOSEventStatus=$status", "")
	ahead = strings.Replace(strings.Replace(ahead, "PanOSPublicIPv4=$public_ip PanOSPublicIPv6=$public_ipv6 ", "", 1), "PanOSSourceUserName=", keys+"PanOSSourceUserName=", 1)
	escaped := maps.Clone(v)
	escaped["machinename"] = strings.ReplaceAll(v["machinename"], "=", `\=`)
	for _, line := range []string{written(ahead, v), written(cefGlobalProtect, escaped)} {
		if ev := mustParse(t, line); ev.Src.String() != "203.0.113.5" || ev.Action != "failure" {
			t.Errorf("%s\nsource %s, %s", line, ev.Src, ev.Action)
		}
	}
}

// TestNoForgedSourceBetweenKeys: what matters cannot be forged between any two keys, in any one value, of a record with all keys of its template: where the
// source stands behind users, and in logins, it has the firewall's source, result, user and time or none. The keys are those of the template, and of each class of those that are not in it.
func TestNoForgedSourceBetweenKeys(t *testing.T) {
	p, read, undecided := New(Options{Location: time.UTC}), 0, 0
	for _, c := range injected {
		if c.log != "GLOBALPROTECT" && c.format != lfLong || c.separator == "; " {
			continue
		}
		v := injectedValues(c.log)
		want := mustParse(t, written(c.format, v))
		keys := append(templateKeys(c.format), "foo", "PanDynamicUsrgrp", "PanOSHTTPHeader", "request", "shost", "cs1", "externalId", "ActionFlags", "ContentType", "SourceUser", "Filename", "sequence")
		for _, name := range strangers {
			if !strings.Contains(c.format, "$"+name) {
				continue
			}
			w := maps.Clone(v)
			w[name] = "x\x00"
			ahead, behind, _ := strings.Cut(written(c.format, w), "\x00")
			for _, target := range []string{"PanOSPublicIPv4=9.9.9.9", "PublicIP=9.9.9.9", "PanOSPublicIPv6=2001:db8::9", "PublicIPv6=2001:db8::9", "PanOSEventStatus=success", "Status=success", "src=9.9.9.9", "start=Jan 01 2020 00:00:00 GMT"} {
				if !strings.Contains(c.format, strings.SplitAfter(target, "=")[0]) {
					continue
				}
				for _, a := range keys {
					for _, b := range keys {
						line := ahead + c.separator + a + "=q" + c.separator + target + c.separator + b + "=q" + behind
						var got detect.Event
						err := p.Parse([]byte(line), readAt(), &got)
						switch {
						case err == nil && (got.Src != want.Src || got.Action != want.Action || !got.Time.Equal(want.Time)), err != nil && errors.Is(err, detect.ErrCut) && got.Src.IsValid():
							t.Fatalf("%s\nsource %s, action %s, time %s, %v", line, got.Src, got.Action, got.Time, err)
						case err == nil:
							read++
						case err == ErrUncertainLogin || err == ErrUncertain:
							undecided++
						}
					}
				}
			}
		}
	}
	if read < 1000 || undecided < 1000 {
		t.Errorf("%d records were read, %d not", read, undecided)
	}
}

// TestNoStrangerSetsTheTime: who writes a time of his own, behind another key, does not put his failed logins and attacks out of their time.
func TestNoStrangerSetsTheTime(t *testing.T) {
	for _, c := range []struct{ format, log, name, text string }{
		{leefGlobalProtect, "GLOBALPROTECT", "machinename", "PC|sev=1|devTime=Nov 05 2026 03:00:00 GMT"}, {leefGlobalProtect, "GLOBALPROTECT", "srcuser", "x|sev=1|devTime=Nov 05 2026 03:00:00 GMT"},
		{leefGlobalProtect, "GLOBALPROTECT", "opaque", "x|sev=1|devTime=Nov 55 2026 03:00:00 GMT"}, {leefThreat, "THREAT", "subject", "x|sev=1|devTime=Nov 05 2026 03:00:00 GMT"},
		{lfLong, "THREAT", "misc", "x PanOSLogTimeStamp=Nov 05 2026 03:00:00 suser=y"}, {lfLong, "THREAT", "url", "x cnt=1 PanOSLogTimeStamp=Nov 05 2026 03:00:00 suser=y"},
		{cefThreat, "THREAT", "srcuser", "x cnt=1 start=Nov 05 2026 03:00:00 GMT"}, {cefURL, "THREAT", "user_agent", "x cnt=1 rt=Nov 05 2026 03:00:00 GMT"},
		{cefGlobalProtect, "GLOBALPROTECT", "machinename", "x cnt=1 start=Nov 05 2026 03:00:00 GMT cnt=2"},
	} {
		v := injectedValues(c.log)
		want := mustParse(t, written(c.format, v))
		v[c.name] = c.text
		if ev := mustParse(t, written(c.format, v)); !ev.Time.Equal(want.Time) || ev.Src != want.Src {
			t.Errorf("%s of %s: time %s\n%s", c.name, c.text, ev.Time, c.format)
		}
	}
}

// TestCutThreats: a THREAT record that a relay cut off, wherever, is what the whole one is, or refused as cut off.
func TestCutThreats(t *testing.T) {
	for _, c := range injected {
		if c.log != "THREAT" || c.separator == "; " {
			continue
		}
		line := written(c.format, injectedValues(c.log))
		want, refused := mustParse(t, line), 0
		for n := strings.Index(line, "src=203"); n < len(line); n++ {
			ev, err := parse(line[:n])
			switch {
			case err != nil:
				refused++
			case !strings.EqualFold(ev.Subtype, want.Subtype) || ev.Severity != want.Severity || ev.Src != want.Src || ev.Action != want.Action:
				t.Fatalf("%s cut at %d: %s\nsubtype %q, severity %q, action %q of %s", c.name, n, line[:n], ev.Subtype, ev.Severity, ev.Action, ev.Src)
			}
		}
		if _, err := parse(line[:strings.Index(line, "x"+c.separator)]); refused == 0 || err == nil {
			t.Errorf("%s: %d cut records were refused", c.name, refused)
		}
	}
}

// TestCutInAnAddress: who writes an address of a page so long that a relay cuts off what is behind it, and a severity into it, lowers none that the header has.
func TestCutInAnAddress(t *testing.T) {
	v := injectedValues("THREAT")
	v["misc"] = "/x PanOSSeverity=Low externalId=1 cat=9 "
	line := written(lfThreat, v)
	if ev := mustParse(t, line[:strings.Index(line, "cat=9")]); ev.Severity != "critical" {
		t.Errorf("%s\nseverity %q", line, ev.Severity)
	}
}

// templateKeys are the keys of a template.
func templateKeys(format string) (keys []string) {
	for _, m := range regexp.MustCompile(`(?:[|\t]|^|; | )([A-Za-z0-9-]+)=`).FindAllStringSubmatch(format, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// TestNoStrangerLowersTheSeverity: whoever writes severities and directions of his own, with other keys ahead of them and behind, hides no attack.
func TestNoStrangerLowersTheSeverity(t *testing.T) {
	for _, c := range []struct{ format, name, text string }{
		{lfLong, "misc", "host/x?a cnt=7 PanOSSeverity=Low"}, {lfLong, "url", "host/x?a cnt=7 PanOSSeverity=Low"}, {lfLong, "srcuser", "x cnt=7 PanOSSeverity=Low"},
		{lfThreat, "misc", "x cnt=7 PanOSSeverity=Low"}, {leefThreat, "subject", "x|ThreatID=q|Severity=low"}, {leefThreat, "contenttype", "x|ThreatID=q|Severity=low|sev=1"}, {leefThreat, "misc", "x|ThreatID=q|Severity=low|sev=1"},
		{cloudThreat, "misc", "x\tcat=7\tVendorSeverity=Low"}, {leefThreat, "subject", "x|ReceiveTime=7|Direction=server-to-client"}, {leefThreat, "contenttype", "x|ReceiveTime=7|Direction=server-to-client"},
		{cefURL, "user_agent", "x rt=1 flexString2=server-to-client"}, {cefURL, "xff", "x rt=1 flexString2=server-to-client"}, {cefURL, "referer", "x rt=1 flexString2=server-to-client"},
		{cefThreat, "http_headers", "x rt=1 flexString2=server-to-client"}, {cefThreat, "http_headers", "x rt=1 flexString2Label=Direction flexString2=server-to-client flexString2=client-to-server rt=1"},
	} {
		v := injectedValues("THREAT")
		v[c.name] = c.text
		if ev := mustParse(t, written(c.format, v)); ev.Severity != "critical" || ev.Direction == detect.ServerToClient {
			t.Errorf("%s of %s: severity %q, %s\n%s", c.name, c.text, ev.Severity, ev.Direction, c.format)
		}
	}
}
