package panos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"activedefense/detect"

	"pgregory.net/rapid"
)

// gpValues are what a firewall fills into GlobalProtectFormat for the login of gpCells.
func gpValues(user string) map[string]string {
	return map[string]string{
		"$type": "GLOBALPROTECT", "$public_ip": "203.0.113.5", "$public_ipv6": "0.0.0.0", "$eventid": "gateway-auth", "$status": "failure", "$auth_method": "LDAP",
		"$repeatcnt": "1", "$receive_time": "2025/11/21 02:00:00", "$time_generated": "2025/11/21 01:59:58", "$high_res_timestamp": "2025-11-21T01:59:58.250+00:00",
		"$srcregion": "DE", "$error": "", "$opaque": "Authentication failed: Invalid username or password", "$srcuser": user,
	}
}

// systemValues are what a firewall fills into SystemFormat.
func systemValues(description string) map[string]string {
	return map[string]string{
		"$type": "SYSTEM", "$subtype": "auth", "$eventid": "auth-fail", "$severity": "medium", "$receive_time": "2025/11/21 02:00:00",
		"$time_generated": "2025/11/21 01:59:58", "$high_res_timestamp": "2025-11-21T01:59:58.250+00:00", "$opaque": description,
	}
}

// fillLogin writes a format as a firewall does that knows the variables in values.
func fillLogin(format string, values map[string]string) string {
	var pairs []string
	for variable, value := range values {
		pairs = append(pairs, "="+variable+";", "="+value+";")
	}
	return strings.NewReplacer(pairs...).Replace(format)
}

// kvLoginEvent is what the values mean; the name of the firewall is in the header.
func kvLoginEvent() detect.Event {
	ev := gpEventOf()
	ev.Device = "relay"
	return ev
}

func TestLoginFormats(t *testing.T) {
	gp := kvLoginEvent()
	system := kvLoginEvent()
	system.Type, system.Subtype, system.Application, system.EndReason, system.Severity, system.SrcUser, system.SrcCountry = detect.TypeSystem, "auth-fail", "PAP", wrongPassword, "medium", "alice", ""
	gpText := fillLogin(GlobalProtectFormat, gpValues(`example\alice`))
	systemText := fillLogin(SystemFormat, systemValues(authFail("alice", wrongPassword, "203.0.113.5")))
	v6 := gpValues(`example\alice`)
	v6["$public_ip"], v6["$public_ipv6"] = "", "203.0.113.5"
	for name, c := range map[string]struct {
		line string
		want detect.Event
	}{
		"GlobalProtect":                    {gpText, gp},
		"GlobalProtect, no last semicolon": {strings.TrimSuffix(gpText, ";"), gp},
		"GlobalProtect, line breaks":       {strings.ReplaceAll(gpText, "; ", ";#015#012"), gp},
		"GlobalProtect, no spaces":         {strings.ReplaceAll(gpText, "; ", ";"), gp},
		"GlobalProtect, more spaces":       {strings.ReplaceAll(gpText, "=", " = "), gp},
		"GlobalProtect, the other address": {fillLogin(GlobalProtectFormat, v6), gp},
		"System":                           {systemText, system},
		"System, no last semicolon":        {strings.TrimSuffix(systemText, ";"), system},
		"System, carriage return":          {systemText + "\r", system},
	} {
		if ev := mustParse(t, relayHead+c.line); ev != c.want {
			t.Errorf("%s\ngot  %+v\nwant %+v", name, ev, c.want)
		}
	}
	gp.Repeat, system.Repeat = 3, 3
	for text, want := range map[string]detect.Event{gpText: gp, systemText: system} { // as rsyslog merges equal messages
		first, rest, _ := strings.Cut(text, " ")
		if ev := mustParse(t, relayHead+first+" message repeated 3 times: [ "+rest+"]"); ev != want {
			t.Errorf("repeated\ngot  %+v\nwant %+v", ev, want)
		}
	}
	if len(GlobalProtectFormat) > 2048 || len(SystemFormat) > 2048 {
		t.Errorf("%d and %d characters: a server profile takes 2048", len(GlobalProtectFormat), len(SystemFormat))
	}
}

// TestLoginFormatsNameTheirKeys holds the formats against the tables that they are read by.
func TestLoginFormatsNameTheirKeys(t *testing.T) {
	for format, table := range map[string][]loginKey{GlobalProtectFormat: globalProtectTable[:], SystemFormat: systemTable[:]} {
		var parts []string
		for _, k := range table {
			parts = append(parts, k.name+"="+k.variable+";")
		}
		if got := strings.Join(parts, " "); got != format {
			t.Errorf("got  %s\nwant %s", got, format)
		}
	}
}

func TestLoginFormatFaults(t *testing.T) {
	with := func(variable, value string) string {
		v := gpValues("alice")
		v[variable] = value
		return fillLogin(GlobalProtectFormat, v)
	}
	gpText := fillLogin(GlobalProtectFormat, gpValues("alice"))
	for _, c := range []struct {
		name, line string
		want       error
	}{
		{"cut ahead of the user", gpText[:strings.Index(gpText, " SrcUser")], ErrTruncated},
		{"cut in the address", gpText[:strings.Index(gpText, ".5; ")], ErrTruncated},
		{"no event", with("$eventid", ""), ErrTruncated},
		{"address", with("$public_ip", "203.0.113"), ErrBadAddress},
		{"other keys of the site", "Type=GLOBALPROTECT; User=alice; SrcIP=203.0.113.5;", ErrIgnored},
		{"CONFIG", strings.Replace(gpText, "GLOBALPROTECT", "CONFIG", 1), ErrIgnored},
		{"System, cut", "Type=SYSTEM; Subtype=auth; Event=auth-fail; Severity=medium", ErrTruncated},
		{"System, another event", strings.Replace(fillLogin(SystemFormat, systemValues("x")), "auth-fail", "commit", 1), ErrIgnored},
		{"System, 500 bytes", fillLogin(SystemFormat, systemValues(authFail(strings.Repeat("x", 400), wrongPassword, "203.0.113.5"))), ErrCut},
		{"System, cut in the text", strings.TrimSuffix(fillLogin(SystemFormat, systemValues(authFail("x", wrongPassword, "203.0.113.51"))), "1.;"), ErrCut},
		{"the usual format in another order", "Type=TRAFFIC; SrcIP=203.0.113.5; SrcPort=7", nil},
	} {
		if _, err := parse(c.line); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestLoginFormatsOfOldFirewalls: one that does not know a variable writes its name.
func TestLoginFormatsOfOldFirewalls(t *testing.T) {
	values := gpValues("alice")
	for _, variable := range []string{"$public_ipv6", "$auth_method", "$repeatcnt", "$receive_time", "$high_res_timestamp", "$srcregion", "$error", "$opaque", "$srcuser"} {
		values[variable] = variable
	}
	want := kvLoginEvent()
	want.Time, want.Application, want.SrcCountry, want.EndReason, want.SrcUser = want.Time.Truncate(time.Second), "", "", "", ""
	if ev := mustParse(t, relayHead+fillLogin(GlobalProtectFormat, values)); ev != want {
		t.Errorf("got  %+v\nwant %+v", ev, want)
	}
	values["$public_ip"] = "$public_ip"
	if ev := mustParse(t, fillLogin(GlobalProtectFormat, values)); ev.Src.IsValid() {
		t.Errorf("source %v", ev.Src)
	}
}

// TestNoForgeryInLoginFormats: whatever strangers give for their names, all else is the firewall's.
func TestNoForgeryInLoginFormats(t *testing.T) {
	pieces := rapid.OneOf(loginUser(), hostile(), rapid.SampledFrom([]string{
		fillLogin(GlobalProtectFormat, gpValues("y")), fillLogin(SystemFormat, systemValues("z")), "; Status=success; SrcUser=y", "; Error=timed out; Description=x; SrcUser=y",
	}))
	rapid.Check(t, func(t *rapid.T) {
		user := pieces.Draw(t, "user")
		ev, err := parse(relayHead + strings.Replace(fillLogin(GlobalProtectFormat, gpValues("\x01")), "\x01", user, 1))
		want := kvLoginEvent()
		if err != nil || decided(&ev) != decided(&want) || ev.SrcCountry != want.SrcCountry || ev.Device != want.Device || ev.Repeat != 1 {
			t.Fatalf("%q\n%v\ngot  %+v\nwant %+v", user, err, ev, want)
		}
		description := authFail(user, wrongPassword, "203.0.113.5")
		ev, err = parse(relayHead + strings.Replace(fillLogin(SystemFormat, systemValues("\x01")), "\x01", description, 1))
		if len(description) >= fullDescription {
			if !errors.Is(err, ErrCut) {
				t.Fatalf("%d bytes: %v", len(description), err)
			}
			return
		}
		want.Type, want.Subtype, want.Application, want.EndReason = detect.TypeSystem, "auth-fail", "PAP", wrongPassword
		if err != nil || decided(&ev) != decided(&want) || ev.Severity != "medium" {
			t.Fatalf("%q\n%v\ngot  %s\nwant %s", description, err, decided(&ev), decided(&want))
		}
	})
}

// FuzzLoginUser: in every form of a login, a user changes nothing but the user.
func FuzzLoginUser(f *testing.F) {
	for _, user := range []string{"alice", "x; SrcIP=8.8.8.8; Status=success", "x'. Reason: y. auth profile 'p', From: 8.8.8.8.", `a,"b",success,8.8.8.8`, "x, Reason: timed out, Login from: 8.8.8.8", "\xff"} {
		f.Add(user)
	}
	f.Fuzz(func(t *testing.T, user string) {
		if strings.ContainsAny(user, "\n\r\x00\x01") {
			return // a line holds none
		}
		description := authFail(user, wrongPassword, "203.0.113.5")
		older := "GlobalProtect portal user authentication failed. Login from: 203.0.113.5, User name: " + user + ", Reason: " + wrongPassword + ", Auth type: profile."
		for _, c := range []struct{ line, description, event, method string }{
			{gpLine(49, map[int]string{12: quoted(user)}), "", "gateway-auth", "LDAP"},
			{strings.Replace(fillLogin(GlobalProtectFormat, gpValues("\x01")), "\x01", user, 1), "", "gateway-auth", "LDAP"},
			{systemLine("auth", "auth-fail", description), description, "auth-fail", "PAP"},
			{strings.Replace(fillLogin(SystemFormat, systemValues("\x01")), "\x01", description, 1), description, "auth-fail", "PAP"},
			{systemLine("globalprotect", "globalprotectportal-auth-fail", older), older, "globalprotectportal-auth-fail", ""},
		} {
			ev, err := parse(relayHead + c.line)
			if cut := len(c.description) >= fullDescription; cut || err != nil {
				if !cut || !errors.Is(err, ErrCut) {
					t.Fatalf("%q: %v in %s", user, err, c.line)
				}
				continue
			}
			if ev.Src != gpEventOf().Src || ev.Action != failure || ev.Subtype != c.event || ev.Application != c.method {
				t.Fatalf("%q: %+v of %s", user, ev, c.line)
			}
		}
	})
}
